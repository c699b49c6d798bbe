"""What planning for the prefix cache gains: demonstration sets met in order, against random demonstrations.

    .venv/bin/python benchmarks/prefix_planning.py [--pairs N] [--samples N] [--model NAME] [override ...]

Few-shot prompts, five demonstrations of about 120 tokens, a passage of 50 to 90 tokens, the same for both sides:

- planned: `synthmill ... until=samples`, 48 seeded sets of five demonstrations, prompts asked set by set, ten of each;
- random: `vllm.LLM.generate` with prefix caching on, five demonstrations drawn anew for every prompt, prompts shuffled.

Model, sampling, engine arguments, threads and number of samples are the same; each side has its own process, and every
pair its own seed. Clock: from the first admitted request to the last committed row for synthmill, around `generate` for
vLLM. Hit rates are the engines' own counters. What the sets might cost is variety, so the queries of both sides are
compared: distinct-2 (different pairs of neighbouring words over all) and dispersion (mean cosine distance of two
queries' MiniLM embeddings); `prefix_planning_distinct2` and `prefix_planning_dispersion` are planned over random.

Passages and demonstrations are docstrings of the standard library; the demonstrations' queries are put together from
their first sentences, because here their length matters and their wit does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import _plain
from benchmarks._measure import Generated, call_in_own_process, print_ratio, print_value, run_samples

if TYPE_CHECKING:
    from engine.documents.readers.document import SourceDocument
    from engine.pipeline.config import RunConfig

LEAST_RATIO, LEAST_DIVERSITY = 2.5, 0.98
NUM_DEMONSTRATIONS, PER_PROMPT, NUM_SETS = 40, 5, 48
DEMONSTRATION_TOKENS, PASSAGE_TOKENS = (110, 131), (50, 91)
MAX_TOKENS = 24
QUERY_WORDS = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all pairs and prints the table; fails when a budget is missed."""
    options = parse(arguments)
    pairs = []
    for pair in range(options.pairs):
        with tempfile.TemporaryDirectory(prefix="prefix_planning-") as folder:
            pairs.append(measure_pair(options, Path(folder), pair))
    return report(pairs)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs (%(default)s)")
    parser.add_argument("--samples", type=int, default=480, help="samples of each run (%(default)s)")
    parser.add_argument("--model", default="bundled:smollm2-135m-instruct", help="the generator (%(default)s)")
    parser.add_argument("overrides", nargs="*", help="further overrides of the run, for both sides")
    return parser.parse_args(arguments)


def measure_pair(options: argparse.Namespace, folder: Path, pair: int) -> dict[str, Any]:
    """One run of each side, and how varied what they wrote is."""
    from engine.command_line.compose import load_config

    sizes = call_in_own_process(
        write_collection, {"folder": str(folder), "samples": options.samples, "model": options.model}, folder / "in.log"
    )
    overrides = [
        f"documents.path={folder / 'passages.jsonl'}",
        f"demonstrations.path={folder / 'demonstrations.jsonl'}",
        f"demonstrations.per_prompt={PER_PROMPT}",
        f"demonstrations.num_sets={NUM_SETS}",
        f"samples.model={options.model}",
        f"samples.max_tokens={MAX_TOKENS}",
        f"seed={pair}",
        *options.overrides,
    ]
    config, _ = load_config(overrides)
    planned = run_samples(overrides, folder / "planned")
    run = folder / "planned" / "run"
    arguments = {"overrides": overrides, "run": str(run)}
    random = call_in_own_process(random_side, arguments, folder / "random.log", _plain.environment(config))
    made = (planned.samples, random["samples"])
    assert made == (options.samples, options.samples), f"{made} samples where {options.samples} were wanted"
    texts = {"planned": generated_texts(run), "random": random.pop("texts")}
    varied = call_in_own_process(diversity, texts, folder / "diversity.log")
    show(pair, planned, random, sizes)
    return {"planned": planned, "random": random, "diversity": varied}


def write_collection(folder: str, samples: int, model: str) -> dict[str, float]:
    """Writes passages.jsonl and demonstrations.jsonl; returns their mean numbers of tokens."""
    from engine.documents.readers.python_docs import read_in_fresh_interpreter
    from engine.models.tokenizer import load_tokenizer

    documents = list(read_in_fresh_interpreter())
    tokenizer = load_tokenizer(model, key="samples.model")
    encodings = tokenizer.encode_batch([_shown(d) for d in documents], add_special_tokens=False)
    sized = [(len(encoding), document) for encoding, document in zip(encodings, documents, strict=True)]
    demonstrations = _spread([pair for pair in sized if pair[0] in range(*DEMONSTRATION_TOKENS)], NUM_DEMONSTRATIONS)
    passages = _spread([pair for pair in sized if pair[0] in range(*PASSAGE_TOKENS)], samples)
    _write(Path(folder, "passages.jsonl"), ({"_id": d.id, "title": d.title, "text": d.text} for _, d in passages))
    rows = ({"document": _shown(d), "query": _query(d, number)} for number, (_, d) in enumerate(demonstrations))
    _write(Path(folder, "demonstrations.jsonl"), rows)
    return {"passage": _mean(passages), "demonstration": _mean(demonstrations)}


