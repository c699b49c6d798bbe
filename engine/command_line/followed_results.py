"""What was worked out beside generation and nobody reads: `synthmill clean` finds it, and removes it.

In: the store, and the step outputs that stay. Out: folders of results (engine/examples/following/results.py) whose
samples are gone or were curated long ago. The step that uses results removes them; these are of runs that ended before,
or that curate by other settings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from engine.examples.following.holding import all_results, are_used, remove_results, samples_of
from engine.examples.following.results import belongs_to
from engine.storage.store import Store, is_done, read_inputs


def find_followed(store: Store, staying: Iterable[Path], running: Collection[str]) -> list[Path]:
    """Finds the results that no run uses, or will when it goes on.

    Args:
        store: where they are.
        staying: the step outputs that stay; results about samples among them stay too, as long as these are unfinished
            or no finished examples among `staying` were made of them: a run may have ended between the two.
        running: fingerprints that running drivers use; results about them stay.
    """
    folders = [*staying]
    curated = {
        name
        for folder in folders
        if folder.parent.name == "examples" and is_done(folder)
        for name in read_inputs(folder)
    }
    samples = [folder for folder in folders if folder.parent.name == "samples"]
    going_on = [folder for folder in samples if not is_done(folder) or folder.name not in curated]
    return [
        results
        for results in all_results(store.root)
        if samples_of(results) not in running
        and not any(belongs_to(results, folder) for folder in going_on)
        and not are_used(results)
    ]


def remove_followed(followed: Iterable[Path]) -> list[Path]:
    """Removes results, but for those that a process has begun to use meanwhile; returns what is gone."""
    return [results for results in followed if remove_results(results)]
