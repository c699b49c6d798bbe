"""What a GPU makes of encoding, training, GradCache and search; needs a GPU and what of the stack is there.

    python benchmarks/gpu.py [--small] [--sections encode gradcache training search generation]

A random encoder of MiniLM's size (six layers of 384) is written here, so that no download and no bundled model is
needed: rates and memory do not depend on the weights. Prints, each beside its peer in the same run:

- `gpu.encode ratio`: texts per second of our encoder over `SentenceTransformer.encode` as it comes.
- `gpu.training ratio`: pairs per second of the model step, through Ray Train, over a plain
  `SentenceTransformerTrainer` with the same model, rows, batch and precision.
- `gpu.plain_N` and `gpu.gradcache_N value`: pairs per second and peak memory of one step on N pairs, with all
  activations at once and with GradCache.
- `gpu.search value`: queries per second of exact search over a million vectors.
- `gpu.generation ratio` and `gpu.prefix_planning ratio`: samples per second of the samples step over plain vLLM, on the
  same prompts and on prompts in random order (benchmarks/_gpu_generation.py).

A section whose libraries are missing says so and is left out. `--small` is for tests: the same code on little, on
whatever device there is.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import _gpu_generation, _model_step
from benchmarks._measure import print_ratio, print_value

if TYPE_CHECKING:
    from training.config import ModelConfig

WORDS = [f"word{number}" for number in range(2000)]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
QUERY_WORDS, PASSAGE_WORDS = 8, 120


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    layers: int
    width: int
    texts: int
    rows: int
    batch: int
    batches: tuple[int, ...]
    pieces: tuple[int, ...]
    vectors: int
    generator: _gpu_generation.GeneratorSize


LARGE = Size(
    layers=6,
    width=384,
    texts=20_000,
    rows=20_000,
    batch=128,
    batches=(64, 256, 1024, 4096),
    pieces=(32, 128, 256, 512),
    vectors=1_000_000,
    generator=_gpu_generation.LARGE,
)
SMALL = Size(
    layers=1,
    width=32,
    texts=64,
    rows=96,
    batch=16,
    batches=(8, 16),
    pieces=(4,),
    vectors=2_000,
    generator=_gpu_generation.SMALL,
)
SECTIONS = {
    "encode": ("sentence_transformers",),
    "gradcache": ("sentence_transformers",),
    "training": ("sentence_transformers", "ray", "datasets"),
    "search": ("faiss",),
    "generation": ("vllm", "ray", "hydra"),
}
"""What is measured, in this order, and the libraries that it needs."""


def main() -> int:
    """Runs every section that can run here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="little of everything, for tests")
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="all")
    options = parser.parse_args()
    size = SMALL if options.small else LARGE
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"device {device}, torch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory(prefix="synthmill-gpu-") as name:
        folder = Path(name)
        base = write_base(folder / "base", size)
        measures: dict[str, Callable[[], None]] = {
            "encode": lambda: encode(base, size),
            "gradcache": lambda: gradcache(base, size),
            "training": lambda: training(base, folder, size),
            "search": lambda: search(size),
            "generation": lambda: generation(base, folder / "generation", size),
        }
        for section_name in options.sections:
            section(section_name, SECTIONS[section_name], measures[section_name])
    return 0


def section(name: str, libraries: tuple[str, ...], measure: Callable[[], None]) -> None:
    """Runs a section, or says which of its libraries is missing."""
    missing = [library for library in libraries if importlib.util.find_spec(library) is None]
    if missing:
        print(f"gpu.{name} left out: {', '.join(missing)} is not installed", flush=True)
        return
    measure()


def write_base(folder: Path, size: Size) -> Path:
    """Writes a random BERT with mean pooling as a sentence-transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    plain = folder / "plain"
    plain.mkdir(parents=True)
    vocabulary, tokenizer = folder / "vocab.txt", folder / "tokenizer.json"
    vocabulary.write_text("\n".join([*MARKS, *WORDS]))
    BertWordPieceTokenizer(str(vocabulary)).save(str(tokenizer))
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=30_522,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=max(1, size.width // 32),
        intermediate_size=4 * size.width,
        max_position_embeddings=512,
    )
    BertModel(shape).save_pretrained(plain)
    BertTokenizerFast(tokenizer_file=str(tokenizer), vocab_file=str(vocabulary)).save_pretrained(plain)
    SentenceTransformer(str(plain), device="cpu").save_pretrained(str(folder / "encoder"), create_model_card=False)
    return folder / "encoder"


def texts(count: int, longest: int, seed: int = 0) -> list[str]:
    """Made texts of a quarter of `longest` words up to all of them."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(max(1, longest // 4), longest))) for _ in range(count)]


def encode(base: Path, size: Size) -> None:
    """Compares our encoder with sentence-transformers' own, which reads in batches of 32 in fp32."""
    from sentence_transformers import SentenceTransformer

    from engine.search.encoder import Encoder, EncoderConfig

    passages = texts(size.texts, PASSAGE_WORDS)
    encoder = Encoder(EncoderConfig(model=str(base), query_prefix="", passage_prefix="", max_tokens=256))
    plain = SentenceTransformer(str(base))
    plain.max_seq_length = 256
    encoder.encode_passages(passages[:256])
    plain.encode(passages[:256])
    ours, theirs = [], []
    for _ in range(3):
        ours.append(size.texts / seconds_of(lambda: encoder.encode_passages(passages)))
        theirs.append(size.texts / seconds_of(lambda: plain.encode(passages, normalize_embeddings=True)))
    print_ratio("gpu.encode", [mine / peer for mine, peer in zip(ours, theirs, strict=True)])
    print_value("gpu.encode", ours, "texts/s")


