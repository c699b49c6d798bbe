"""Files that are replaced whole: after a kill, after an error, and under many threads."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.storage.files import write_json, write_text


def test_writes_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    (tmp_path / f"b.{os.getpid()}.tmp").write_text("longer than what follows, left by a kill")
    write_json(tmp_path / "b", {"b": [1], "a": None})
    assert json.loads((tmp_path / "b").read_text()) == {"b": [1], "a": None}
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a", "new \ud800")
    assert (tmp_path / "a").read_text() == "old"


def test_threads_that_write_one_file_do_not_take_each_others_temporary(tmp_path: Path) -> None:
    texts = [str(number) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            list(pool.map(lambda text: write_text(tmp_path / "a", text), texts))
    assert (tmp_path / "a").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
