"""The status of a run behind a URL: put beside its claim now and then, and at last; nothing that fails ends the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.place import Place
from engine.storage.remote.store import RemoteStore
from engine.storage.run_folders import begin_run
from engine.watch.config import WatchConfig
from engine.watch.monitor import Monitor
from engine.watch.shared import SharedStatus
from tests.support.object_store import Bucket
from tests.support.places import printed, quiet_place
from tests.support.waiting import wait_until

NOW_AND_THEN = 0.05


@contextmanager
def driving(bucket: Bucket, folder: Path) -> Iterator[tuple[Place, Monitor]]:
    """A start of a run, as `run` nests what watches it."""
    store = RemoteStore(bucket.url)
    place = replace(quiet_place(folder), run_dir=store.runs_dir / "demo", store_dir=store.runs_dir / "store")
    place = replace(place, sharing=store)
    with (
        SharedStatus(place, NOW_AND_THEN).until_the_end(),
        Monitor(WatchConfig(every_seconds=1), place, []).watching() as monitor,
        store.holding_run(place.run_dir),
    ):
        yield place, monitor


def said(bucket: Bucket, name: str = "status.json") -> dict[str, Any] | None:
    document = bucket.objects().read(f"demo/{name}")
    return json.loads(document.body) if document else None


def state(bucket: Bucket, name: str = "status.json") -> str:
    return str((said(bucket, name) or {"status": {"state": ""}})["status"]["state"])


def test_it_is_there_while_the_run_starts_while_it_goes_on_and_when_it_has_ended(
    bucket: Bucket, tmp_path: Path
) -> None:
    with driving(bucket, tmp_path) as (place, monitor):
        wait_until(lambda: state(bucket, "starting.json") == "running", "what it says before it has begun")
        assert said(bucket) is None
        begin_run(place.run_dir, "samples: {price_per_cpu_hour: 1.0}")
        monitor.begin()
        wait_until(lambda: state(bucket) == "running", "what it says then")
    assert state(bucket) == "finished"
    assert said(bucket, "starting.json") is None
    assert (said(bucket) or {})["made"] is None, "it has generated nothing"


def test_how_a_start_ends_is_said_last_unless_it_never_began(bucket: Bucket, tmp_path: Path) -> None:
    def start(error: BaseException | None, *, begins: bool = True) -> None:
        with driving(bucket, tmp_path) as (place, monitor):
            if begins:
                begin_run(place.run_dir, "")
                monitor.begin()
            else:
                wait_until(lambda: said(bucket, "starting.json"), "what it says before it has begun")
            if error:
                raise error

    start(None)
    with pytest.raises(UserError):
        start(UserError("is refused", where="input", remedy="mend it"), begins=False)
    assert (state(bucket), said(bucket, "starting.json")) == ("finished", None)
    with pytest.raises(KeyboardInterrupt):
        start(KeyboardInterrupt())
    assert state(bucket) == "interrupted"


def test_a_store_that_does_not_answer_ends_no_run_and_is_told_of_once(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def away(_store: RemoteStore, *_: Any, **__: Any) -> None:
        asked.append("")
        raise UserError("does not answer", where=bucket.url, remedy="try again")

    monkeypatch.setattr(RemoteStore, "share_status", away)
    with driving(bucket, tmp_path) as (place, monitor):
        begin_run(place.run_dir, "")
        monitor.begin()
        wait_until(lambda: len(asked) > 5, "several tries")
    warned = printed(place)
    assert warned.count("cannot be shared now") == 1
    assert "does not answer" in warned


def test_a_folder_is_watched_in_its_place(tmp_path: Path) -> None:
    place = quiet_place(tmp_path)
    with SharedStatus(place, NOW_AND_THEN).until_the_end():
        pass
    assert list(tmp_path.iterdir()) == []
