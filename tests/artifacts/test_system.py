"""A finished system folder gives the record of its step, its settings, and the places of its parts."""

from __future__ import annotations

from pathlib import Path

from engine.artifacts.system import SystemFolder, SystemRecord
from engine.storage.files import write_json
from engine.storage.store import StepRecord, finish
from engine.storage.typed import to_json_values

RECORD = SystemRecord(passages=3, dimensions=384, terms=12, system="base_words", weight=0.45)


def test_a_record_and_the_settings_read_back(tmp_path: Path) -> None:
    folder = SystemFolder(tmp_path)
    write_json(folder.settings_file, {"system": "base_words"})
    finish(tmp_path, StepRecord("system", "00", {}, {}, 1.0, 1, to_json_values(RECORD)))
    assert folder.record() == RECORD
    assert folder.settings() == {"system": "base_words"}


def test_parts_lie_in_the_folder_under_their_names(tmp_path: Path) -> None:
    folder = SystemFolder(tmp_path)
    files = (folder.settings_file, folder.search_file, folder.readme_file, folder.passages_file, folder.offsets_file)
    assert [file.name for file in files] == ["system.json", "search.py", "README.md", "passages.jsonl", "offsets.npy"]
    parts = (folder.encoder, folder.vectors_file, folder.bm25)
    assert [part.name for part in parts] == ["encoder", "faiss.index", "bm25"]
    assert {path.parent for path in (*files, *parts)} == {tmp_path}
