"""Columns of text may be larger than 2 GiB in memory, and are `string` in files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import EXAMPLES, PASSAGES, PROMPTS
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder
from engine.storage.parts import write_part
from engine.storage.tables import read_rows, with_large_texts
from tests.support.committed import SCHEMA, begin, commit_table, row

GIB = 1 << 30


def test_texts_become_large_and_nothing_else_changes(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", None], "number": [1, 2], "choice": pa.array(["x", "x"]).dictionary_encode()})
    large = with_large_texts(table)
    assert large.to_pylist() == table.to_pylist()
    assert large.schema.types == [pa.large_string(), pa.int64(), table.schema.field("choice").type]
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet", ["text"], [("number", "==", 1)]).to_pydict() == {"text": ["a"]}


def test_every_door_reads_large_texts(tmp_path: Path) -> None:
    """What a step combines, sorts or takes from comes through these doors."""
    commit_table(tmp_path, pa.Table.from_pylist([row(0)], schema=SCHEMA))
    files = {
        "passages.parquet": PASSAGES,
        "failed.parquet": PASSAGES,
        "kept.parquet": EXAMPLES,
        "rejected.parquet": EXAMPLES,
        "plan-00000.parquet": PROMPTS,
    }
    for name, schema in files.items():
        pq.write_table(schema.empty_table(), tmp_path / name)
    documents, examples = DocumentsFolder(tmp_path), ExamplesFolder(tmp_path)
    tables = [documents.passages(), documents.texts(), examples.kept(), examples.rejected()]
    tables += [PromptsFolder(tmp_path).plan(), SamplesFolder(tmp_path).rows()]
    for table in tables:
        assert pa.string() not in table.schema.types, table.schema
        assert pa.large_string() in table.schema.types


@pytest.mark.soak
def test_a_column_of_more_than_two_gib(tmp_path: Path) -> None:
    """Read in one piece, sorted and taken from, as curation, the report and mining do."""
    parts = begin(tmp_path)
    text = "x" * (1 << 16)
    rows = 2 * GIB // len(text) // 4 + 64
    for part in range(4):  # ids fall from part to part, so that sorting moves every text
        ids = pa.array(range((3 - part) * rows, (4 - part) * rows))
        columns = {"sample_id": ids, "text": pa.array([text] * rows)}
        write_part(parts.new_part("e0"), pa.table(columns))
    parts.list_new()
    table = SamplesFolder(tmp_path).rows()
    assert table["text"].nbytes > 2 * GIB
    assert table["sample_id"].to_pylist() == list(range(4 * rows))
    whole = table["text"].combine_chunks()
    assert whole.take(pa.array([0, 4 * rows - 1])).to_pylist() == [text, text]
