"""What training costs: the model step against sentence-transformers' own trainer, and GradCache against plain batches.

    python benchmarks/training_speed.py [--pairs N] [--batch N] [--steps N] [--gradcache N ...]
        [--compare plain fp32 workers] [--small]

A random encoder of MiniLM's size (six layers of 384) and made texts are written here, since rates and memory do not
depend on the weights. Every side has a process of its own, on all cores or on the GPU; sides that are compared follow
each other. (A script named training.py would be imported in place of the package.)

- `training.plain ratio`: pairs per second of the model step, through Ray Train, over a plain
  `SentenceTransformerTrainer` with the same model, rows, batch, length and precision.
- `training.fp32 ratio`: the same over the trainer in its default precision, on a CPU that is fast in bf16.
- `training.workers ratio`: two gloo workers over one, with the same cores and the same batch.
- `training.LOSS_N value`: pairs per second and peak memory of a step on N pairs, with all activations at once (`mnrl`)
  and with GradCache (`cached_mnrl`); on a CPU memory is that of the process. A plain batch that would not fit is left
  out.

`--small` is for tests: the same code on little.
"""

from __future__ import annotations

import argparse
import collections
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import _model_step, gpu
from benchmarks._measure import call_in_own_process, print_ratio, print_value

COMPARED = {"plain": ("step", "plain", 0.97), "fp32": ("step", "fp32", 2.5), "workers": ("two", "one", 0.85)}
"""What is compared with what, and the least ratio."""
GRADCACHE = (64, 128, 256, 512, 1024, 2048, 4096)
TOKENS = 256
_FEWEST_STEPS = 5
"""An epoch of the model step has as many."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints the table; 1 when a budget is missed."""
    options = parse(arguments)
    size = gpu.SMALL if options.small else gpu.LARGE
    with tempfile.TemporaryDirectory(prefix="training-") as name:
        folder = Path(name)
        base = gpu.write_base(folder / "base", size)
        write_pairs(folder / "examples", options.batch * options.steps)
        rates: dict[str, list[float]] = collections.defaultdict(list)
        for pair in range(options.pairs):
            for side, rate in measure(base, folder, pair, options).items():
                rates[side].append(rate)
        missed = report(rates)
        for count in options.gradcache:
            report_step(base, folder, count)
    return int(missed)


def report(rates: Mapping[str, Sequence[float]]) -> bool:
    """Prints the ratios of pairs per second, and tells whether a budget is missed.

    Args:
        rates: of each side that was measured, in the order of the rounds.
    """
    missed = False
    for name, (ours, peer, least) in COMPARED.items():
        if peer in rates:
            ratios = [mine / other for mine, other in zip(rates[ours], rates[peer], strict=True)]
            missed |= print_ratio(f"training.{name}", ratios) < least
    for side in rates:
        print_value(f"training.rate_{side}", rates[side], "pairs/s")
    return missed


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="rounds of all sides (%(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="pairs of a step (%(default)s)")
    parser.add_argument("--steps", type=int, default=15, help="steps of a training, 5 or more (%(default)s)")
    parser.add_argument("--gradcache", type=int, nargs="*", default=GRADCACHE, help="pairs of measured steps")
    parser.add_argument("--compare", nargs="*", choices=list(COMPARED), default=list(COMPARED), help="ratios: all")
    parser.add_argument("--small", action="store_true", help="a small encoder")
    options = parser.parse_args(arguments)
    if options.steps < _FEWEST_STEPS:
        parser.error(f"--steps {options.steps}: the model step makes its batches smaller for less than {_FEWEST_STEPS}")
    return options


def measure(base: Path, folder: Path, pair: int, options: argparse.Namespace) -> dict[str, float]:
    """One training of each side, in pairs per second: those that a ratio compares follow each other."""
    import torch

    from engine.models.precision import Precision, uses_bf16

    on_gpu = torch.cuda.is_available()
    bf16 = uses_bf16(Precision.auto, "cuda" if on_gpu else "cpu")
    work = {"base": str(base), "examples": str(folder / "examples"), "batch": options.batch}
    wanted = {side for name in options.compare for side in COMPARED[name][:2]}
    rates = {}
    sides: dict[str, dict[str, Any]] = {
        "fp32": {"bf16": False},
        "step": {"workers": 1},
        "plain": {"bf16": bf16},
        "one": {"workers": 1},
        "two": {"workers": 2},
    }
    for side, settings in sides.items():
        if side not in wanted:
            continue
        if (side == "fp32" and (on_gpu or not bf16)) or (side in {"one", "two"} and on_gpu):
            continue
        log = folder / f"{side}-{pair}.log"
        function = train_by_step if "workers" in settings else train_plain_pairs
        found = call_in_own_process(function, {**work, **settings, "folder": str(log.with_suffix(""))}, log)
        rates[side] = found["rate"]
        print(f"{pair + 1} {side}: {found['rate']:.1f} pairs/s in {found['precision']}", flush=True)
    return rates