def gradcache(base: Path, size: Size) -> None:
    """Measures one step with all activations at once and in pieces, for batches of several sizes."""
    import torch

    from training.families.bi_encoder import load_base
    from training.losses.settings import Loss

    config = model_config(base, size)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = in_bf16(load_base(config, config.usage(), base).to(device), device)
    for count in size.batches:
        step_of_pairs(f"gpu.plain_{count}", model, config, Loss.mnrl, count)
        for rows in size.pieces:
            pieces = replace(config, mini_batch_size=rows)
            step_of_pairs(f"gpu.gradcache_{count}_by_{rows}", model, pieces, Loss.cached_mnrl, count)


def in_bf16(model: Any, device: str, *, enabled: bool = True) -> Any:
    """Has each call of a model in bf16 autocast, and its vectors in fp32, as trainers do it.

    A context around the loss would not reach the second pass of GradCache, which the backward pass calls.
    """
    import torch
    from accelerate.utils import convert_outputs_to_fp32

    if enabled:
        model.forward = convert_outputs_to_fp32(torch.autocast(device, dtype=torch.bfloat16)(model.forward))
    return model


def step_of_pairs(name: str, model: Any, config: Any, kind: Any, count: int) -> None:
    """Prints the rate and the peak memory of forward and backward passes over `count` pairs."""
    import torch

    from training.losses.build import build_loss

    on_cpu = not torch.cuda.is_available()
    device = "cpu" if on_cpu else "cuda"
    loss = build_loss(kind, config, model, world_size=1, on_cpu=on_cpu)
    columns = [texts(count, QUERY_WORDS, 1), texts(count, PASSAGE_WORDS, 2)]
    features = [tokenized(model, column, device) for column in columns]
    labels = torch.arange(count, device=device)

    def step() -> None:
        loss([dict(column) for column in features], labels).backward()
        model.zero_grad()

    try:
        step()
        if not on_cpu:
            torch.cuda.reset_peak_memory_stats()
        rates = [count / seconds_of(step) for _ in range(3)]
    except torch.cuda.OutOfMemoryError:
        print(f"{name} does not fit into the memory of the GPU", flush=True)
        return
    print_value(name, rates, "pairs/s")
    if not on_cpu:
        print_value(f"{name}_memory", [torch.cuda.max_memory_allocated() / 2**30], "GiB")


def tokenized(model: Any, column: list[str], device: str) -> dict[str, Any]:
    """A column of texts as tensors on a device."""
    options = {"padding": True, "truncation": True, "max_length": 256, "return_tensors": "pt"}
    return {name: value.to(device) for name, value in model.tokenizer(column, **options).items()}


def training(base: Path, folder: Path, size: Size) -> None:
    """Compares the model step with a plain trainer on the same rows."""
    pairs = list(zip(texts(size.rows, QUERY_WORDS, 3), texts(size.rows, PASSAGE_WORDS, 4), strict=True))
    ours = train_by_step(base, folder, pairs, size)
    theirs = train_beside(base, folder / "plain", pairs, size)
    print_ratio("gpu.training", [ours / theirs])
    print_value("gpu.training", [ours], "pairs/s")


def train_by_step(base: Path, folder: Path, pairs: Sequence[tuple[str, str]], size: Size) -> float:
    """The steady rate of the model step, in pairs per second."""
    _model_step.write_examples(folder / "examples", pairs)
    record = _model_step.run_model_step(model_config(base, size), folder / "examples", folder / "step")
    print(f"gpu.training ran in {record.precision} on {record.world_size} worker, loss {record.loss}", flush=True)
    return record.pairs_per_second


def train_beside(base: Path, folder: Path, pairs: list[tuple[str, str]], size: Size) -> float:
    """The steady rate of sentence-transformers' trainer as it comes, in the precision that the step uses."""
    import torch

    from benchmarks._plain_training import PlainTraining, train_plainly
    from engine.models.precision import Precision, uses_bf16

    bf16 = uses_bf16(Precision.auto, "cuda" if torch.cuda.is_available() else "cpu")
    queries, passages = zip(*pairs, strict=True)
    return train_plainly(PlainTraining(str(base), size.batch, 256, bf16), queries, passages, folder)


def search(size: Size) -> None:
    """Measures exact search for the best 100 of many vectors."""
    import numpy as np

    from engine.search.dense import DenseIndex

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(size.vectors, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = DenseIndex([f"p{number}" for number in range(size.vectors)], vectors)
    queries = vectors[:: max(1, size.vectors // 1000)] + rng.normal(scale=0.01, size=384).astype(np.float32)
    index.search(queries[:10], 100)
    print_value(
        "gpu.search", [len(queries) / seconds_of(lambda: index.search(queries, 100)) for _ in range(3)], "queries/s"
    )


def generation(base: Path, folder: Path, size: Size) -> None:
    """Compares the samples step with plain vLLM, which needs the GPU for itself: what this process holds is let go."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    folder.mkdir()
    _gpu_generation.measure(folder, base, size.generator)


def model_config(base: Path, size: Size) -> ModelConfig:
    """One epoch over the base, in the precision that is fast here."""
    from training.config import ModelConfig

    return ModelConfig(
        base=str(base),
        epochs=1,
        batch_size=size.batch,
        seed=0,
        max_tokens=256,
        train_max_tokens=256,
        query_prefix="",
        passage_prefix="",
    )


def seconds_of(work: Callable[[], object]) -> float:
    """How long a piece of work takes, what a GPU still has to do included."""
    with _finished():
        started = time.perf_counter()
        work()
        _wait()
        return time.perf_counter() - started


@contextlib.contextmanager
def _finished() -> Iterator[None]:
    _wait()
    yield


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    raise SystemExit(main())
