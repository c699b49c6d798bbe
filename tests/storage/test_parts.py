"""Parts: whole or absent, ids in footers, and only those count that the manifest lists."""

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
from engine.storage.manifest import Entry, FencedError, Manifest
from engine.storage.parts import (
    PartWriter,
    committed_ids,
    committed_parts,
    committed_set,
    ignored_files,
    part_ids,
    part_name,
    row_groups,
    whole_part_runs,
    write_part,
    writer_of,
)
from tests.support.committed import SCHEMA, begin, commit, row, write
from tests.support.paths import ROOT

GUARDED = [
    *(ROOT / "engine" / "storage").glob("*.py"),
    *(ROOT / "engine" / "samples").glob("*.py"),
    ROOT / "engine" / "artifacts" / "samples.py",
    ROOT / "engine" / "examples" / "step.py",
    *(ROOT / "engine" / "generation" / f"{name}.py" for name in ("jobs", "loop", "batch", "output", "conversation")),
]


def names(parts: list[Path]) -> list[str]:
    return [part_name(part) for part in parts]


def test_a_part_counts_when_the_manifest_lists_it(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    writer = PartWriter(parts.attempt_folder, 3, SCHEMA)
    assert writer.commit() is None
    writer.add(row(7))
    writer.add(row(2, text="NUL \0 and ü", condition_form="question"))
    assert len(writer) == 2
    part = writer.commit()
    assert part == tmp_path / "attempt-0001" / "part-e3-00000.parquet"
    assert len(writer) == 0
    assert list(parts.attempt_folder.iterdir()) == [part]
    assert part_ids(part).tolist() == [2, 7]
    assert pq.read_table(part)["sample_id"].to_pylist() == [7, 2], "rows stay in the order of completion"
    assert committed_parts(tmp_path) == []
    parts.list_new()
    assert committed_parts(tmp_path) == [part]
    writer.add(row(9))
    assert writer.commit() == tmp_path / "attempt-0001" / "part-e3-00001.parquet"
    parts.list_new()
    assert committed_ids(committed_parts(tmp_path)).tolist() == [2, 7, 9]


def test_long_texts_make_smaller_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Arrow column of strings ends at 2 GiB, which 65,536 long answers reach."""
    monkeypatch.setattr("engine.storage.parts.PIECE_BYTES", 1000)
    attempt = begin(tmp_path).attempt_folder
    parts = [write(attempt, [2 * number, 2 * number + 1], number=number) for number in range(20)]
    sizes = [table.num_rows for table in row_groups(parts, 1000)]
    assert sum(sizes) == 40
    assert len(sizes) > 3
    assert max(sizes) <= 12
    monkeypatch.undo()
    assert [table.num_rows for table in row_groups(parts, 1000)] == [40]
    assert [table.num_rows for table in row_groups(parts, 16)] == [16, 16, 8]


def test_reads_all_samples_in_order(tmp_path: Path) -> None:
    commit(begin(tmp_path), [5, 1])
    commit(begin(tmp_path), [3, 0], engine=1)
    table = SamplesFolder(tmp_path).rows()
    assert table["sample_id"].to_pylist() == [0, 1, 3, 5]
    assert table["text"].to_pylist() == ["text 0", "text 1", "text 3", "text 5"]
    assert table.schema.names == [*SAMPLES.names, "condition_form"]
    assert table.schema.metadata is None


def test_a_row_that_cannot_be_written_makes_no_part(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    writer = PartWriter(parts.attempt_folder, 0, SCHEMA)
    writer.add(row(1, text=5.5))
    with pytest.raises(pa.ArrowTypeError):
        writer.commit()
    assert list(parts.attempt_folder.iterdir()) == []


def test_an_engine_stops_when_another_start_has_taken_over(tmp_path: Path) -> None:
    old = PartWriter(begin(tmp_path).attempt_folder, 0, SCHEMA)
    old.add(row(1))
    assert old.commit() is not None
    old.add(row(2))
    begin(tmp_path)
    with pytest.raises(FencedError, match="another start of this run has taken over"):
        old.commit()
    assert committed_ids(committed_parts(tmp_path)).tolist() == [1]


def test_an_engine_is_fenced_in_the_middle_of_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table = pq.write_table

    def take_over_meanwhile(*arguments: object, **options: object) -> None:
        write_table(*arguments, **options)
        begin(tmp_path)

    writer = PartWriter(begin(tmp_path).attempt_folder, 0, SCHEMA)
    monkeypatch.setattr(pq, "write_table", take_over_meanwhile)
    writer.add(row(1))
    with pytest.raises(FencedError):
        writer.commit()
    assert list(tmp_path.glob("attempt-*/*")) == []


def test_what_never_counts_is_told_from_what_the_next_start_takes_over(tmp_path: Path) -> None:
    first = begin(tmp_path)
    commit(first, [1])
    second = begin(tmp_path)
    commit(second, [2])
    write(second.attempt_folder, [4], engine=5)
    second.close_engine(5)
    late = [
        write_unchecked(first.attempt_folder, 3, 1),
        write_unchecked(second.attempt_folder, 5, 5, 1),
        write_unchecked(second.attempt_folder, 6, 0, 1),
    ]
    half = first.attempt_folder / "part-e9-00000.parquet.tmp"
    half.touch()
    assert ignored_files(tmp_path, is_done=False) == [late[0], late[1], half], "engine 0 of the last start may go on"
    assert ignored_files(tmp_path, is_done=True) == [*sorted(late), half]
    assert committed_ids(committed_parts(tmp_path)).tolist() == [1, 2, 4]


def write_unchecked(attempt: Path, sample_id: int, engine: int = 0, number: int = 0) -> Path:
    """What an engine writes that does not see the newer start: its view of the folder is old."""
    part = attempt / f"part-e{engine}-{number:05d}.parquet"
    write_part(part, pa.Table.from_pylist([row(sample_id)], schema=SCHEMA))
    return part


def test_an_id_twice_is_noticed_by_who_writes_and_by_who_reads(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariantError, match="holds an id twice"):
        commit(begin(tmp_path / "one"), [4, 4])
    double(tmp_path)
    with pytest.raises(BrokenInvariantError, match=r"sample \[2\] is in two committed parts"):
        committed_ids(committed_parts(tmp_path))
    with pytest.raises(BrokenInvariantError, match=r"sample \[2\] is in two committed parts"):
        committed_set(committed_parts(tmp_path), 4)
    with pytest.raises(BrokenInvariantError, match="holds a sample twice"):
        SamplesFolder(tmp_path).rows()


def double(folder: Path) -> None:
    """Lists two parts that share an id, which no driver does."""
    attempt = begin(folder).attempt_folder
    parts = [write(attempt, [1, 2], engine=0), write(attempt, [2, 3], engine=1)]
    assert Manifest(folder).append(2, Entry(1, dict.fromkeys(names(parts), 2)))


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
    double(tmp_path)
    command = [sys.executable, "-O", "-c", DOUBLE, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "sample [2] is in two committed parts\n"


def test_no_assert_guards_data() -> None:
    trees = {file: ast.parse(file.read_text()) for file in GUARDED}
    found = {
        file: [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] for file, tree in trees.items()
    }
    asserts = {str(file): lines for file, lines in found.items() if lines}
    assert asserts == {}, "raise BrokenInvariantError instead: `python -O` leaves asserts out"


def test_two_engines_never_share_a_name(tmp_path: Path) -> None:
    parts = begin(tmp_path)
    commit(parts, [1])
    with pytest.raises(BrokenInvariantError, match="two engines share the name e0"):
        commit(parts, [2])


def test_a_name_says_whose_part_it_is() -> None:
    assert writer_of("attempt-0003/part-e12-00007.parquet") == (3, "e12")
    assert writer_of("attempt-10000/part-merged-123456.parquet.tmp") == (10000, "merged")
    with pytest.raises(BrokenInvariantError, match="no name of a part"):
        writer_of("attempt-0003/other.parquet")


def test_a_part_of_someone_else_is_noticed(tmp_path: Path) -> None:
    other = tmp_path / "part-e0-00000.parquet"
    pq.write_table(pa.table({"sample_id": [1]}), other)
    with pytest.raises(BrokenInvariantError, match="has no ids in its footer"):
        part_ids(other)
    assert whole_part_runs(other) is None
    other.write_bytes(other.read_bytes()[:-20])
    assert whole_part_runs(other) is None
    other.write_bytes(b"")
    assert whole_part_runs(other) is None
    other.unlink()
    assert whole_part_runs(other) is None
    other.symlink_to(other.name)
    with pytest.raises(OSError, match=r"levels of symbolic links"):
        whole_part_runs(other)  # the disk does not answer: what the part holds is not known
    with pytest.raises(BrokenInvariantError, match="holds no committed part"):
        SamplesFolder(tmp_path).rows()
    assert committed_ids([]).tolist() == []


def test_a_footer_that_makes_no_sense_is_no_part(tmp_path: Path) -> None:
    part = tmp_path / "part.parquet"
    write_part(part, pa.table({"sample_id": [1]}))
    content = part.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    part.write_bytes(content[: -8 - length] + bytes(length) + content[-8:])
    assert whole_part_runs(part) is None


def test_the_footer_keeps_other_metadata(tmp_path: Path) -> None:
    table = pa.table({"sample_id": [3, 1]}).replace_schema_metadata({"a": "b"})
    write_part(tmp_path / "part.parquet", table)
    assert pq.read_schema(tmp_path / "part.parquet").metadata[b"a"] == b"b"
    assert part_ids(tmp_path / "part.parquet").tolist() == [1, 3]