def write_pairs(folder: Path, count: int) -> None:
    """Writes examples of made pairs, each of a document of its own."""
    queries, passages = gpu.texts(count, gpu.QUERY_WORDS, 3), gpu.texts(count, gpu.PASSAGE_WORDS, 4)
    numbered = zip(range(count), queries, passages, strict=True)
    _model_step.write_examples(
        folder, [(f"{number} {query}", f"{number} {passage}") for number, query, passage in numbered]
    )


def train_by_step(base: str, examples: str, batch: int, workers: int, folder: str) -> dict[str, Any]:
    """The model step, as a run calls it; runs in its own process."""
    from training.config import ModelConfig

    lengths: dict[str, Any] = {"max_tokens": TOKENS, "train_max_tokens": TOKENS}
    config = ModelConfig(base=base, epochs=1, batch_size=batch, seed=0, num_workers=workers, **lengths)
    record = _model_step.run_model_step(config, Path(examples), Path(folder))
    assert (record.world_size, record.batch_size) == (workers, batch), "both sides train with the same batches"
    return {"rate": record.pairs_per_second, "precision": record.precision}


def train_plain_pairs(base: str, examples: str, batch: int, bf16: bool, folder: str) -> dict[str, Any]:
    """The trainer of sentence-transformers, as a script would call it; runs in its own process."""
    from benchmarks._plain_training import PlainTraining, train_plainly
    from engine.artifacts.examples import ExamplesFolder

    pairs = ExamplesFolder(Path(examples)).kept(["query", "passage"]).to_pydict()
    training = PlainTraining(base, batch, TOKENS, bf16)
    rate = train_plainly(training, pairs["query"], pairs["passage"], Path(folder))
    return {"rate": rate, "precision": "bf16" if bf16 else "fp32"}


def report_step(base: Path, folder: Path, count: int) -> None:
    """Prints rate and memory of a step on `count` pairs, plain and with GradCache."""
    for kind in ("mnrl", "cached_mnrl"):
        found = call_in_own_process(
            step_of_pairs, {"base": str(base), "kind": kind, "count": count}, folder / f"{kind}.log"
        )
        if not found:
            print(f"training.{kind}_{count} would not fit into memory", flush=True)
            continue
        print_value(f"training.{kind}_{count}", [found["rate"]], "pairs/s")
        print_value(f"training.{kind}_{count}_memory", [found["mebibytes"]], "MiB")


def step_of_pairs(base: str, kind: str, count: int) -> dict[str, float]:
    """Forward and backward pass of one batch; nothing where a plain one would not fit. Runs in its own process.

    It computes in bf16 where that is fast, as the model step does.

    Returns:
        pairs per second of the faster of two steps, and the MiB at the peak beyond those of the loaded model.
    """
    import torch

    from engine.models.precision import has_fast_bf16
    from training.config import ModelConfig
    from training.families.bi_encoder import load_base
    from training.losses.auto import fits_into_memory
    from training.losses.build import build_loss
    from training.losses.settings import Loss

    on_cpu = not torch.cuda.is_available()
    device, loss = "cpu" if on_cpu else "cuda", Loss(kind)
    bf16 = has_fast_bf16("cpu" if on_cpu else "cuda")
    config = ModelConfig(base=base, seed=0, max_tokens=TOKENS)
    model = gpu.in_bf16(load_base(config, config.usage(), Path(base)).to(device).train(), device, enabled=bf16)
    columns = [gpu.texts(count, gpu.QUERY_WORDS, 1), gpu.texts(count, gpu.PASSAGE_WORDS, 2)]
    features = [gpu.tokenized(model, column, device) for column in columns]
    shape = {"rows": count, "tokens": features[1]["input_ids"].shape[1]}
    encoder = model.transformers_model.config
    if loss is Loss.mnrl and not fits_into_memory(encoder, bf16=bf16, processes=1, **shape):
        return {}
    module = build_loss(loss, config, model, world_size=1, on_cpu=on_cpu)

    def step() -> None:
        module([dict(column) for column in features], None).backward()
        model.zero_grad()

    before = peak_mebibytes(on_cpu=on_cpu)
    seconds = min(gpu.seconds_of(step) for _ in range(2))
    return {"rate": count / seconds, "mebibytes": peak_mebibytes(on_cpu=on_cpu) - before}


def peak_mebibytes(*, on_cpu: bool) -> float:
    """The most memory that this process, or its part of the GPU, has held so far."""
    if on_cpu:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import torch

    return float(torch.cuda.max_memory_allocated() / 2**20)


if __name__ == "__main__":
    sys.exit(main())
