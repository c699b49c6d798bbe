"""Which files of a folder are input: not hidden ones, and not what synthmill wrote."""

from __future__ import annotations

from pathlib import Path

from engine.storage.listing import JSONL_ENDINGS, listed, with_endings
from engine.storage.run_folders import begin_run
from engine.storage.store import Store


def test_hidden_files_and_outputs_are_no_input(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/c.JSONL.gz", ".git/d.jsonl", ".e.jsonl", "f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    begin_run(tmp_path / "one", "name: one\n")
    (tmp_path / "one" / "g.jsonl").touch()
    with Store(tmp_path / "store").producing(tmp_path / "store" / "rows" / "0123456789abcdef", keep=True) as folder:
        (folder / "h.jsonl").touch()
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    names = [file.relative_to(tmp_path).as_posix() for file in with_endings(tmp_path, JSONL_ENDINGS)]
    assert names == ["a/c.JSONL.gz", "b.jsonl", "gone.jsonl"]
    assert {file.name for file in listed(tmp_path)} == {"b.jsonl", "c.JSONL.gz", "gone.jsonl", "f.csv"}
