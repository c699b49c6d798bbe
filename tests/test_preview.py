"""`preview=N`: what would be asked, without an engine; and with `sample=true`, with one."""

from __future__ import annotations

import pytest
from conftest import CommandLine, write_corpus

from engine.preview import first_rows

pytestmark = [pytest.mark.slow]


def test_preview_prints_prompts_distribution_and_forecast(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 20)
    done = synthmill.run("experiment=adapt", "collection=corpus", "preview=2", "run_dir=run")
    assert done.returncode == 0, done.stderr
    assert "Passage:" in done.stdout
    assert "condition form" in done.stdout
    assert "60 samples" in done.stdout
    assert not (synthmill.folder / "run").exists(), "a preview is no run"


def test_preview_generates_when_asked(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 20)
    done = synthmill.run("experiment=adapt", "collection=corpus", "samples=fake", "preview=2", "sample=true")
    assert done.returncode == 0, done.stderr
    assert "sample 0: generated" in done.stdout
    assert "60 samples in at most" in done.stdout
    assert callable(first_rows)
