"""What an earlier config left in a run folder: what stays until the new one is made, and what goes before.

In: the links of a run folder, the steps that the run is made of, and those that are made now. Out: links removed, and
the results that were replaced, for the person at the terminal. A report, and the system that it chose, are not taken
away for the minutes that a new one takes. Yet trace and search must not mix two runs: they stay only where everything
that they were made from stays in the folder, and a system goes with its report. A file beside them says so for as long,
since the config of the folder is the new one by then. What is made is asked of the place that folders are shared
through: behind a URL it need not be on this disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.runtime.step import PART_FOLDERS, Step
from engine.storage.run_folders import note_earlier
from engine.storage.sharing import Sharing
from engine.storage.store import EVERY_NOUN

BEFORE_RESULTS = {"documents", "rows", "prompts", "samples", "examples", "teacher"}
"""What a run makes on the way: large, and read by steps alone."""
LASTING = {"report", "system"}
"""What stays; a model does not, since what a killed training leaves is held by its link."""


class EarlierResults:
    """The finished results that a run folder has of an earlier config, and that the run makes anew.

    Links to anything else that the run is not made of are removed.

    Args:
        run_dir: the run folder.
        every: all steps that the run is made of.
        chosen: those of them that are made now.
        shared: knows which folders are made, here or elsewhere.
    """

    def __init__(self, run_dir: Path, every: Sequence[Step], chosen: Sequence[Step], shared: Sharing) -> None:
        self._run_dir = run_dir
        self._kept: dict[str, Mapping[str, str]] = {}
        valid = {step.fingerprint for step in every}
        known = {step.entry: step.fingerprint for step in every}
        remade = {step.entry for step in chosen} - BEFORE_RESULTS
        of_parts = (entry for folder in PART_FOLDERS for entry in run_dir.glob(f"{folder}/*/*"))
        replaced = []
        for entry in [*(run_dir / noun for noun in EVERY_NOUN), *of_parts]:
            if not entry.is_symlink() or entry.resolve().name in valid:
                continue
            name, folder = entry.relative_to(run_dir).as_posix(), _folder_of(entry, shared)
            if name in remade and shared.has(folder):
                replaced.append(name)
                record = shared.record(folder)
                if name in LASTING and all(known.get(key) == made for key, made in record.inputs.items()):
                    self._kept[name] = record.inputs
                    known[name] = record.fingerprint
                    continue
            entry.unlink()
        self._note()
        self.replaced: Sequence[str] = replaced
        """The entries whose results of an earlier config the run replaces, in the order in which they are made."""

    @property
    def kept(self) -> Sequence[str]:
        """Returns the entries that are still those of the earlier config."""
        return list(self._kept)

    def keeps(self, step: Step) -> bool:
        """Tells whether the entry of a step is still that of the earlier config."""
        return step.entry in self._kept

    @contextlib.contextmanager
    def making_way(self, step: Step) -> Iterator[None]:
        """Removes the results that were made from what a step replaces in the block; its own entry is left to it.

        The note on what is of the earlier config follows the block: a kill in it leaves what is true of every entry.
        """
        if not self.keeps(step):
            yield
            return
        del self._kept[step.entry]
        gone = {step.entry}
        for name, beside in list(self._kept.items()):  # in the order in which they are made from each other
            if not gone.isdisjoint(beside):
                (self._run_dir / name).unlink()
                del self._kept[name]
                gone.add(name)
        yield
        self._note()

    def _note(self) -> None:
        """Leaves a note for as long as something is of the earlier config; a kill leaves it too."""
        note_earlier(self._run_dir, list(self._kept))


def _folder_of(entry: Path, shared: Sharing) -> Path:
    """Returns the folder that an entry leads to, under the name by which its store is shared; it need not be here."""
    folder, runs_dir = entry.resolve(), shared.runs_dir
    inside = folder.is_relative_to(runs_dir.resolve())
    return runs_dir / folder.relative_to(runs_dir.resolve()) if inside else folder
