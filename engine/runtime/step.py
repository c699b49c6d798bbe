"""A step is a function, a config and its inputs; skipping, locking, recording and linking are wrapped around it here.

In: a Step. Out: its finished folder in the store, made now or found. The function itself,
`(config, inputs, output, place) -> record`, knows nothing of fingerprints. (The shape of marin's steps.)
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.runtime.identity import identity_of, source_hash
from engine.runtime.place import Place
from engine.runtime.secrets import masked
from engine.storage.digests import digest
from engine.storage.files import naming_a_full_disk, require_space
from engine.storage.in_use import other_drivers
from engine.storage.store import StepRecord, Store, finish, is_done, read_record
from engine.storage.typed import to_json_values
from engine.text.durations import format_seconds

StepFunction = Callable[[Any, Mapping[str, Path], Path, Place], object]
"""Takes a config, the folders of its inputs by name, the folder to write into, and the place; returns its record, a
frozen dataclass of engine/artifacts."""


PART_FOLDERS = ("round_0", "judge", "asked", "teaching", "sizes", "points", "given", "iterations", "stage", "measured")
"""The folders in a run folder with an entry for each part of round 0, for each question that a judge is asked about
samples, for each that a report has a model asked, for each part of what a teacher is made of, for each size of chunks,
for each point of a learning curve, for examples that were given, for each iteration of training but the last, for each
model of several, and for the measurement of each. Such a part has the shape of a run folder itself."""
ROUND_ZERO, JUDGE, ASKED, TEACHING, SIZES, POINTS, GIVEN, ITERATIONS, STAGE, MEASURED = PART_FOLDERS


@dataclass(frozen=True)
class Refusal:
    """What a user reads where a step refuses what the run made for it, in place of what the step itself would say."""

    where: str
    """The config key that asked for what is refused."""
    remedy: str


@dataclass(frozen=True)
class Step:
    """One of the seven steps of the pipeline.

    Attributes:
        noun: what it makes; the name of its folder, config group and tracking section.
        function: makes it.
        config: its part of the run's config.
        inputs: the steps whose folders it reads.
        resumable: whether `function` continues what an earlier attempt left in the folder.
        checks_input: whether it may refuse what the user gave; nothing of the run folder changes before it has passed.
        before_engines: whether engines start only when it has passed, since it reads what a user wrote for this run.
        needs_engines: whether it generates; its config is then that of the engines, which start early.
        name: what a later step knows it by; its noun, unless that step reads two of one noun.
        part_of: the folder, below that of the run, of the part that it belongs to, such as `round_0/values`; empty for
            the steps of the run itself.
        refusal: the key and the remedy that its errors name, where the usual ones would be of settings that it ignores.
    """

    noun: str
    function: StepFunction
    config: object
    inputs: tuple[Step, ...] = ()
    resumable: bool = False
    checks_input: bool = False
    before_engines: bool = False
    needs_engines: bool = False
    name: str = ""
    part_of: str = ""
    refusal: Refusal | None = None

    @property
    def key(self) -> str:
        """Returns the name under which later steps find its folder among their inputs."""
        return self.name or self.noun

    @property
    def entry(self) -> str:
        """Returns the entry of the run folder that links to its folder, as a relative path."""
        return f"{self.part_of}/{self.noun}" if self.part_of else self.noun

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hashes what the result depends on into 16 hex digits."""
        return digest(
            {
                "config": identity_of(self.config),
                "inputs": {step.key: step.fingerprint for step in self.inputs},
                "sources": source_hash(self.function.__module__),
            }
        )


def is_made(step: Step, store: Store, place: Place) -> bool:
    """Tells whether the result of a step is in the store already."""
    return place.shared.has(store.folder(step.noun, step.fingerprint))


