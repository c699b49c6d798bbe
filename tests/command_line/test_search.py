"""`synthmill search` on a finished run: both models answer, from vectors that the report left in the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from engine.command_line.commands import search_run
from engine.errors import UserError
from tests.support.small_run import finished_run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a report, its models the bundled one and a disturbed copy."""
    return finished_run(tmp_path_factory.mktemp("run"))


def test_both_models_answer_from_cached_vectors(run_dir: Path) -> None:
    cache = run_dir.parent / "store" / "embeddings"
    written = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    console = Console(width=120)
    with console.capture() as capture:
        console.print(search_run(run_dir, "how do I keep [fruit] fresh?", k=3))
    text = capture.get()
    assert "how do I keep [fruit] fresh?" in text
    assert text.count("apples") >= 2
    assert "(the one to use)" in text
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == written


def test_an_empty_question_is_refused(run_dir: Path) -> None:
    with pytest.raises(UserError, match="question is empty"):
        search_run(run_dir, "  ")
