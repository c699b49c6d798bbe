"""What a tracker is told of a step's result beside its figures: texts to read, and the folders of report and model.

In: a step that was made just now. Out: tables of samples and of kept and rejected examples, some rows of each; report
and model as artifacts, by fingerprint, with those of what they were made from. Parts of a run (a judge's samples, the
models of a learning curve) are figures only.

Every step of a run is told of, whoever made it: an earlier start that was killed, or another run that shares the store,
such as a point of the same sweep. What a start tells of is for sure in the tracker once that start has closed it: W&B
keeps what it has not written yet in memory, and a kill takes it. So a file names what the tracker has, it is written
when the tracker is closed, and each start tells of what is not in it. MLflow has at once what it is told, and would
show it twice: with it the file is written as soon.

A tracker keeps one value under a name, so that what it shows of an entry is what it was told last. Who goes back to an
earlier config has it told of once more.

    RUN/tracking/told.json      fingerprints of steps, by the tracker that has them and by their entries, the last one
                                last; empty behind them while a start tells of another one, which a kill leaves
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.examples import KEPT_FILE, REJECTED_FILE
from engine.artifacts.samples import SamplesFolder
from engine.errors import UserError
from engine.runtime.tracking import Finished, Mode, Outcome, outcome_of
from engine.storage.files import make_folder, write_json
from engine.storage.remote.tracking_notes import TOLD_FILE, read_told
from engine.storage.store import is_done

if TYPE_CHECKING:
    from engine.runtime.place import Place
    from engine.runtime.step import Step
    from engine.runtime.tracking import Tracker, TrackingConfig
    from engine.storage.store import StepRecord

_ARTIFACTS = ("model", "report", "chunk_sizes", "learning_curve", "stages")
"""The nouns whose folders a person wants to have elsewhere."""
_PARTS = 20
"""Parts that rows are taken from at most."""
_SHOWN = (
    *("sample_id", "passage_id", "document_id", "model", "status", "error", "text", "query", "split", "reason"),
    *("detail", "round_trip_rank", "logprob", "prompt_tokens", "output_tokens", "finish_reason"),
)
"""The columns that tell a person something, in this order, as far as a table has them; before conditions and fields."""
_PREFIXES_SHOWN = (CONDITION_PREFIX, "field_")


class TrackedResults:
    """Tells the tracker of a run of each step that it makes, and of those that it finds made and the tracker lacks.

    Args:
        place: of the run; it has the tracker.
        config: of the tracker.
        steps: what the run makes, in order: rounds make an entry several times.
    """

    def __init__(self, place: Place, config: TrackingConfig, steps: Sequence[Step] = ()) -> None:
        self._place, self._config = place, config
        self._file = place.run_dir / "tracking" / TOLD_FILE
        self._noted: dict[str, list[str]] = read_told(self._file.parent).get(config.goal, {})
        """What the file says, or is to say as soon as the run has begun."""
        self._told = dict[str, list[str]]()
        """What the tracker has of the entries that this start has told of, once it is closed."""
        self._last = {step.entry: step.fingerprint for step in steps}
        self._has_begun = self._has_warned = False

    @contextlib.contextmanager
    def until_closed(self) -> Iterator[TrackedResults]:
        """Closes the tracker at the end of the block, says how it ended, and notes that it has what it was told of.

        Where closing it is cut off, such as by an interrupt while W&B still sends, the note stays as it is.
        """
        outcome = Outcome.finished
        try:
            yield self
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            self._place.tracker.finish(outcome)
            self._note(has_all=True)

    def begin(self) -> None:
        """Takes note that the run folder is this run's from now on, and the tracker has what waited for that."""
        self._has_begun = True
        self._note()

    def track(self, step: Step, folder: Path, *, is_new: bool) -> None:
        """Tells of a step that is made.

        Args:
            step: the step.
            folder: what it made.
            is_new: whether this start has made it just now, and so told of its figures.
        """
        if self._config.mode is Mode.off or (not is_new and self._is_told(step)):
            return
        before, has = (
            [each for each in named if each not in ("", step.fingerprint)]
            for named in (self._known(step.entry), self._noted.get(step.entry, []))
        )
        if has:  # for sure; until it has this one too, nobody knows which of them it shows
            self._noted[step.entry] = [*has, ""]
            self._note()
        if not is_new:
            tell_of_figures(self._place.tracker, step.entry, self._place.shared.record(folder))
        if is_done(folder):  # what lies behind a URL alone is not fetched for the sake of a tracker
            track_result(step, folder, self._place.tracker, self._config)
        self._told[step.entry] = [*before, step.fingerprint]
        self._note()

    def _known(self, entry: str) -> list[str]:
        return self._told.get(entry) or self._noted.get(entry, [])

    def _is_told(self, step: Step) -> bool:
        """Tells whether the tracker has a step: of the last one of an entry that is what it was told last."""
        known = self._known(step.entry)
        is_last = self._last.get(step.entry, step.fingerprint) == step.fingerprint
        return step.fingerprint in (known[-1:] if is_last else known)

    def _note(self, *, has_all: bool = False) -> None:
        """Notes what is known by now; where nothing has changed, or the tracker failed, the file stays as it is.

        So does one that was damaged while the run goes on, which ends for no note.

        Args:
            has_all: whether the tracker has what it was told; MLflow has it at once.
        """
        if not self._has_begun or self._place.tracker.has_failed:
            return
        if has_all or self._config.mode is Mode.mlflow:
            self._noted |= self._told
        try:
            kept = read_told(self._file.parent)
        except UserError as failure:
            if not self._has_warned:
                self._place.console.warn(f"what the tracker was told is not noted, and may be told again: {failure}")
            self._has_warned = True
            return
        if self._noted != kept.get(self._config.goal, {}):
            make_folder(self._file.parent, where=str(self._file.parent))
            write_json(self._file, {**kept, self._config.goal: self._noted})