def random_side(overrides: list[str], run: str) -> dict[str, Any]:
    """Plain vLLM on prompts whose demonstrations are drawn one by one; runs in its own process."""
    from engine.command_line.compose import load_config

    config, _ = load_config(overrides)
    return _plain.generate_plain(config, random_prompts(config, Path(run)))


def random_prompts(config: RunConfig, run: Path) -> list[_plain.Prompt]:
    """A prompt for every planned passage, with demonstrations of its own, in random order; seeded."""
    import numpy as np

    from engine.prompts.demonstrations.pool import load_pool
    from engine.task.compiled import compile_task

    pool = load_pool(config.demonstrations, {})
    plan = _plain.planned(run)
    rng = np.random.default_rng(config.seed)
    sets = [[pool[i] for i in rng.permutation(len(pool))[:PER_PROMPT]] for _ in plan]
    renderer = compile_task(config.task, sets).first
    rows = [plan[i] for i in rng.permutation(len(plan))]
    asks = (replace(row.ask(), demonstration_set=number) for number, row in enumerate(rows))
    return [_plain.Prompt(renderer.text(ask)) for ask in asks]


def generated_texts(run: Path) -> list[str]:
    """What a finished samples step wrote."""
    from engine.artifacts.samples import SamplesFolder

    texts: list[str] = SamplesFolder(run / "samples").rows()["text"].to_pylist()
    return texts


def diversity(planned: list[str], random: list[str]) -> dict[str, dict[str, float]]:
    """Distinct-2 and dispersion of both sides' queries; runs in its own process, for it loads an encoder."""
    from engine.search.encoder import Encoder, EncoderConfig
    from engine.text.queries import clean_query
    from eval.data_quality.queries import distinct_2

    config = EncoderConfig(model="bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=256)
    encoder = Encoder(config)
    figures = {}
    for side, texts in (("planned", planned), ("random", random)):
        queries = [query for query in map(clean_query, texts) if query]
        spread = dispersion(encoder.encode_queries(queries))
        figures[side] = {"queries": len(queries), "distinct2": distinct_2(queries), "dispersion": spread}
    return figures


def dispersion(vectors: Any) -> float:
    """Mean cosine distance of two different rows of (n, dim) L2-normalised vectors, without the n x n matrix."""
    count = len(vectors)
    total = vectors.astype("float64").sum(axis=0)
    return float(1.0 - (total @ total - count) / (count * (count - 1)))


def show(pair: int, planned: Generated, random: dict[str, Any], sizes: dict[str, float]) -> None:
    """One pair, for whoever watches."""
    print(
        f"pair {pair + 1}: passages of {sizes['passage']:.0f} tokens, demonstrations of {sizes['demonstration']:.0f}; "
        f"planned {planned.samples} in {planned.seconds:.1f} s, {planned.per_second:.3f}/s, "
        f"random {random['samples']} in {random['seconds']:.1f} s, {random['samples'] / random['seconds']:.3f}/s; "
        f"output tokens each {planned.output_tokens / planned.samples:.1f} and "
        f"{random['output_tokens'] / random['samples']:.1f}",
        flush=True,
    )


def report(pairs: Sequence[dict[str, Any]]) -> int:
    """Prints the table; 1 when a budget is missed."""
    print_value("prefix_planning_hit_rate.planned", [pair["planned"].hit_rate for pair in pairs], "share")
    print_value("prefix_planning_hit_rate.random", [pair["random"]["hit_rate"] for pair in pairs], "share")
    missed = print_ratio("prefix_planning", [speed_ratio(pair) for pair in pairs]) < LEAST_RATIO
    for figure in ("distinct2", "dispersion"):
        for side in ("planned", "random"):
            values = [pair["diversity"][side][figure] for pair in pairs]
            print_value(f"prefix_planning_{figure}.{side}", values, "")
        ratios = [pair["diversity"]["planned"][figure] / pair["diversity"]["random"][figure] for pair in pairs]
        missed |= print_ratio(f"prefix_planning_{figure}", ratios) < LEAST_DIVERSITY
    return int(missed)


def speed_ratio(pair: dict[str, Any]) -> float:
    """Samples/s planned over random; both sides made the same number."""
    return float(pair["random"]["seconds"] / pair["planned"].seconds)


def _shown(document: SourceDocument) -> str:
    return " ".join(f"{document.title}. {document.text}".split())


def _query(document: SourceDocument, number: int) -> str:
    """Like a person's: a question, or the same words without one."""
    words = document.text.split(".")[0].lower().split()[:QUERY_WORDS]
    name = document.title.rpartition(".")[2]
    return f"how to {' '.join(words)}" if number % 2 else f"{name} {' '.join(words)}"


def _spread(sized: Sequence[tuple[int, SourceDocument]], count: int) -> list[tuple[int, SourceDocument]]:
    """`count` of them, from the whole alphabet."""
    assert len(sized) >= count, f"this Python documents {len(sized)} names at such length, {count} are wanted"
    return [sized[index * len(sized) // count] for index in range(count)]


def _write(file: Path, rows: Iterable[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _mean(sized: Sequence[tuple[int, SourceDocument]]) -> float:
    return sum(tokens for tokens, _ in sized) / len(sized)


if __name__ == "__main__":
    sys.exit(main())
