"""`preview=N`: what would be asked, without an engine; and with `sample=true`, with one."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CommandLine, write_corpus
from rich.console import Console as RichConsole

from engine.preview import first_rows, joint_table


def test_two_conditions_are_shown_together(tmp_path: Path) -> None:
    parts = [(["a", "a", "b"], ["[x]", "", "[x]"]), (["b"] * 5, [""] * 5)]
    for number, (down, across) in enumerate(parts):
        table = pa.table({"condition_down": down, "condition_across": across})
        pq.write_table(table, tmp_path / f"plan-{number:05d}.parquet")
    shown = RichConsole(width=80, record=True)
    shown.print(joint_table(tmp_path, "down", "across"))
    text = shown.export_text()
    rows = [line.replace("│", " ").split() for line in text.splitlines() if "%" in line]
    assert rows == [["a", "12.5%", "12.5%"], ["b", "62.5%", "12.5%"]]
    assert "(none)" in text


@pytest.mark.slow
def test_preview_shows_what_the_plan_holds(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 20)
    given = "length: {values: [short, long]}, noun: {file: 'package:words/nouns.txt'}"
    quotas = "task.quotas=[{where: {length: short}, max: 12}, {where: {length: long}, max: 20}]"
    done = synthmill.run(
        *("experiment=adapt", "collection=corpus", "preview=1", f"task.attributes={{{given}}}", quotas)
    )
    assert done.returncode == 0, done.stderr
    assert "form by length" in done.stdout
    assert "37.5%" in done.stdout, "12 of 32"
    assert re.search(r"noun: \d\d values, most frequent", done.stdout)
    assert "no cell was free after 32 of 60 samples" in done.stdout + done.stderr


@pytest.mark.slow
def test_preview_prints_prompts_distribution_and_forecast(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 20)
    done = synthmill.run("experiment=adapt", "collection=corpus", "preview=2", "run_dir=run")
    assert done.returncode == 0, done.stderr
    assert "Passage:" in done.stdout
    assert "condition form" in done.stdout
    assert "60 samples" in done.stdout
    assert not (synthmill.folder / "run").exists(), "a preview is no run"


@pytest.mark.slow
def test_preview_generates_when_asked(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 20)
    done = synthmill.run("experiment=adapt", "collection=corpus", "samples=fake", "preview=2", "sample=true")
    assert done.returncode == 0, done.stderr
    assert "sample 0: generated" in done.stdout
    assert "60 samples in at most" in done.stdout
    assert callable(first_rows)
