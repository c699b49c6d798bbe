"""Committed parts: each id once, whatever is killed; old engines are fenced off."""

import ast
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import SAMPLES
from engine.artifacts.samples import SamplesFolder
from engine.errors import BrokenInvariantError
from engine.storage.parts import (
    FencedError,
    PartWriter,
    committed_ids,
    committed_parts,
    committed_set,
    open_attempt,
    part_ids,
    seal_attempts,
    write_part,
)
from tests.support.committed import SCHEMA, commit, row
from tests.support.paths import ROOT


def test_a_part_counts_when_it_is_complete(tmp_path: Path) -> None:
    folder = open_attempt(tmp_path, 1)
    writer = PartWriter(folder, 3, SCHEMA)
    assert writer.commit() is None
    writer.add(row(7))
    writer.add(row(2, text="NUL \0 and ü", condition_form="question"))
    assert len(writer) == 2
    assert committed_parts(tmp_path) == []
    part = writer.commit()
    assert part == folder / "part-e3-00000.parquet"
    assert len(writer) == 0
    assert [path.name for path in folder.iterdir()] == ["part-e3-00000.parquet"]
    assert part_ids(part).tolist() == [2, 7]
    assert pq.read_table(part)["sample_id"].to_pylist() == [7, 2], "rows stay in the order of completion"
    writer.add(row(9))
    assert writer.commit() == folder / "part-e3-00001.parquet"
    assert committed_ids(committed_parts(tmp_path)).tolist() == [2, 7, 9]


def test_reads_all_samples_in_order(tmp_path: Path) -> None:
    first = open_attempt(tmp_path, 1)
    commit(first, [5, 1])
    seal_attempts(tmp_path)
    commit(open_attempt(tmp_path, 2), [3, 0], engine=1)
    table = SamplesFolder(tmp_path).rows()
    assert table["sample_id"].to_pylist() == [0, 1, 3, 5]
    assert table["text"].to_pylist() == ["text 0", "text 1", "text 3", "text 5"]
    assert table.schema.names == [*SAMPLES.names, "condition_form"]
    assert table.schema.metadata is None


def test_a_half_written_part_is_no_part(tmp_path: Path) -> None:
    folder = open_attempt(tmp_path, 1)
    part = commit(folder, [1, 2])
    (folder / "part-e0-00001.parquet.tmp").write_bytes(part.read_bytes()[:100])
    assert committed_parts(tmp_path) == [part]
    assert seal_attempts(tmp_path) == 2
    sealed = tmp_path / "attempt-0001"
    assert [path.name for path in tmp_path.iterdir()] == ["attempt-0001"]
    assert [path.name for path in sealed.iterdir()] == ["part-e0-00000.parquet"], "leftovers are cleared"
    assert committed_ids(committed_parts(tmp_path)).tolist() == [1, 2]


def test_a_row_that_cannot_be_written_makes_no_part(tmp_path: Path) -> None:
    folder = open_attempt(tmp_path, 1)
    writer = PartWriter(folder, 0, SCHEMA)
    writer.add(row(1, text=5.5))
    with pytest.raises(pa.ArrowTypeError):
        writer.commit()
    assert list(folder.iterdir()) == []


def test_an_old_engine_is_fenced_off(tmp_path: Path) -> None:
    folder = open_attempt(tmp_path, 1)
    old = PartWriter(folder, 0, SCHEMA)
    old.add(row(1))
    assert old.commit() is not None
    old.add(row(2))
    assert seal_attempts(tmp_path) == 2
    committed = committed_ids(committed_parts(tmp_path)).tolist()
    assert committed == [1]
    with pytest.raises(FencedError, match=r"attempt-0001\.open was sealed by a newer start"):
        old.commit()
    commit(open_attempt(tmp_path, 2), [2])
    with pytest.raises(FencedError):
        old.commit()
    assert committed_ids(committed_parts(tmp_path)).tolist() == [1, 2]


