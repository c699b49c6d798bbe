"""What tests of the benchmarks call in processes of their own; it imports next to nothing, as such a process does."""

from __future__ import annotations

import os


def describe_process(word: str) -> dict[str, object]:
    """Tells what the process is given, which one it is, and how many threads it may have."""
    return {"word": word, "pid": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS")}


def fail() -> None:
    """Fails."""
    raise ValueError("no such engine")
