"""A small BEIR-style collection: documents that differ, and a judged query for each subject."""

from __future__ import annotations

import json
from pathlib import Path

SUBJECTS = ("bread", "bees", "pumps", "towers", "loans", "leaves", "brakes", "tables", "storms", "clocks")


def write_corpus(folder: Path, count: int) -> Path:
    """Writes a BEIR folder; document d3 is about the subject 3 in a way of its own."""
    (folder / "qrels").mkdir(parents=True)
    rows = []
    for number in range(count):
        subject = SUBJECTS[number % len(SUBJECTS)]
        text = (
            f"Notes on {subject}, volume {number}. People who work with {subject} in town number {number} say that "
            f"every {subject} needs care in week {number * 3 % 52}, and that colour {number * 7 % 31} is the best sign."
        )
        rows.append({"_id": f"d{number}", "title": f"{subject} {number}", "text": text})
    _write_lines(folder / "corpus.jsonl", rows)
    _write_lines(
        folder / "queries.jsonl", [{"_id": f"q{i}", "text": f"care of {s} in town {i}"} for i, s in enumerate(SUBJECTS)]
    )
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t{1 + i % 2}" for i in range(len(SUBJECTS)))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
    return folder


def _write_lines(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
