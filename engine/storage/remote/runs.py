"""Runs behind a URL: what their folders link to, as one object each.

    RUNS/demo/run.json     who works on the run, and what it was: config, a folder of the store for each entry, which
                           entries are still those of an earlier config, and which run of a tracker it is
    RUNS/demo/status.json  how far it is, as its driver said last; starting.json: before it has begun
    RUNS/latest.json       which run finished last

In: run folders on this disk, whose links lead into the store of the cache. Out: the same folders on another one. The
claim on a run and what it links to are one object, so that a driver that has lost its run cannot change it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.storage.files import make_folder
from engine.storage.remote.address import require_inside
from engine.storage.remote.cache import Cache
from engine.storage.remote.claims import Claim, HeldError, Lease, to_stderr
from engine.storage.remote.objects import Objects
from engine.storage.remote.tracking_notes import check_tracking, is_whole, read_tracking, restore_tracking
from engine.storage.run_folders import (
    FORMAT,
    begin_run,
    config_file,
    end_run,
    is_run,
    link,
    note_earlier,
    read_earlier,
    remove_if_empty,
)
from engine.storage.store import EVERY_NOUN

RUN = "run.json"
"""The name of a run's object, below that of the run."""
LATEST = "latest"
STATUS, STARTING = "status.json", "starting.json"
"""What drivers say of a run, beside its object: since its folder is theirs, and before."""


class RunClaim:
    """The claim on a run, while the block of its `with` lasts. `take` makes it.

    Args:
        claim: the claim.
        objects: below `runs_dir`.
        name: of the run, below `runs_dir`.
        cache: where its folder lies.
        warn: is told that something could not be noted in the end.
    """

    def __init__(
        self, claim: Claim, objects: Objects, name: str, cache: Cache, *, warn: Callable[[str], None] = to_stderr
    ) -> None:
        self._claim, self._objects, self._name, self._cache, self._warn = claim, objects, name, cache, warn
        self._is_starting = self._has_warned = False

    @classmethod
    def take(cls, objects: Objects, name: str, cache: Cache, lease: Lease) -> RunClaim:
        """Claims a run, whether it is there or not.

        Raises:
            UserError: another driver works on it, another version wrote it, or it is damaged.
        """
        where = objects.url(name)
        try:
            claim = Claim.take(objects, f"{name}/{RUN}", cache.holder, lease)
        except HeldError as held:
            host, process, _ = held.holder.split("/")
            what = f"another synthmill is working on this run (process {process} on {host})"
            remedy = f"wait for it, or, if it was killed, for {held.seconds:.0f} s; or give this one its own run_dir"
            raise UserError(what, where=where, remedy=remedy) from held
        try:
            check_content(claim.content, where)
        except BaseException:
            claim.end(claim.content)
            raise
        return cls(claim, objects, name, cache, warn=lease.warn)

    def __enter__(self) -> RunClaim:
        self._claim.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Gives the claim back, and with it notes what the tracker was told; the run has ended as it has."""
        told: dict[str, Any] | None = None
        try:
            told = self._told_since()
        except Exception as failure:  # files of a tracker, which may be damaged, and a disk that fails
            self._warn_of_tracker(f"{self._cache.runs_dir / self._name / 'tracking'}: {_in_words(failure)}")
        finally:
            if told is None:
                self._claim.__exit__(*error)
            else:
                self._end_with(told)

    def _told_since(self) -> dict[str, Any] | None:
        """Returns what the tracker has been told by the end, if that is news: it is closed behind the last commit."""
        tracking = read_tracking(self._cache.runs_dir / self._name)
        is_news = self._claim.content is not None and tracking != self._claim.content.get("tracking", {})
        return tracking if is_news else None

    def _end_with(self, tracking: dict[str, Any]) -> None:
        self._claim.write_last({**self._claim.content, "tracking": tracking})
        try:
            self._claim.__exit__(None, None, None)
        except UserError as failure:
            self._warn_of_tracker(str(failure))

    def _warn_of_tracker(self, why: str) -> None:
        self._warn(f"what the tracker was told is not noted, and another machine may tell it again: {why}")

    def restore(self) -> None:
        """Makes the run's folder on this disk what it was on the last one, if there was any.

        Raises:
            UserError: a file of its tracker is damaged, which every commit would meet.
        """
        check_tracking(self._cache.runs_dir / self._name)
        if self._claim.content is not None:
            run_dir = restore_run(self._claim.content, self._cache)
            restore_tracking(run_dir, self._claim.content.get("tracking", {}))

    def save(self) -> None:
        """Commits what the run's folder links to, and which run of a tracker it is, as far as that can be read."""
        run_dir = self._cache.runs_dir / self._name
        config = config_file(run_dir).read_text(encoding="utf-8")
        links, earlier = dict(_links(run_dir, self._cache.store.root)), read_earlier(run_dir)
        content = {"format": FORMAT, "name": self._name, "config": config, "links": links, "earlier": earlier}
        self._claim.write({**content, "tracking": self._tracking()})

    def _tracking(self) -> dict[str, Any]:
        """Reads what the tracker was told; where files are damaged by now, that is said once, and the last stays."""
        try:
            return read_tracking(self._cache.runs_dir / self._name)
        except UserError as failure:
            if not self._has_warned:
                self._warn_of_tracker(str(failure))
            self._has_warned = True
            before: dict[str, Any] = (self._claim.content or {}).get("tracking", {})
            return before

    def say(self, said: Mapping[str, Any], *, has_begun: bool) -> None:
        """Leaves beside the run what its driver says of it, unless a later driver has said something.

        Args:
            said: as JSON values; nothing takes back what was said before the run had begun.
            has_begun: whether it has.
        """
        starting = f"{self._name}/{STARTING}"
        if said:
            key = f"{self._name}/{STATUS}" if has_begun else starting
            there = self._objects.read(key)
            if there is None or json.loads(there.body)["fence"] <= self._claim.fence:
                content = {"fence": self._claim.fence, **said}
                self._objects.put(key, json.dumps(content).encode())
                self._is_starting |= not has_begun
        if self._is_starting and (has_begun or not said):
            self._objects.delete([starting])
            self._is_starting = False

    def save_as_latest(self) -> None:
        """Notes that the run finished last."""
        self._objects.put(f"{LATEST}.json", json.dumps({"name": self._name}).encode())


