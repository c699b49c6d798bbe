"""A disk that is shared through nothing: what is there is all there is."""

from pathlib import Path

from engine.storage.shared_parts import SharedParts
from engine.storage.sharing import Sharing, Unshared
from engine.storage.store import StepRecord, finish


def test_a_disk_answers_for_itself(tmp_path: Path) -> None:
    shared: Sharing = Unshared(tmp_path)
    folder = tmp_path / "store" / "documents" / "ab"
    folder.mkdir(parents=True)
    record = StepRecord("documents", "ab", {}, {}, 1.0, 1, {"passages": 3})
    assert not shared.has(folder)
    with shared.holding_run(tmp_path / "run"), shared.producing(folder, lambda: None):
        finish(folder, record)
    shared.fetch(folder)
    shared.save_run()
    shared.end_run()
    shared.make_room(0)
    assert shared.has(folder)
    assert shared.record(folder) == record
    assert shared.here == ""
    parts: SharedParts | None = shared.parts(folder)
    assert parts is None
