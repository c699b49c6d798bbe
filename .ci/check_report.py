"""Checks that a finished run's report has every figure that others rely on, and that its samples add up.

In: the path of a report.json. Out: one line, or an exit status that is not zero. The file is read as any script outside
the project would read it, so that a figure that changes its name is noticed.
"""

import json
import sys
from pathlib import Path

SECTIONS = ("retrieval", "fingerprints", "seconds", "peak_memory_bytes")
NEEDED = """
samples: planned generated failed
examples: kept rejected
generation: samples_per_second prompt_tokens_per_second output_tokens_per_second prefix_cache_hit_rate
generation: engine_start_seconds
training: pairs_per_second steps examples
decision: model why
"""
SCORES = {"ndcg@10", "mrr@10", "recall@100", "hit@1", "hit@3", "hit@10"}


def missing_keys(report: dict[str, dict[str, object]]) -> list[str]:
    """Names of the figures that the report lacks."""
    needed = [
        (section, key)
        for section, _, keys in (line.partition(": ") for line in NEEDED.split("\n") if line)
        for key in keys.split()
    ]
    missing = [f"{section}.{key}" for section, key in needed if key not in report.get(section, {})]
    return missing + [section for section in SECTIONS if not report.get(section)]


def missing_scores(retrieval: dict[str, dict[str, dict[str, object]]]) -> list[str]:
    """Names of the scores that a collection of the report lacks."""
    systems = [(collection, system) for collection in retrieval for system in ("bm25", "base", "tuned")]
    missing = [
        f"retrieval.{name}.{system}.{score}"
        for name, system in systems
        for score in sorted(SCORES - set(retrieval[name].get(system, {})))
    ]
    for name, results in retrieval.items():
        difference = results.get("difference", {}).get("ndcg@10", {})
        if not isinstance(difference, dict) or {"mean", "ci95"} - set(difference):
            missing.append(f"retrieval.{name}.difference.ndcg@10")
    return missing


def main() -> None:
    """Reads the report that is named on the command line and checks it."""
    path = Path(sys.argv[1])
    report = json.loads(path.read_text())
    missing = missing_keys(report) + missing_scores(report.get("retrieval", {}))
    if missing:
        sys.exit(f"{path} lacks {', '.join(missing)}")
    samples, examples = report["samples"], report["examples"]
    if samples["planned"] != samples["generated"] + samples["failed"]:
        sys.exit(f"{path}: {samples} do not add up")
    if samples["generated"] != examples["kept"] + sum(examples["rejected"].values()):
        sys.exit(f"{path}: {samples['generated']} generated samples, but kept and rejected are {examples}")
    sys.stdout.write(f"{path} is complete; {samples}\n")


if __name__ == "__main__":
    main()
