"""From texts to vectors: one encoder, read the same way by curation, mining, the report and `synthmill search`.

In: an EncoderConfig and texts, or a finished documents folder. Out: L2-normalised float32 vectors, and for documents
a cache shared by runs, so that passages are encoded once per (documents, encoder). Nothing that the config calls a
place is in the cache's key, and a model is known by its content, so a moved folder is not encoded again.

Texts are tokenized once, sorted by token count and cut into batches of about the same number of tokens: on a CPU
that spares the padding, and weights in bfloat16 are twice as fast where the CPU multiplies it natively.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import II

from engine.errors import UserError
from engine.identity import digest, fields_of, place, source_hash
from engine.models import model_digest, resolve_model
from engine.store import locked, require_space

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from engine.place import Place

    Vectors = NDArray[np.float32]

PRECISIONS = ("auto", "bf16", "fp32")
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 1_024, 65_536
MIN_TOKENS = 8
"""A shorter text holds little but the tokenizer's own marks."""

_WINDOW_TOKENS = 1 << 21
"""Tokens sorted at a time, padding included: 16 MB per tensor."""
_KEY = "model.base"


@dataclass(frozen=True)
class EncoderConfig:
    """How texts become vectors."""

    model: str = II("model.base")
    """`bundled:NAME`, a local folder, or a hub id."""
    query_prefix: str = II("model.query_prefix")
    """Put before every query; the model's card says which."""
    passage_prefix: str = II("model.passage_prefix")
    """Put before every passage."""
    max_tokens: int = II("model.max_tokens")
    """A text is cut after so many tokens, the model's own limit permitting."""
    precision: str = "auto"
    """Of the weights: bf16, fp32, or auto: bf16 where it is fast (a GPU, a CPU with avx512_bf16), else fp32."""
    batch_tokens: int = place(0)
    """Tokens per forward pass, padding included; 0: 1,024 on a CPU, 65,536 on a GPU."""

    def __post_init__(self) -> None:
        """Checks what no interpolation stands for."""
        if self.precision not in PRECISIONS:
            remedy = f"choose one of {', '.join(PRECISIONS)}"
            raise UserError("there is no such precision", place=f"encoder.precision={self.precision}", remedy=remedy)
        if isinstance(self.max_tokens, int) and self.max_tokens < MIN_TOKENS:
            remedy = f"set it to {MIN_TOKENS} or more"
            raise UserError("leaves no room for a text", place=f"model.max_tokens={self.max_tokens}", remedy=remedy)

    def identity(self) -> dict[str, object]:
        """The fields, with the model's content in place of its name."""
        return {**fields_of(self), "model": model_digest(self.model, key=_KEY)}


@dataclass(frozen=True)
class PassageEmbeddings:
    """The vectors of a collection's passages, in the order of passages.parquet."""

    ids: list[str]
    vectors: Vectors
    """float32 (passages, dim), L2-normalised; a read-only memory map."""


