"""From texts to vectors: one encoder, read the same way by curation, mining, the report and `synthmill search`.

In: an `EncoderConfig` and texts. Out: float32 vectors whose inner products are the scores: L2-normalised, unless the
model compares by dot products and makes vectors of different lengths.

Texts are tokenized once, sorted by token count and cut into batches of about the same number of tokens: on a CPU
that saves the padding, and weights in bfloat16 are twice as fast where the CPU multiplies it natively. The libraries
are imported only when a model is loaded, because every run reads the config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import II

from engine.errors import UserError
from engine.models.precision import PRECISIONS, Device, Precision, uses_bf16
from engine.models.resolve import model_digest
from engine.models.token_batches import cut_batches
from engine.runtime.identity import fields_of, origins, placement
from engine.search.loading import Kind, load_model
from engine.search.pooling import Pooling
from engine.search.usage import Similarity, Usage, has_unit_vectors, length_limit, usage_of

if TYPE_CHECKING:
    import torch

    from engine.runtime.place import Place
    from engine.search.order import Rows, Vectors

"""The values that `EncoderConfig.precision` may have."""
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 1_024, 65_536
"""The tokens of a forward pass, padding included, where the config names none."""
MIN_TOKENS = 8
"""The smallest `EncoderConfig.max_tokens`: fewer tokens hold little but the tokenizer's own marks."""

QUERIES_ALONE = 256
"""So many queries or fewer are encoded one by one."""
QUERY, DOCUMENT = "query", "document"
"""What a text is, as sentence-transformers names it: a model may have a layer for one of the two."""
_WINDOW_TOKENS = 1 << 21
"""The most tokens that are sorted at a time, padding included: 16 MB per tensor, and the tokenizer's own 100 MB."""
_WINDOW_BATCHES = 128
"""The batches that are sorted at a time; with more, little padding is saved."""
_KEYS = {"model": "model.base", "max_tokens": "model.max_tokens"}
"""The config keys that settings of an encoder follow, unless the user writes another one."""


@dataclass(frozen=True)
class EncoderConfig:
    """The settings of an encoder: which model it is, and how it reads texts."""

    model: str = II("model.base")
    """The model: `bundled:NAME`, a local folder, or a hub id."""
    query_prefix: str | None = II("model.query_prefix")
    """This text is put before every query; null stands for the model's own prompt for queries, if it has one."""
    passage_prefix: str | None = II("model.passage_prefix")
    """This text is put before every passage; null stands for the model's own prompt for documents or passages."""
    max_tokens: int = II("model.max_tokens")
    """A text is cut after so many tokens, or fewer where the model itself has a lower limit."""
    precision: str = "auto"
    """The precision of the weights: bf16, fp32, or auto, which is bf16 where that is fast (a GPU, a CPU with
    avx512_bf16, on Arm bf16) and else fp32."""
    batch_tokens: int = placement(0)
    """The tokens of a forward pass, padding included; 0: 1,024 on a CPU, 65,536 on a GPU."""
    pooling: Pooling = Pooling.auto
    """The way from the vectors of tokens to that of a text; `auto` is what the folder says. In a run it follows
    `model.pooling`, so that a base is measured as it is trained."""
    origins: Mapping[str, str] = origins()
    """The key that the user wrote each setting under; see `engine.runtime.identity.origins`."""

    def key(self, setting: str) -> str:
        """Returns the config key that the user wrote the value of a setting under, for messages."""
        return self.origins.get(setting, _KEYS.get(setting, f"encoder.{setting}"))

    def check(self) -> None:
        """Refuses an unknown precision and too small a size; not before origins are known, which messages need.

        Raises:
            UserError: with the key that the user wrote.
        """
        if self.precision not in PRECISIONS:
            where, remedy = f"{self.key('precision')}={self.precision}", f"choose one of {', '.join(PRECISIONS)}"
            raise UserError("there is no such precision", where=where, remedy=remedy)
        if self.max_tokens < MIN_TOKENS:
            where, remedy = f"{self.key('max_tokens')}={self.max_tokens}", f"set it to {MIN_TOKENS} or more"
            raise UserError("leaves no room for a text", where=where, remedy=remedy)

    def identity(self) -> dict[str, object]:
        """Returns the fields, with the model's content in place of its name and the prefixes that are really used.

        Raises:
            UserError: a setting cannot work, or there is no such model; a run asks this before it starts anything.
        """
        self.check()
        return {**fields_of(self.settled()), "model": model_digest(self.model, key=self.key("model"))}

    def settled(self) -> EncoderConfig:
        """Returns the same config with the prefixes that are really used in the place of null."""
        usage = self.usage()
        return replace(self, query_prefix=usage.query_prefix, passage_prefix=usage.passage_prefix)

    def usage(self) -> Usage:
        """Returns the prefixes and the similarity that are used: those of the model where the config says nothing.

        Raises:
            UserError: there is no such model, or its vectors are compared in a way that cannot be searched by.
        """
        return usage_of(self.model, self.query_prefix, self.passage_prefix, key=self.key("model"))

    def computed_precision(self, device: Device) -> Precision:
        """Returns what the weights are in on a device of this machine; never `auto`."""
        return Precision.bf16 if uses_bf16(Precision(self.precision), device) else Precision.fp32


def encoder_of_base() -> EncoderConfig:
    """Returns the settings of an encoder that follows the base of a run in everything, its pooling included."""
    return EncoderConfig(pooling=II("model.pooling"))