def tell_of_figures(tracker: Tracker, entry: str, record: StepRecord) -> None:
    """Tells a tracker of the figures of a finished step, as they were told when it was made."""
    lineage = {"fingerprint": record.fingerprint, "inputs": dict(record.inputs)}
    tracker.summary(entry, {**record.record, "seconds": record.seconds, **lineage})


def track_result(step: Step, folder: Path, tracker: Tracker, config: TrackingConfig) -> None:
    """Tells a tracker of the folder that a step has just made.

    Args:
        step: the step.
        folder: what it made.
        tracker: is told.
        config: how many rows, and whether files.
    """
    if step.part_of:
        return
    if config.table_rows and step.noun == "samples":
        parts = SamplesFolder(folder).parts()
        chosen = parts[:: max(1, math.ceil(len(parts) / _PARTS))]
        each = math.ceil(config.table_rows / len(chosen)) if chosen else 0
        rows = itertools.chain.from_iterable(_first_rows(part, each) for part in chosen)
        _track_table(tracker, step.noun, "table", itertools.islice(rows, config.table_rows))
    if config.table_rows and step.noun == "examples":
        for file in (KEPT_FILE, REJECTED_FILE):
            name = f"{file.partition('.')[0]}_table"  # `kept` is a figure, whose place in W&B the table would take
            _track_table(tracker, step.noun, name, _first_rows(folder / file, config.table_rows))
    if config.artifacts and step.noun in _ARTIFACTS:
        inputs = {source.key: source.fingerprint for source in step.inputs}
        tracker.artifact(Finished(step.entry, folder, step.fingerprint, inputs))


def _track_table(tracker: Tracker, noun: str, name: str, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        columns = list(listed[0])
        tracker.table(noun, name, columns, [[_plain(row[column]) for column in columns] for row in listed])


def _first_rows(file: Path, count: int) -> Iterator[dict[str, Any]]:
    """Reads the first rows of a table, and of them what tells a person something."""
    with pq.ParquetFile(file, pre_buffer=False) as table:
        columns = _shown(table.schema_arrow)
        batch = next(table.iter_batches(count, columns=columns), None)
    if batch is not None:
        yield from batch.select(columns).to_pylist()


def _shown(schema: pa.Schema) -> list[str]:
    known = [name for name in _SHOWN if name in schema.names]
    return [*known, *(name for name in schema.names if name.startswith(_PREFIXES_SHOWN))]


def _plain(value: object) -> object:
    """Returns a value as every tracker takes it: a text, a finite number or nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
