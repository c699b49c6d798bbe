"""Which of several generators writes a row: shares are met, and nothing but the sample's key decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from engine.generation.shares import writer_of
from tests.support.jobs import FAKE, rows

MIXED = replace(FAKE, mix={"small": {"share": 3}, "large": {"share": 1, "temperature": 0.9, "num_engines": 2}})


def test_shares_are_met_and_depend_on_the_key_alone() -> None:
    table = rows(8000)
    writer = writer_of(table, MIXED)
    assert np.mean(writer == 0) == pytest.approx(0.75, abs=0.02)
    order = np.random.default_rng(0).permutation(8000)
    assert (writer_of(table.take(pa.array(order)), MIXED) == writer[order]).all()
    assert (writer_of(table, replace(MIXED, seed=1)) != writer).any()
    again = table.set_column(table.column_names.index("replicate"), "replicate", pa.array([1] * 8000, pa.int32()))
    assert (writer_of(again, MIXED) != writer).any(), "another replicate is another draw"
