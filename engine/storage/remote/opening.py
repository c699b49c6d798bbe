"""From what a user wrote to a folder on this disk: `runs_dir`, `run_dir`, and the runs that commands read.

In: paths or URLs. Out: folders here, and what they are shared through. No module but this one asks which of the two it
was.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.storage.files import locked
from engine.storage.remote.address import Address, is_address, is_url, read_address
from engine.storage.remote.cache import cache_path
from engine.storage.remote.claims import State, look_at, read_state, to_stderr
from engine.storage.remote.objects import Objects
from engine.storage.remote.runs import LATEST, RUN, STARTING, STATUS, check_content, restore_run
from engine.storage.remote.store import RemoteStore
from engine.storage.remote.stores import objects_at
from engine.storage.run_folders import lock_file
from engine.storage.sharing import Sharing, Unshared


@dataclass(frozen=True)
class RunByUrl:
    """What is known of a run behind a URL without fetching anything."""

    url: str
    """Of the run itself, also where it was named as the latest one."""
    holder: str
    """HOST/PROCESS/CACHE of who works on it; empty where nobody does."""
    age_seconds: float
    """How long ago that one was heard of, or the run was given back."""
    entries: Sequence[str]
    """What is made and linked, parts included."""
    earlier: Sequence[str] = ()
    """Those of them that are of an earlier config, until they are made anew."""
    said: Mapping[str, Any] | None = None
    """What its driver said last, as JSON values (engine/watch/shared.py); None where it has said nothing yet."""
    said_seconds: float = 0.0
    """How long ago that was, by the clock of the store."""


def open_sharing(runs_dir: str, warn: Callable[[str], None] = to_stderr) -> Sharing:
    """Opens what the folders below `runs_dir` are shared through; `warn` is told what endangers a run on the way.

    Raises:
        UserError: the store behind a URL cannot be used.
    """
    if not is_url(runs_dir):
        return Unshared(runs_dir_here(runs_dir))
    store = RemoteStore(runs_dir, warn=warn)
    store.check()
    return store


def runs_dir_here(runs_dir: str) -> Path:
    """Returns where runs and their store lie on this disk.

    Raises:
        UserError: a URL is wrong.
    """
    if not is_url(runs_dir):
        return Path(runs_dir).expanduser().absolute()
    return cache_path(str(read_address(runs_dir, where=f"runs_dir={runs_dir}"))) / "runs"


def run_dir_here(run_dir: str, runs_dir: str) -> Path:
    """Returns where a run lies on this disk that has a `run_dir` of its own.

    Raises:
        UserError: the run and its store would not lie in one place.
    """
    if not is_url(run_dir) and not is_url(runs_dir):
        return Path(run_dir).expanduser().absolute()
    where = f"run_dir={run_dir}"
    above = read_address(runs_dir, where=where) if is_url(runs_dir) else None
    name = above.way_to(read_address(run_dir, where=where)) if above and is_url(run_dir) else ""
    if name == LATEST:
        remedy = "name the run itself, such as URL/NAME; commands that read a run take URL/latest"
        raise UserError("stands for whichever run finished last", where=where, remedy=remedy)
    if not name:
        what = f"does not lie below runs_dir={runs_dir}, where its steps lie"
        raise UserError(what, where=where, remedy="set runs_dir=URL and run_dir=URL/NAME, or neither to a URL")
    return runs_dir_here(runs_dir) / name


def below(runs_dir: str, *names: str) -> str:
    """Returns a path, or a URL, below `runs_dir`."""
    return "/".join((runs_dir.rstrip("/"), *names)) if is_url(runs_dir) else str(Path(runs_dir, *names))


def fetch_run(run: str) -> str:
    """Brings a run that a command reads to this disk, with the folders that it links to, where it was named by its URL.

    Args:
        run: as a user typed it.

    Returns:
        Its folder here; a path as it is.

    Raises:
        UserError: there is no run behind the URL, or it is damaged.
    """
    if not is_address(run):
        return run
    address = _address_of_run(run)
    objects = objects_at(address)
    content = read_state(objects, RUN).content
    if content is None:
        raise _no_run(run)
    check_content(content, str(address))
    runs_dir = address.at(address.prefix.removesuffix(content["name"]).rstrip("/"))
    store = RemoteStore(str(runs_dir))
    run_dir = store.runs_dir / content["name"]
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    # Where a driver works on it here, what it has linked by now is in its folder already. One that starts meanwhile
    # waits for this moment, since the lock is shared (`locked`), and other commands wait for the lock of the cache.
    with (
        locked(store.cache.path / ".lock", wait=True),
        contextlib.suppress(BlockingIOError),
        locked(lock_file(run_dir), wait=False, shared=True),
    ):
        content = read_state(objects, RUN).content or content  # whoever held the locks may have changed it
        check_content(content, str(address))
        restore_run(content, store.cache)
    for folder in sorted(set(content["links"].values())):
        store.fetch(store.cache.store.root / folder)
    return str(run_dir)


def look_at_run(url: str) -> RunByUrl:
    """Tells who works on a run behind a URL, what of it is made, and what its driver said last.

    Raises:
        UserError: there is no run behind the URL, or what is known of it is damaged.
    """
    address = _address_of_run(url)
    state, age_seconds = look_at(objects_at(address), RUN)
    if state.content is None and not state.holder:
        raise _no_run(url)
    check_content(state.content, str(address))
    content = state.content or {}
    entries, earlier = sorted(content.get("links", ())), sorted(content.get("earlier", ()))
    return RunByUrl(str(address), state.holder, age_seconds, entries, earlier, *_said_of(objects_at(address), state))


def _said_of(objects: Objects, state: State) -> tuple[Mapping[str, Any] | None, float]:
    """Reads what was said last by the driver that works on a run, or, where nobody does, by the last one that began."""
    for name in (STATUS, STARTING) if state.holder else (STATUS,):
        there = objects.read(name)
        said = _object_of(there.body, objects.url(name), "fence") if there else {}
        if there and (not state.holder or said["fence"] == state.fence):
            return said, there.age_seconds
    return None, 0.0


def _address_of_run(run: str) -> Address:
    """Reads the URL of a run; that of the latest one leads to the run that it stands for."""
    address = read_address(run, where=run)
    parent, _, last = address.prefix.rpartition("/")
    objects = objects_at(address.at(parent))
    if last == LATEST and (latest := objects.read(file := f"{LATEST}.json")):
        return address.at(parent).below(str(_object_of(latest.body, objects.url(file), "name")["name"]))
    return address


def _object_of(body: bytes, where: str, key: str) -> dict[str, Any]:
    """Reads a small object that a driver left beside runs.

    Raises:
        UserError: it is damaged, or lacks what is asked of it.
    """
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or key not in said:
        remedy = "delete it: the next run to go on there writes it anew"
        raise UserError(f"is damaged: it has no {key!r} that synthmill wrote", where=where, remedy=remedy)
    return said


def _no_run(run: str) -> UserError:
    remedy = "name a run folder below the runs_dir that it was made with, such as s3://BUCKET/runs/latest"
    return UserError("is no run folder", where=run, remedy=remedy)
