"""The store of step outputs behind a URL: folders are made on this disk, and committed as objects.

    RUNS/store/samples/3f2a.../claim.json      who makes it; then the manifest: the files, and the step's record
    RUNS/store/samples/3f2a.../files/          what the manifest names (engine/storage/remote/folders.py)
    RUNS/store/samples/3f2a.../open/           samples that are being written (engine/storage/remote/parts.py)

A committed folder keeps the last entry of `open/manifest`, by which a driver that slept meanwhile is turned away.

In: folders on this disk. Out: the same folders behind the URL, and back. A folder is there if and only if its manifest
is, which one conditional write puts in the place of the claim (engine/storage/remote/claims.py); what it names is there
before. So no kill leaves half a folder, and of two drivers that both believe they make it one commits. Nothing is
renamed.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import BrokenInvariantError, UserError
from engine.storage.files import write_text
from engine.storage.remote.address import read_address
from engine.storage.remote.cache import forget_shared, is_copy_of, make_room, note_shared, open_cache
from engine.storage.remote.claims import (
    LEASE_SECONDS,
    Claim,
    HeldError,
    Lease,
    LostClaimError,
    read_state,
    to_stderr,
)
from engine.storage.remote.folders import RemoteFolder
from engine.storage.remote.objects import require_conditions
from engine.storage.remote.parts import RemoteParts
from engine.storage.remote.runs import RunClaim
from engine.storage.remote.stores import objects_at
from engine.storage.store import StepRecord, holding, is_done, read_record
from engine.storage.typed import from_json_values, to_json_values

Manifest = Mapping[str, Any]
"""`files`: SHA-256 and bytes of each, by its path in the folder; `record`: the content of record.json."""
_CLAIM = "claim.json"
_IN_PARTS = "samples"
"""The noun of what is shared in parts while it is made."""
_PROBE = "store/.conditions"
_LOOK_SECONDS = 2.0
"""How often to look whether another driver has finished a folder."""


class RemoteStore:
    """The place that finished folders are shared through where `runs_dir` is a URL; see `Sharing`.

    Args:
        url: `runs_dir`, as the user wrote it.
        lease_seconds: how long claims last without being renewed.
        warn: is told that a claim could not be renewed, or is lost.

    Raises:
        UserError: the URL is wrong, or the store behind it cannot be used.
    """

    def __init__(self, url: str, lease_seconds: float = LEASE_SECONDS, warn: Callable[[str], None] = to_stderr) -> None:
        self.objects = objects_at(read_address(url, where=f"runs_dir={url}"))
        self.cache = open_cache(str(self.objects.address))
        self.runs_dir = self.cache.runs_dir
        self._lease = Lease(lease_seconds, warn)
        self._known: dict[Path, Manifest] = {}
        self._unclean: set[Path] = set()
        """Committed folders whose driver had not given their claims back when they were looked at."""
        self._run: RunClaim | None = None
        self._last_run: RunClaim | None = None
        """The one that is held, or was until now: it ends before all is said of it."""

    def check(self) -> None:
        """Asks the store for something, and once for each cache tries whether it honours conditional writes.

        Raises:
            UserError: it does not, or it cannot be used at all.
        """
        tried = self.cache.path / "conditions"
        if tried.exists():
            self.objects.read(_PROBE)  # whether bucket, credentials and network are there
        else:
            require_conditions(self.objects, f"{_PROBE}-{self.here}")
            write_text(tried, "If-Match and If-None-Match were honoured\n")

    @property
    def here(self) -> str:
        """Returns what tells this cache from others."""
        return self.cache.holder.rpartition("/")[2]

    def has(self, folder: Path) -> bool:
        """Tells whether a folder is committed; deletes what others have left there before its commit or after it."""
        manifest = self._manifest(folder)
        if manifest is not None and folder in self._unclean:
            self._unclean.remove(folder)
            self._clean(folder, manifest)
        return manifest is not None

    def _clean(self, folder: Path, manifest: Manifest) -> None:
        """Deletes leftovers unless another driver is at it; what is committed can be read whether or not that works."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.suppress(BlockingIOError, HeldError), holding(folder), self._take(folder) as claim:
                self._delete_leftovers(claim, folder, manifest)
        except UserError as error:  # these credentials may be allowed to read only
            self._warn_of_leftovers(folder, error)

    def record(self, folder: Path) -> StepRecord:
        """Reads what made a committed folder, without fetching it."""
        manifest = self._manifest(folder)
        return read_record(folder) if manifest is None else from_json_values(StepRecord, manifest["record"])

    def fetch(self, folder: Path) -> None:
        """Brings a committed folder to this disk, unless it is there as it was committed."""
        manifest = self._manifest(folder)
        if manifest is None or is_copy_of(folder, manifest):
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        with self.cache.store.producing(folder, keep=True):
            self._fetch(folder, manifest)

    @contextlib.contextmanager
    def producing(self, folder: Path, on_wait: Callable[[], None], /) -> Iterator[None]:
        """Holds the claim on a folder, and commits it when the block ends; one that is committed already is fetched.

        Raises:
            LostClaimError: another driver has taken over, since this one was not heard of.
        """
        with self._claim(folder, on_wait) as claim:
            if claim.content is not None:
                self._fetch(folder, claim.content)
                self._delete_leftovers(claim, folder, claim.content)
                yield
            else:
                yield
                self._commit(claim, folder)

    def parts(self, folder: Path, /) -> RemoteParts:
        """Returns what a samples folder is shared through until it is committed."""
        return RemoteParts(self.objects, self._key(folder), folder)

    @contextlib.contextmanager
    def holding_run(self, run_dir: Path, /) -> Iterator[None]:
        """Holds the claim on a run, whose folder here is what it was on the last machine.

        Raises:
            UserError: another driver works on it.
        """
        name = run_dir.relative_to(self.runs_dir).as_posix()
        with RunClaim.take(self.objects, name, self.cache, self._lease) as run:
            run.restore()
            self._run = self._last_run = run
            yield
            self._run = None

    def save_run(self) -> None:
        """Commits what the folder of the run links to."""
        self._held_run().save()

    def end_run(self) -> None:
        """Commits that the run finished last."""
        self._held_run().save()
        self._held_run().save_as_latest()

    def share_status(self, said: Mapping[str, Any], *, has_begun: bool) -> None:
        """Puts beside the claim on the run how far it is."""
        if self._last_run is not None:
            self._last_run.say(said, has_begun=has_begun)

    def make_room(self, keep_bytes: int) -> None:
        """Removes committed folders from this disk that were not used for the longest time."""
        make_room(self.cache, keep_bytes)

    def _held_run(self) -> RunClaim:
        if self._run is None:
            raise BrokenInvariantError("no run is held")
        return self._run

    def _manifest(self, folder: Path) -> Manifest | None:
        """Reads the manifest of a folder; what was committed once stays as it is."""
        if folder not in self._known:
            state = read_state(self.objects, f"{self._key(folder)}/{_CLAIM}")
            if state.content is None:
                return None
            self._known[folder] = state.content
            if state.holder or self._has_late_parts(folder, state.content):
                self._unclean.add(folder)
        return self._known[folder]

    def _has_late_parts(self, folder: Path, manifest: Manifest) -> bool:
        """Tells whether an engine of a driver that was lost has sent parts since the folder was committed."""
        return manifest["record"]["noun"] == _IN_PARTS and self._remote(folder).has_parts()

    def _key(self, folder: Path) -> str:
        return folder.relative_to(self.runs_dir).as_posix()

    def _claim(self, folder: Path, on_wait: Callable[[], None]) -> Claim:
        has_told = False
        while True:
            try:
                return self._take(folder)
            except HeldError as held:
                if not has_told:
                    on_wait()
                has_told = True
                time.sleep(min(max(held.seconds, 0.0), _LOOK_SECONDS))

    def _take(self, folder: Path) -> Claim:
        return Claim.take(self.objects, f"{self._key(folder)}/{_CLAIM}", self.cache.holder, self._lease)

    def _commit(self, claim: Claim, folder: Path) -> None:
        """Writes the files of a finished folder, and then the manifest in the place of the claim.

        The claim is given back last: while it is held, whoever reads the manifest knows that leftovers may be there.
        """
        if not is_done(folder):
            raise BrokenInvariantError(f"{folder} is to be committed and is not finished")
        claim.check()
        files, useless = self._remote(folder).send()
        # As it is read back, where a pair is a list: notes of what is here compare hashes.
        manifest = json.loads(json.dumps({"files": files, "record": to_json_values(read_record(folder))}))
        claim.write(manifest)
        self._known[folder] = manifest
        note_shared(folder, manifest)
        # Only now is it sure that nobody else was writing here. Whatever fails from here on, the folder is committed.
        try:
            self.objects.delete(useless)
            claim.end(manifest)
        except LostClaimError:
            pass  # that took too long, and another one deletes the same
        except UserError as error:
            claim.leave()
            self._warn_of_leftovers(folder, error)

    def _delete_leftovers(self, claim: Claim, folder: Path, manifest: Manifest) -> None:
        try:
            self.objects.delete(self._remote(folder).leftovers(manifest["files"]))
        except UserError as error:
            claim.leave()
            self._warn_of_leftovers(folder, error)

    def _warn_of_leftovers(self, folder: Path, error: UserError) -> None:
        where = self.objects.url(self._key(folder))
        self._lease.warn(
            f"{where} is whole, and what is left there of earlier attempts stays for the next start: {error}"
        )

    def _fetch(self, folder: Path, manifest: Manifest) -> None:
        """Puts a committed folder in the place of whatever is here; this process has the right to the folder."""
        self._known[folder] = manifest
        if not is_copy_of(folder, manifest):
            self._remote(folder).fetch(manifest["files"], before=lambda: forget_shared(folder))
            note_shared(folder, manifest)

    def _remote(self, folder: Path) -> RemoteFolder:
        return RemoteFolder(self.objects, self._key(folder), folder)