class Encoder:
    """A sentence-transformers model that is loaded.

    Its attribute `usage` has the prefixes and the similarity that it uses, `max_tokens` how much of a text it reads,
    `has_unit_vectors` whether its vectors are divided by their lengths.

    Args:
        config: which model, and how it reads.
        device: where it computes; None stands for a GPU where there is one. A step asks `load_encoder` instead.
        num_threads: CPU threads of torch, for the whole process; 0 leaves torch's own choice.

    Raises:
        UserError: a setting cannot work, or there is no such model, or it is no encoder that loads without code of its
            own.
    """

    def __init__(self, config: EncoderConfig, *, device: Device | None = None, num_threads: int = 0) -> None:
        import torch

        config.check()
        self.config = config
        self.usage = config.usage()
        self.device: Device = device or _best_device()
        if num_threads and torch.get_num_threads() != num_threads:
            torch.set_num_threads(num_threads)
        bf16, key = config.computed_precision(self.device) is Precision.bf16, config.key("model")
        self._model = load_model(
            Kind.SentenceTransformer, config.model, key=key, bf16=bf16, device=self.device, pooling=config.pooling
        )
        self.max_tokens = length_limit(self._model, config.max_tokens)
        self._model.max_seq_length = self.max_tokens
        self.has_unit_vectors = self.usage.similarity is Similarity.cosine or has_unit_vectors(self._model)
        dim = self._model.get_embedding_dimension()
        assert dim, f"{config.model} does not say how long its vectors are"
        self.dim: int = dim

    def encode_queries(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Encodes queries as vectors, float32 (texts, dim); `progress` is told how many more are done.

        As many as a set of judged questions has are encoded one by one. In a batch a vector is rounded otherwise, in
        bfloat16 by up to 0.002 in a cosine, and whoever searches with one query is to have the score that was measured.
        Batches of queries of one length are rounded otherwise too: matrices of another height are multiplied in another
        order (0.0015 in a cosine in bfloat16, 4e-7 in float32, measured on 225 queries; they took half the time).
        """
        if not 0 < len(texts) <= QUERIES_ALONE:
            return self._encode(QUERY, texts, progress)
        import numpy as np

        return np.concatenate([self._encode(QUERY, [text], progress) for text in texts])

    def encode_passages(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Encodes passages as vectors, float32 (texts, dim); texts are as `passage_text` makes them."""
        return self._encode(DOCUMENT, texts, progress)

    def save(self, folder: Path) -> None:
        """Writes the model as a folder of sentence-transformers, its weights as they compute here."""
        self._model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)

    def _encode(self, task: str, texts: Sequence[str], progress: Callable[[int], None] | None) -> Vectors:
        import numpy as np

        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        window = max(1, min(_WINDOW_TOKENS, _WINDOW_BATCHES * self._batch_tokens()) // self.max_tokens)
        for start in range(0, len(texts), window):
            for rows, encoded in self._batches(task, list(texts[start : start + window])):
                vectors[start + rows] = encoded
                if progress:
                    progress(len(rows))
        assert np.isfinite(vectors).all(), f"{self.config.model} gave vectors that are not numbers"
        return vectors

    def _batches(self, task: str, texts: list[str]) -> Iterator[tuple[Rows, Vectors]]:
        """Yields numbers of texts and their vectors, the longest first so that a batch too large fails at once."""
        import torch

        # Told apart from the text, because there are models that leave the prompt out of their mean.
        prefix = self.usage.query_prefix if task == QUERY else self.usage.passage_prefix
        features = self._model.preprocess(texts, prompt=prefix or None, task=task)
        mask = features["attention_mask"]
        lengths = mask.sum(dim=1)
        order = torch.argsort(lengths, descending=True, stable=True)
        for rows in cut_batches(order, lengths[order].tolist(), self._batch_tokens()):
            columns = mask[rows].any(dim=0)  # whichever side the tokenizer pads
            batch = {name: value[rows][:, columns].to(self.device) for name, value in _token_tensors(features)}
            with torch.inference_mode():
                output = self._model({**features, **batch}, task=task)["sentence_embedding"].float()
                if self.has_unit_vectors:
                    output = torch.nn.functional.normalize(output, dim=1)
            yield rows.numpy(), output.cpu().numpy()

    def _batch_tokens(self) -> int:
        return self.config.batch_tokens or (GPU_BATCH_TOKENS if self.device == "cuda" else CPU_BATCH_TOKENS)


def load_encoder(config: EncoderConfig, place: Place) -> Encoder:
    """Loads the encoder of a step, on the device that is its to use; see `encoding_device`."""
    return Encoder(config, device=encoding_device(place), num_threads=place.num_cpus)


def encoding_device(place: Place) -> Device:
    """Chooses where a step encodes: on a GPU, which the run's engines leave for it, or else on the CPU.

    An engine takes nearly all memory of its GPU. Engines that are idle sleep or end until they are needed again; those
    that are still loading stay, and the CPU encodes.
    """
    if _best_device() == "cuda" and not place.engines.leave_gpu(place):
        place.console.step("encoding", "on the CPU: the engines are loading on the GPU")
        return "cpu"
    return _best_device()


def _best_device() -> Device:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _token_tensors(features: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Selects the features that have a row per text and a column per token."""
    shape = features["attention_mask"].shape
    return ((name, value) for name, value in features.items() if getattr(value, "shape", None) == shape)