def test_an_engine_is_fenced_in_the_middle_of_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_attempt(tmp_path, 1)
    write = pq.write_table

    def seal_meanwhile(*arguments: object, **options: object) -> None:
        write(*arguments, **options)
        seal_attempts(tmp_path)

    monkeypatch.setattr(pq, "write_table", seal_meanwhile)
    writer = PartWriter(folder, 0, SCHEMA)
    writer.add(row(1))
    with pytest.raises(FencedError):
        writer.commit()
    assert committed_parts(tmp_path) == []


def test_starts_are_numbered_and_sealing_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}")
    assert seal_attempts(tmp_path) == 1
    for attempt in (1, 2, 3):
        commit(open_attempt(tmp_path, attempt), [attempt])
        assert seal_attempts(tmp_path) == attempt + 1
    assert seal_attempts(tmp_path) == 4
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["attempt-0001", "attempt-0002", "attempt-0003", "record.json"]
    with pytest.raises(FileExistsError):
        open_attempt(tmp_path, 4) and open_attempt(tmp_path, 4)


def test_an_id_twice_is_noticed_everywhere(tmp_path: Path) -> None:
    folder = open_attempt(tmp_path, 1)
    with pytest.raises(BrokenInvariantError, match="holds an id twice"):
        commit(folder, [4, 4])
    commit(folder, [1, 2], engine=0)
    commit(folder, [2, 3], engine=1)
    with pytest.raises(BrokenInvariantError, match=r"sample \[2\] is in two committed parts"):
        committed_ids(committed_parts(tmp_path))
    with pytest.raises(BrokenInvariantError, match=r"sample \[2\] is in two committed parts"):
        committed_set(committed_parts(tmp_path), 4)
    with pytest.raises(AssertionError, match="holds a sample twice"):
        SamplesFolder(tmp_path).rows()


DOUBLE = """
import sys
from pathlib import Path
from engine.errors import BrokenInvariantError
from engine.storage.parts import committed_ids, committed_parts

assert False, "left out by -O"
try:
    committed_ids(committed_parts(Path(sys.argv[1])))
except BrokenInvariantError as error:
    print(error)
"""


def test_an_id_twice_is_noticed_by_a_python_that_leaves_asserts_out(tmp_path: Path) -> None:
    folder = open_attempt(tmp_path, 1)
    commit(folder, [1, 2], engine=0)
    commit(folder, [2, 3], engine=1)
    command = [sys.executable, "-O", "-c", DOUBLE, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "sample [2] is in two committed parts\n"


@pytest.mark.parametrize("file", sorted((ROOT / "engine" / "storage").glob("*.py")), ids=lambda file: file.name)
def test_no_assert_guards_data(file: Path) -> None:
    asserts = [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]
    assert asserts == [], "raise BrokenInvariantError instead: `python -O` leaves asserts out"


def test_two_engines_never_share_a_name(tmp_path: Path) -> None:
    folder = open_attempt(tmp_path, 1)
    commit(folder, [1])
    with pytest.raises(BrokenInvariantError, match="two engines share the number 0"):
        commit(folder, [2])


def test_a_part_of_someone_else_is_noticed(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sample_id": [1]}), tmp_path / "part-e0-00000.parquet")
    with pytest.raises(BrokenInvariantError, match="has no ids in its footer"):
        part_ids(tmp_path / "part-e0-00000.parquet")
    with pytest.raises(AssertionError, match="holds no committed part"):
        SamplesFolder(tmp_path).rows()
    assert committed_ids([]).tolist() == []


def test_the_footer_keeps_other_metadata(tmp_path: Path) -> None:
    table = pa.table({"sample_id": [3, 1]}).replace_schema_metadata({"a": "b"})
    write_part(tmp_path / "part.parquet", table)
    assert pq.read_schema(tmp_path / "part.parquet").metadata[b"a"] == b"b"
    assert part_ids(tmp_path / "part.parquet").tolist() == [1, 3]
