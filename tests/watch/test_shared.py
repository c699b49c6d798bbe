"""The status of a run behind a URL: put beside its claim now and then, and at last; nothing that fails ends the run."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.place import Place
from engine.storage.remote.claims import read_state
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
    assert "cannot show how this start has ended: UserError: " in warned
    assert "does not answer" in warned


def drive_until_interrupted(bucket: Bucket, folder: Path, away: threading.Event) -> Place:
    with contextlib.suppress(KeyboardInterrupt), driving(bucket, folder) as (place, monitor):
        begin_run(place.run_dir, "")
        monitor.begin()
        wait_until(lambda: state(bucket) == "running", "what it says")
        away.set()
        raise KeyboardInterrupt
    return place


def test_a_store_that_does_not_answer_does_not_hold_the_end_of_a_run(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.storage.remote.last_words.LAST_SECONDS", 0.1)
    share, away, answers, answered = RemoteStore.share_status, threading.Event(), threading.Event(), list[bool]()

    def share_late(store: RemoteStore, said: Any, *, has_begun: bool) -> None:
        if away.is_set():
            answered.append(answers.wait(10))
        share(store, said, has_begun=has_begun)

    monkeypatch.setattr(RemoteStore, "share_status", share_late)
    place = drive_until_interrupted(bucket, tmp_path, away)
    assert answered == [], "the run has ended, and the store has not answered"
    assert "cannot show how this start has ended: the store does not answer" in printed(place)
    assert read_state(bucket.objects(), "demo/run.json").holder == ""
    answers.set()
    wait_until(lambda: state(bucket) == "interrupted", "what it says late")


def test_how_a_run_ended_is_said_before_samples_are_looked_at(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.storage.remote.last_words.LAST_SECONDS", 1.0)
    looks, enough, has_looked = threading.Event(), threading.Event(), list[bool]()

    def look_for_long(_run_dir: Path) -> None:
        looks.set()
        has_looked.append(enough.wait(10))

    with driving(bucket, tmp_path) as (place, monitor):
        begin_run(place.run_dir, "")
        monitor.begin()
        wait_until(lambda: state(bucket) == "running", "what it says")
        monkeypatch.setattr("engine.watch.shared.kept_so_far", look_for_long)
        wait_until(looks.is_set, "that it looks for how much is kept")
    assert (state(bucket), has_looked) == ("finished", []), "other threads still look at samples"
    assert "cannot show" not in printed(place)
    enough.set()


def test_a_folder_is_watched_in_its_place(tmp_path: Path) -> None:
    place = quiet_place(tmp_path)
    with SharedStatus(place, NOW_AND_THEN).until_the_end():
        pass
    assert list(tmp_path.iterdir()) == []
