"""Subsets of examples: nested, of whole documents, with everything that is held out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.examples import ExamplesFolder
from engine.errors import UserError
from engine.examples.subset.config import SubsetConfig
from engine.examples.subset.step import take_share
from tests.support.small_run import build_run, place_in


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A finished folder: 24 samples of twelve documents, of which five are held out."""
    return build_run(tmp_path / "store")["examples"]


def taken(examples: Path, output: Path, share: float, seed: int = 0) -> set[int]:
    """Takes a share, and returns the ids of all samples in it."""
    output.mkdir()
    record = take_share(SubsetConfig(share, seed), {"examples": examples}, output, place_in(output))
    folder = ExamplesFolder(output)
    kept, rejected = folder.kept(), folder.rejected()
    assert (record.kept, sum(record.rejected.values())) == (len(kept), len(rejected))
    assert record.train + record.validation == record.kept
    assert kept.schema.names == ExamplesFolder(examples).kept().schema.names
    return set(pa.concat_tables([kept, rejected])["sample_id"].to_pylist())


def test_a_larger_share_holds_a_smaller_one_and_all_that_is_held_out(examples: Path, tmp_path: Path) -> None:
    whole = ExamplesFolder(examples)
    rows = pa.concat_tables([whole.kept(), whole.rejected()]).to_pylist()
    held_out = {row["sample_id"] for row in rows if row["split"] == "validation"}
    shares = [taken(examples, tmp_path / f"{share}", share) for share in (0.5, 0.7, 0.999)]
    assert held_out < shares[0] <= shares[1] <= shares[2] <= {row["sample_id"] for row in rows}
    assert len(shares[0]) < len(shares[2])
    for ids in shares:
        of_documents: dict[str, set[bool]] = {}
        for row in rows:
            of_documents.setdefault(row["document_id"], set()).add(row["sample_id"] in ids)
        assert all(len(are_taken) == 1 for are_taken in of_documents.values()), "documents are taken whole"


def test_another_seed_draws_other_documents(examples: Path, tmp_path: Path) -> None:
    draws = {frozenset(taken(examples, tmp_path / str(seed), 0.8, seed)) for seed in range(3)}
    assert len(draws) > 1


def test_shares_are_met_on_average(tmp_path: Path) -> None:
    examples, count = tmp_path / "many", 4000
    first = build_run(tmp_path / "store")["examples"]
    examples.mkdir()
    for name in ("kept", "rejected"):
        table = pq.read_table(first / f"{name}.parquet")
        if name == "kept":
            row = next(row for row in table.to_pylist() if row["split"] == "train")
            rows = [{**row, "sample_id": number, "document_id": f"d{number}"} for number in range(count)]
            table = pa.Table.from_pylist(rows, schema=table.schema)
        pq.write_table(table, examples / f"{name}.parquet")
    (examples / "record.json").write_text((first / "record.json").read_text())
    kept = taken(examples, tmp_path / "quarter", 0.25) & set(range(count))
    assert abs(len(kept) / count - 0.25) < 0.03


def test_a_share_that_leaves_nothing_to_train_on_is_refused(examples: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        take_share(SubsetConfig(0.0001, 0), {"examples": examples}, tmp_path, place_in(tmp_path))
    assert str(error.value).startswith("learning_curve.shares=0.0001: leaves 0 examples of")
