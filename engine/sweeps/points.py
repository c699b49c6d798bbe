"""A point of a sweep: what it is told, where its run folder lies, and whether it is finished.

In: overrides, and a composed config. Out: a Point. Whether one is finished is asked of the store, so that a point
whose documents or code have changed since is made again, and no list of a sweep can say otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.pipeline.inputs import with_inputs_here
from engine.run import run_folder, wanted_steps
from engine.runtime.secrets import redacted
from engine.storage.digests import digest
from engine.storage.remote.address import is_url
from engine.storage.remote.opening import below
from engine.storage.run_folders import LONGEST_NAME_BYTES
from engine.storage.store import Store, is_done

Compose = Callable[[Sequence[str]], RunConfig]
"""Composes the config of a run from overrides, and refuses wrong ones with a UserError."""

FOLDER = "sweeps"
"""The folder of all sweeps, below `runs_dir`."""


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        label: what tells it from the others, for people: its overrides, without secrets.
        arguments: all that the command is given.
        run_dir: its run folder.
        after: run folders of points that were told to end, and may hold a GPU until they have.
    """

    label: str
    arguments: tuple[str, ...]
    run_dir: Path
    after: tuple[Path, ...] = ()

    @property
    def log_file(self) -> Path:
        """What the run says, beside its folder, which is the run's alone."""
        return self.run_dir.with_name(f"{self.run_dir.name}.log")

    @property
    def lock_file(self) -> Path:
        """The file that is locked by whoever runs the point; its name is short, however long that of the point is."""
        return self.run_dir.with_name(f".{digest(self.run_dir.name)}.point.lock")


def grid_folder(run_dir: str, runs_dir: str, name: str, overrides: str) -> str:
    """Returns the run folder of a point of a grid, or its URL, below `run_dir` where that is set.

    Args:
        run_dir: as configured; empty: a folder of the run's name below `runs_dir/sweeps`.
        runs_dir: as configured.
        name: as configured.
        overrides: those of the point, as Hydra joins them to one name. Where the name of a folder cannot have all of
            them (a slash, a secret, too many bytes), a hash of them ends it, so that each point has its own.
    """
    return below(run_dir or below(runs_dir, FOLDER, name), _folder_name(overrides))


def _folder_name(overrides: str) -> str:
    name = redacted(overrides).replace("/", "_")
    encoded = os.fsencode(name)
    if name == overrides and len(encoded) <= LONGEST_NAME_BYTES:
        return name
    ending = f"-{digest(overrides)}"
    return encoded[: LONGEST_NAME_BYTES - len(ending)].decode(errors="ignore") + ending


def require_path_here(runs_dir: str, otherwise: str = "") -> None:
    """Refuses a URL where points are watched by their folders, locks and logs on this disk.

    Args:
        runs_dir: the folder.
        otherwise: another remedy than a folder, which is named before it.

    Raises:
        UserError: it is one.
    """
    if is_url(runs_dir):
        remedy = f"{otherwise}name a folder that all nodes see"
        raise UserError("points of a sweep are watched on this disk", where=f"runs_dir={runs_dir}", remedy=remedy)


def goes_on(config: RunConfig) -> bool:
    """Tells whether the trainings that a run folder links to, finished or not, are those that its run would make now.

    They are not where documents, settings or code have changed since. A run without any goes on.
    """
    config = with_inputs_here(config)
    run_dir = run_folder(config)
    trained = {run_dir / step.entry: step.fingerprint for step in wanted_steps(config) if step.noun == "model"}
    return all(link.readlink().name == fingerprint for link, fingerprint in trained.items() if link.is_symlink())


def is_finished(config: RunConfig) -> bool:
    """Tells whether a run would find each of its steps made and linked, so that it need not be started.

    One that publishes is started each time: what is on the hub is not known here.
    """
    output = config.samples.output
    if config.preview or config.publish or (output and not Path(output).expanduser().exists()):
        return False
    config = with_inputs_here(config)
    store = Store(Path(config.runs_dir).expanduser().absolute() / "store")
    chosen, run_dir = wanted_steps(config), run_folder(config)
    if not all(is_done(store.folder(step.noun, step.fingerprint)) for step in chosen):
        return False
    entries = {step.entry: store.folder(step.noun, step.fingerprint) for step in chosen}  # of rounds the last one stays
    return all((run_dir / entry).resolve() == folder.resolve() for entry, folder in entries.items())
