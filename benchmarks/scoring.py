"""What scoring costs: the log-probability of many queries of each passage, with the prefix cache and without.

    .venv/bin/python benchmarks/scoring.py [--passages N] [--queries N] [--tokens N] [--model NAME] [--cpus N]

Every query is scored as the continuation of a prompt that ends with its passage, through the generator that engines of
synthmill have. Three sides, each in a process of its own: no prefix cache; the cache as it is by default (on CPU blocks
of 128 tokens); and blocks of 32 tokens (`samples.engine_args={block_size: 32}`), of which less is computed again for
every query. Requests are asked passage by passage, as many at a time as a batch holds. Clock: from the first request to
the last score. Tokens are those of all forward passes, and those among them that came from no cache.

Passages are docstrings of the standard library, cut to `--tokens`; queries are runs of eight words of them.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._measure import call_in_own_process, print_value

SIDES: dict[str, dict[str, Any]] = {
    "without": {"enable_prefix_caching": False},
    "cached": {},
    "cached_32": {"block_size": 32},
}
MODULES = ("argparse", "ast", "asyncio", "collections", "csv", "decimal", "json", "logging", "pickle", "tarfile")
WORDS = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the sides and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=4, help="passages (%(default)s)")
    parser.add_argument("--queries", type=int, default=20, help="queries of each (%(default)s)")
    parser.add_argument("--tokens", type=int, default=300, help="tokens of a passage (%(default)s)")
    parser.add_argument("--model", default="bundled:smollm2-135m-instruct", help="the model (%(default)s)")
    parser.add_argument("--cpus", type=int, default=1, help="threads of the engine (%(default)s)")
    options = parser.parse_args(arguments)
    for side, engine_args in SIDES.items():
        with tempfile.TemporaryDirectory(prefix="scoring-") as folder:
            log = Path(folder) / "side.log"
            arguments_of_side = {**vars(options), "engine_args": engine_args}
            figures = call_in_own_process(score, arguments_of_side, log, environment(options.cpus))
        print_value(f"scoring_{side}_rows_per_second", [figures["rows"] / figures["seconds"]], "rows/s")
        print_value(f"scoring_{side}_tokens", [figures["tokens"]], "tokens")
        print_value(f"scoring_{side}_computed", [figures["computed"]], "tokens")
    return 0


def environment(cpus: int) -> dict[str, str]:
    """Returns the environment of an engine's process."""
    from engine.generation.config import GeneratorConfig
    from engine.generation.vllm_generator import engine_environment
    from engine.runtime.cluster import QUIET_ENVIRONMENT

    return QUIET_ENVIRONMENT | engine_environment(GeneratorConfig(seed=0), cpus)


def passages_of(count: int, tokens: int, model: str) -> list[str]:
    """Returns the beginnings of the docstrings of some modules and of what they hold, each with so many tokens."""
    from engine.models.tokenizer import load_tokenizer

    tokenizer, texts = load_tokenizer(model, key="--model"), []
    for name in MODULES[:count]:
        members = inspect.getmembers(importlib.import_module(name), callable)
        text = "\n\n".join(inspect.getdoc(member) or "" for _, member in members)
        texts.append(text[: tokenizer.encode(text).offsets[tokens - 1][1]])
    return texts


def score(  # noqa: PLR0917  # as JSON hands them over
    passages: int, queries: int, tokens: int, model: str, cpus: int, engine_args: dict[str, Any]
) -> dict[str, float]:
    """Scores all queries of all passages in this process; returns figures by name."""
    from engine.generation.config import GeneratorConfig
    from engine.generation.generator import Request
    from engine.generation.load import find_weights
    from engine.generation.vllm_generator import VllmGenerator
    from engine.task.sampling import Sampling
    from engine.task.scores import Scoring

    config = GeneratorConfig(model=model, seed=0, cpus_per_engine=cpus, engine_args=engine_args, kv_cache_bytes=2**28)
    generator = VllmGenerator(config, find_weights(config)[""], 0)
    waiting = [
        Request(f"{number}.{query}", f"Passage: {text}\nQuery:", 1, Sampling(1.0, 1.0, 1), scoring=Scoring((words,)))
        for number, text in enumerate(passages_of(passages, tokens, model))
        for query, words in enumerate(queries_of(text, queries))
    ]
    finished = []
    started = time.monotonic()
    while waiting or generator.num_unfinished():
        while waiting and generator.num_unfinished() < config.max_num_seqs:
            generator.add(waiting.pop(0))
        finished += generator.step()
    seconds = time.monotonic() - started
    asked = sum(each.prompt_tokens for each in finished)
    computed = asked - sum(each.cached_tokens for each in finished)
    return {"rows": len(finished), "seconds": seconds, "tokens": asked, "computed": computed}


def queries_of(text: str, count: int) -> list[str]:
    """Returns runs of words that begin at even distances in a text, each after a blank."""
    words = text.split()
    starts = [number * (len(words) - WORDS) // count for number in range(count)]
    return [" " + " ".join(words[start : start + WORDS]) for start in starts]


if __name__ == "__main__":
    sys.exit(main())