class Encoder:
    """A sentence-transformers model, loaded.

    The prompts that a model's folder may name are not used: prefixes come from the config alone.

    Args:
        config: which model, and how it reads.
        num_threads: of the CPU, for the whole process; 0 leaves torch's own choice.

    Raises:
        UserError: there is no such model, or it is no encoder that loads without code of its own.
    """

    def __init__(self, config: EncoderConfig, *, num_threads: int = 0) -> None:
        import torch

        self.config = config
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        if num_threads and torch.get_num_threads() != num_threads:
            torch.set_num_threads(num_threads)
        self._model = _load(config, self.device)
        self.max_tokens = _length_limit(self._model, config.max_tokens)
        self._model.max_seq_length = self.max_tokens
        dim = self._model.get_embedding_dimension()
        assert dim, f"{config.model} does not say how long its vectors are"
        self.dim: int = dim

    @classmethod
    def from_folder(cls, folder: Path, like: EncoderConfig, *, num_threads: int = 0) -> Encoder:
        """The model in `folder`, reading texts as `like` does: the tuned beside the base."""
        return cls(replace(like, model=str(folder)), num_threads=num_threads)

    def encode_queries(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """float32 (texts, dim), L2-normalised; `progress` is told how many more are done."""
        return self._encode(self.config.query_prefix, texts, progress)

    def encode_passages(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """float32 (texts, dim), L2-normalised, of texts as `passage_text` makes them."""
        return self._encode(self.config.passage_prefix, texts, progress)

    def _encode(self, prefix: str, texts: Sequence[str], progress: Callable[[int], None] | None) -> Vectors:
        import numpy as np

        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        window = max(1, _WINDOW_TOKENS // self.max_tokens)
        for start in range(0, len(texts), window):
            part = [prefix + text for text in texts[start : start + window]]
            for rows, encoded in self._batches(part):
                vectors[start + rows] = encoded
                if progress:
                    progress(len(rows))
        assert np.isfinite(vectors).all(), f"{self.config.model} gave vectors that are not numbers"
        return vectors

    def _batches(self, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
        """Row numbers and their vectors, longest texts first so that a batch too large fails at once."""
        import torch

        features = self._model.preprocess(texts)
        mask = features["attention_mask"]
        lengths = mask.sum(dim=1)
        order = torch.argsort(lengths, descending=True, stable=True)
        for rows in _cut(order, lengths[order].tolist(), self._batch_tokens()):
            columns = mask[rows].any(dim=0)  # whichever side the tokenizer pads
            batch = {name: _part(value, rows, columns).to(self.device) for name, value in _tensors(features)}
            with torch.inference_mode():
                output = self._model({**features, **batch})["sentence_embedding"].float()
                normal = torch.nn.functional.normalize(output, dim=1)
            yield rows.numpy(), normal.cpu().numpy()

    def _batch_tokens(self) -> int:
        return self.config.batch_tokens or (GPU_BATCH_TOKENS if self.device == "cuda" else CPU_BATCH_TOKENS)


def passage_text(title: str, text: str) -> str:
    """What an encoder, BM25 and the trainer read of a passage: its title, if it has one, on a line of its own."""
    return f"{title}\n{text}" if title else text


def encode_passages_cached(config: EncoderConfig, documents_folder: Path, place: Place) -> PassageEmbeddings:
    """The passages of a finished documents step as vectors, encoded by whoever asks first.

    Args:
        config: the encoder; its query prefix changes nothing here.
        documents_folder: the step's folder in the store, or a run's link to it: named by its fingerprint.
        place: where the cache and the console are.
    """
    folder = place.embeddings / f"{documents_folder.resolve().name}-{_cache_key(config)}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / f".{folder.name}.lock", wait=True):
            if not folder.is_dir():
                temporary = folder.parent / f".{folder.name}.tmp"
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir()
                _write_embeddings(config, documents_folder, temporary, place)
                temporary.replace(folder)
    return _read_embeddings(folder)


def has_fast_bf16() -> bool:
    """Whether this machine multiplies bfloat16 natively: a GPU from Ampere on, a CPU with AVX512-bf16 or AMX."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool({"avx512_bf16", "amx_bf16"} & _cpu_flags())


@functools.cache
def _cpu_flags() -> frozenset[str]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _cache_key(config: EncoderConfig) -> str:
    own = {name: value for name, value in config.identity().items() if name != "query_prefix"}
    return digest([own, source_hash(__name__)])


def _write_embeddings(config: EncoderConfig, documents_folder: Path, folder: Path, place: Place) -> None:
    import numpy as np
    import pyarrow.parquet as pq

    encoder = Encoder(config, num_threads=place.num_cpus)
    with pq.ParquetFile(documents_folder / "passages.parquet") as file:
        total = file.metadata.num_rows
        require_space(folder, 4 * total * encoder.dim)
        shape, ids = (total, encoder.dim), list[str]()
        new: Any = np.lib.format.open_memmap  # numpy left it without annotations
        vectors = new(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
        with place.console.progress("encoding", total, "passages") as bar:
            for rows in file.iter_batches(16_384, columns=["passage_id", "title", "text"]):
                columns = rows.to_pydict()
                texts = [passage_text(*pair) for pair in zip(columns["title"], columns["text"], strict=True)]
                vectors[len(ids) : len(ids) + len(texts)] = encoder.encode_passages(texts, bar.advance)
                ids.extend(columns["passage_id"])
    vectors.flush()
    (folder / "ids.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")


def _read_embeddings(folder: Path) -> PassageEmbeddings:
    import numpy as np

    ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
    return PassageEmbeddings(ids=ids, vectors=np.load(folder / "vectors.npy", mmap_mode="r"))


def _load(config: EncoderConfig, device: str) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it would be drawn over the console's own
    bf16 = config.precision == "bf16" or (config.precision == "auto" and has_fast_bf16())
    try:
        return SentenceTransformer(
            str(resolve_model(config.model, key=_KEY)),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"dtype": torch.bfloat16 if bf16 else torch.float32, "use_safetensors": True},
        ).eval()
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        remedy = "name a text encoder that sentence-transformers loads without trust_remote_code"
        raise UserError(f"cannot be loaded ({reason})", place=f"{_KEY}={config.model}", remedy=remedy) from error


def _length_limit(model: Any, max_tokens: int) -> int:
    """`max_tokens`, or fewer where the model has fewer positions; a shorter default of its folder is no limit."""
    for name, module in model.named_modules():
        if name.endswith(".position_embeddings") and (positions := getattr(module, "num_embeddings", 0)):
            # RoBERTa and its kin count positions from after the padding token.
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            return min(max_tokens, int(positions) - unused)
    return min(max_tokens, getattr(model[0].config, "max_position_embeddings", None) or max_tokens)


def _cut(order: torch.Tensor, lengths: list[int], batch_tokens: int) -> Iterator[torch.Tensor]:
    """Consecutive rows of `order` whose number times the longest of them fits `batch_tokens`; at least one each."""
    start = 0
    while start < len(lengths):
        size = max(1, batch_tokens // max(1, lengths[start]))
        yield order[start : start + size]
        start += size


def _tensors(features: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The features that have a row per text and a column per token."""
    shape = features["attention_mask"].shape
    return ((name, value) for name, value in features.items() if getattr(value, "shape", None) == shape)


def _part(value: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    return value[rows][:, columns]
