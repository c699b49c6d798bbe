"""Death before every single change of the disk of a samples step: each write, sync, rename, link, deletion and folder.

Forked drivers (the step, the engines' loops, reuse, merging, the manifest, `_DONE` as they are) end before their N-th
change, for every N until one comes through; each is then run again to its end, every second one after one more death
in what it has taken over. Nothing that was on the disk as a part is lost, whether or not it was listed, and nothing is
there twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.storage.store import is_done
from tests.support.crash_driver import DIED
from tests.support.forked import ForkedDrivers, Row, check_complete, rows_of, write_plan

PLANNED, REUSED = 30, 10
FEWEST = 60
"""Changes of the disk that one step of this size makes at least."""
STRIDE = 7


@pytest.fixture
def drivers() -> Iterator[ForkedDrivers]:
    forked = ForkedDrivers()
    yield forked
    forked.process.kill()


@pytest.fixture
def origin(tmp_path: Path, drivers: ForkedDrivers) -> Path:
    """A store with a plan, of which an older folder holds a part."""
    root = tmp_path / "origin"
    write_plan(root, "old", REUSED)
    write_plan(root, "new", PLANNED)
    assert drivers.run(root, {"name": "old", "engines": 1, "part_rows": 64, "rate": 0.0}) == 0
    return root


def every_row(folder: Path) -> dict[int, Row]:
    """All rows of all parts on the disk; where two parts hold one they agree."""
    rows: dict[int, Row] = {}
    for part in folder.glob("attempt-*/part-*.parquet"):
        for row in pq.read_table(part).to_pylist():
            assert rows.setdefault(row["sample_id"], row) == row
    return rows


def die_and_go_on(drivers: ForkedDrivers, origin: Path, number: int) -> bool:
    """Lets one driver die before its change `number` of the disk, and others finish; False where there is no such."""
    root = origin.parent / str(number)
    shutil.copytree(origin, root)
    folder = root / "samples" / "new"
    settings = {"name": "new", "rate": 0.0, "engines": 2, "part_rows": 4}
    code = drivers.run(root, settings | {"die_at": number})
    assert code in (0, DIED)
    before = every_row(folder)
    assert rows_of(folder).items() <= before.items(), "readers come through at every moment"
    assert is_done(folder) <= (len(before) == PLANNED)
    if code and number % 2:
        drivers.run(root, settings | {"engines": 1, "part_rows": 7, "die_at": number // 2})
        assert before.items() <= every_row(folder).items(), "nothing that was whole is gone"
        before = every_row(folder)
    assert drivers.run(root, settings | {"engines": 1, "part_rows": 7}) == 0
    check_complete(folder, before, PLANNED)
    shutil.rmtree(root)
    return code == DIED


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_driver_dies_before_some_changes_of_the_disk(drivers: ForkedDrivers, origin: Path) -> None:
    number = 0
    while die_and_go_on(drivers, origin, number):
        number += STRIDE
    assert number > FEWEST


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_driver_dies_before_every_change_of_the_disk(drivers: ForkedDrivers, origin: Path) -> None:
    number = 0
    while die_and_go_on(drivers, origin, number):
        number += 1
    assert number > FEWEST