def restore_run(content: Any, cache: Cache) -> Path:
    """Makes the folder of a run on this disk; the folders of the store that it links to need not be there.

    What is here of another state of the run, and was not committed as this one, is no part of it: its links go.

    Args:
        content: what was committed of it.
        cache: where.
    """
    for name in (content["name"], *content["links"], *content["links"].values()):
        require_inside(name, where=content["name"])
    run_dir: Path = cache.runs_dir / content["name"]
    make_folder(run_dir, where=f"SYNTHMILL_CACHE={cache.path}")
    begin_run(run_dir, content["config"])
    _drop_others(run_dir, content["links"], cache.store.root)
    for part in sorted({(run_dir / entry).parent for entry in content["links"]} - {run_dir}):
        make_folder(part, where=str(run_dir))  # each part of a run is a run folder itself
        begin_run(part, content["config"])
    for entry, folder in content["links"].items():
        link((run_dir / entry).parent, Path(entry).name, cache.store.root / folder)
    note_earlier(run_dir, content.get("earlier", ()))  # runs that older versions committed have none
    return run_dir


def _in_words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _drop_others(run_dir: Path, links: Collection[str], store: Path) -> None:
    """Removes links of a run, and whole parts of it, that are not among those that were committed."""
    for entry in [entry for entry, _ in _links(run_dir, store) if entry not in links]:
        (run_dir / entry).unlink()
    kept = {(run_dir / entry).parent for entry in links}
    for folder in [folder for folder in run_dir.iterdir() if folder.is_dir() and not folder.is_symlink()]:
        for part in [part for part in folder.iterdir() if is_run(part) and part not in kept]:
            end_run(part)
        remove_if_empty(folder)


def check_content(content: Any, where: str) -> None:
    """Refuses what another version wrote, and what is damaged; nothing at all is fine.

    Args:
        content: what was committed of a run.
        where: the URL of the run.

    Raises:
        UserError: it is not what `RunClaim.save` writes.
    """
    if content is None:
        return
    written = content.get("format") if isinstance(content, dict) else None
    if isinstance(written, int) and written != FORMAT:
        what = f"was written by another version of synthmill (format {written}, this one writes {FORMAT})"
        remedy = "name a new run_dir, or continue with the version that wrote it"
        raise UserError(what, where=where, remedy=remedy)
    if damaged := _damaged(content) if isinstance(written, int) else "format":
        what = f"is damaged: {RUN} has no {damaged!r} that synthmill wrote"
        remedy = "bring the object back, or delete it: what is made already is found in the store"
        raise UserError(what, where=where, remedy=remedy)


def _damaged(content: Mapping[str, Any]) -> str:
    """Returns the name of a value that has not the form of what `RunClaim.save` writes; empty: all of them have it."""
    links, earlier = content.get("links"), content.get("earlier", [])
    are_whole = {
        "name": isinstance(content.get("name"), str),
        "config": isinstance(content.get("config"), str),
        "links": isinstance(links, dict) and all(isinstance(folder, str) for folder in links.values()),
        "earlier": isinstance(earlier, list) and all(isinstance(entry, str) for entry in earlier),
        "tracking": is_whole(content.get("tracking", {})),
    }
    return next((name for name, is_so in are_whole.items() if not is_so), "")


def _links(run_dir: Path, store: Path) -> Iterator[tuple[str, str]]:
    """Gives the entries of a run folder and of its parts that lead to steps in the store, and where they lead there."""
    store = store.resolve()
    for parent, folders, files in os.walk(run_dir):  # which does not follow links
        for entry in sorted(Path(parent, name) for name in (*folders, *files)):  # a link to what is not here is a file
            folder = entry.resolve()
            if entry.is_symlink() and folder.parent.parent == store and folder.parent.name in EVERY_NOUN:
                yield entry.relative_to(run_dir).as_posix(), folder.relative_to(store).as_posix()
