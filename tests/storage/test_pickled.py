"""Columns of pickled objects are refused before a value is read, whether or not Ray Data knows their type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from engine.errors import UserError
from engine.storage.pickled import refuse_pickled

NAMED = {b"ARROW:extension:name": b"ray.data.arrow_pickled_object", b"ARROW:extension:metadata": b""}
PICKLED = pa.field("given", pa.large_binary(), metadata=NAMED)
"""The column as it is read where Ray Data is not imported."""


@pytest.mark.parametrize(
    "field",
    [
        PICKLED,
        pa.field("given", pa.struct([pa.field("a", pa.int64()), PICKLED])),
        pa.field("given", pa.list_(PICKLED)),
        pa.field("given", pa.map_(pa.string(), PICKLED)),
    ],
)
def test_pickled_objects_are_refused_at_whatever_depth(field: pa.Field) -> None:
    with pytest.raises(UserError, match="column 'given' holds pickled Python objects") as caught:
        refuse_pickled(pa.schema([pa.field("text", pa.string()), field]), Path("x.parquet"))
    assert caught.value.where == "x.parquet"


def test_ordinary_columns_are_not() -> None:
    kinds = [
        pa.string(),
        pa.list_(pa.float32()),
        pa.map_(pa.string(), pa.int64()),
        pa.dictionary(pa.int32(), pa.string()),
    ]
    kinds += [pa.struct([pa.field("a", pa.list_(pa.struct([pa.field("b", pa.bool_())])))]), pa.large_binary()]
    refuse_pickled(pa.schema([pa.field(f"c{number}", kind) for number, kind in enumerate(kinds)]), Path("x.parquet"))


ATTACK = """
import pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq
import ray.data  # registers the type
from ray.data._internal.object_extensions.arrow import ArrowPythonObjectArray
class Attack:
    def __reduce__(self):
        return (pathlib.Path(sys.argv[1]).touch, ())
array = ArrowPythonObjectArray.from_objects([Attack(), Attack()])
pq.write_table(pa.table({"_id": ["a", "b"], "text": array}), sys.argv[2])
from engine.errors import UserError
from engine.storage.parquet_records import open_parquet, parquet_batches
try:
    with open_parquet(pathlib.Path(sys.argv[2])) as parquet:
        print([batch.to_pylist() for batch in parquet_batches(parquet)])
except UserError as error:
    print(error)
"""


def test_a_file_that_attacks_runs_nothing(tmp_path: Path) -> None:
    ran, file = tmp_path / "ran", tmp_path / "attack.parquet"
    command = [sys.executable, "-c", ATTACK, str(ran), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "column 'text' holds pickled Python objects" in done.stdout
    assert not ran.exists()
