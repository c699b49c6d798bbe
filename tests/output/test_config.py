"""A file of answers that could not be written is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from engine.output.config import check_file


@pytest.mark.parametrize(
    ("output", "prompts", "what"),
    [
        ("out.jsonl", "", "prompts.path is empty"),
        ("out.xlsx", "p.jsonl", "its ending '.xlsx' tells no form"),
        ("p.jsonl", "p.jsonl", "lies among the prompts"),
        ("d/out.jsonl", "d", "lies among the prompts"),
        ("gone/out.jsonl", "p.jsonl", "cannot be written"),
    ],
)
def test_what_could_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, prompts: str, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    with pytest.raises(UserError, match=what) as caught:
        check_file(output, prompts, "runs")
    assert caught.value.where == f"samples.output={output}"
    check_file("out.jsonl", "p.jsonl", "runs")


def test_a_finished_step_is_not_written_into(tmp_path: Path) -> None:
    step = tmp_path / "runs" / "store" / "output" / "abc"
    step.mkdir(parents=True)
    (tmp_path / "runs" / "batch-p").mkdir()
    (tmp_path / "runs" / "batch-p" / "output").symlink_to(step)
    with pytest.raises(UserError, match="among the results of steps"):
        check_file(str(tmp_path / "runs/batch-p/output/part-00000.parquet"), "p.jsonl", str(tmp_path / "runs"))
    check_file(str(tmp_path / "runs/batch-p/answers.jsonl"), "p.jsonl", str(tmp_path / "runs"))