def make(step: Step, store: Store, place: Place) -> Path:
    """Returns the finished folder of a step, running it if the store does not have it.

    A folder that was made already need not be on this disk (`place.shared.fetch`); those that a step reads are. Where
    another driver is making it, here or elsewhere, the engines of this run end before it is waited for.
    """
    folder, shared = store.folder(step.noun, step.fingerprint), place.shared
    if shared.has(folder):
        _say(step, place, f"unchanged: {describe(shared.record(folder))}")
        return folder
    inputs = {source.key: store.folder(source.noun, source.fingerprint) for source in step.inputs}
    for source in inputs.values():
        shared.fetch(source)

    with place.console.activity.making(step.entry), contextlib.ExitStack() as waiting:

        def say_so() -> None:
            who = " or ".join(other_drivers(store.root, step.fingerprint)) or "another run"
            text = f"{who} is making the same"
            _say(step, place, f"{text}; waiting for it")
            waiting.enter_context(place.console.activity.waiting(step.noun, text))
            # Whoever makes it may wait for what they hold: two drivers would wait for each other for ever.
            place.engines.release(place, "while another run makes the same")

        with store.producing(folder, keep=step.resumable, on_wait=say_so), shared.producing(folder, say_so):
            waiting.close()
            if is_done(folder):
                _say(step, place, f"made by another run: {describe(read_record(folder))}")
            else:
                _run(step, inputs, folder, place)
    return folder


def _run(step: Step, inputs: Mapping[str, Path], folder: Path, place: Place) -> None:
    require_space(folder, place.cluster.min_free_disk_bytes, "cluster.min_free_disk_bytes")
    started = time.monotonic()
    with naming_a_full_disk(folder):
        values = to_json_values(_call(step, inputs, folder, place))
        record = _record(step, values, time.monotonic() - started, place)
        finish(folder, record)
    lineage = {"fingerprint": record.fingerprint, "inputs": dict(record.inputs)}
    place.tracker.summary(step.entry, {**values, "seconds": record.seconds, **lineage})
    _say(step, place, f"{describe(record)} in {format_seconds(time.monotonic() - started)}")


def _call(step: Step, inputs: Mapping[str, Path], folder: Path, place: Place) -> object:
    try:
        return step.function(step.config, inputs, folder, place)
    except UserError as error:
        if step.refusal is None:
            raise
        raise UserError(error.what, where=step.refusal.where, remedy=step.refusal.remedy) from error


def _record(step: Step, values: Mapping[str, Any], seconds: float, place: Place) -> StepRecord:
    config = identity_of(step.config)
    assert isinstance(config, Mapping), "a step's config is a dataclass"
    return StepRecord(
        noun=step.noun,
        fingerprint=step.fingerprint,
        inputs={source.key: source.fingerprint for source in step.inputs},
        config=masked(config),  # the fingerprint holds what is masked, as a hash
        seconds=round(seconds, 3),
        peak_memory_bytes=place.memory.peak_bytes(),
        record=values,
    )


def _say(step: Step, place: Place, text: str) -> None:
    part = step.part_of.replace("_", " ").replace("/", ", ")
    place.console.step(step.noun, f"{part}: {text}" if part else text)


def describe(record: StepRecord) -> str:
    """Puts the counts of a record into a few words; that nothing was `not_...` goes without saying."""
    numbers = {name: value for name, value in record.record.items() if type(value) is int}
    told = {name: value for name, value in numbers.items() if value or not name.startswith("not_")}
    counts = [f"{value:,} {_noun(name, value)}" for name, value in told.items()]
    return ", ".join(counts[:4]) or "done"


def _noun(name: str, count: int) -> str:
    """Returns the name of a count in words, in the singular for one: `1 prefix`, `2 prefixes`; `1 kept` stays."""
    words = name.replace("_", " ")
    if count != 1:
        return words
    endings = {"ies": "y", "xes": "x", "s": ""}
    ending = next((ending for ending in endings if words.endswith(ending)), "")
    return words.removesuffix(ending) + endings.get(ending, "")
