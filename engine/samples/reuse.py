"""Rows that earlier samples folders hold are taken over instead of being generated again.

In: a new samples folder, its plan, and the other samples folders of the store (source folders). Out: parts
(`part-reused-*`) with rows that an earlier run wrote for the same prompts, under the new plan's ids and with attempt 0.
So a larger `samples.max_tokens` generates only what was cut off, and more documents or condition values only what is
new.

A row is taken over when its folder's *recipe* (model, sampling without lengths, task, and the code that writes) is
this folder's, its key (passage, cell, replicate, round) is planned, and its `input_hash` is that of the prompt as it
would be rendered now. One that was cut off, failed or was turned down is taken over only where the limits are the same:
with others it may become something else. One whose first prompt could not be asked never is: asking it anew costs
nothing.

The plan and each source are read once, file by file: in memory is an index of what is planned, 24 bytes a row. Where a
source's prompts were made from the same passages and demonstrations as this plan's, as those of a smaller plan and of
the round before were, rows of the same key and set have the same prompt and none is rendered.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.artifacts.columns import CONDITION_PREFIX, PROMPTS, condition_names
from engine.artifacts.prompts import PlannedRow, PromptsFolder, planned_rows
from engine.artifacts.subjects import Subjects
from engine.errors import UserError
from engine.samples.planned import PlannedIndex
from engine.samples.starts import REUSED_ATTEMPT
from engine.storage.digests import content_digest, digest
from engine.storage.files import locked, write_json
from engine.storage.manifest import Manifest
from engine.storage.parts import Pieces, committed_parts, row_groups, write_part
from engine.storage.parts_log import PartsLog
from engine.storage.typed import from_json_values, to_json_values
from engine.task.templates import RENDER_ERRORS

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.storage.ids import IdSet

_RECIPE_FILE = "recipe.json"
_REUSED_FILE = "reused.json"
"""Written when everything is taken over that there is."""
_WRITER = "reused"
_LENGTHS = ("max_tokens", "context_tokens")
_PLANNING = ("attributes", "exclude", "quotas")
"""Fields of a task that decide what is planned, and nothing about how a planned sample is written."""
_PART_ROWS = _GROUP_ROWS = 1 << 16


@dataclass(frozen=True)
class Recipe:
    """How rows of a samples folder were written."""

    text: str
    """A hash of what must be equal for rows to be taken over."""
    max_tokens: int
    context_tokens: int
    basis: str = ""
    """A hash of all subjects and demonstration sets; where it is equal, a key and a set have the same prompt."""

    def has_limits_of(self, other: Recipe) -> bool:
        """Tells whether what was cut off or failed here would be so there."""
        return (self.max_tokens, self.context_tokens) == (other.max_tokens, other.context_tokens)

    def has_prompts_of(self, other: Recipe) -> bool:
        """Tells whether a key and a set stand for the same prompt in both; folders of old do not say."""
        return bool(self.basis) and self.basis == other.basis


def make_recipe(config: GeneratorConfig, prompts: PromptsFolder, about: Path) -> Recipe:
    """Makes the recipe of what a generator writes for a plan; `about` is the file of passages or rows."""
    writer = {name: value for name, value in config.identity().items() if name not in _LENGTHS}
    task = to_json_values(prompts.task())
    written = {name: value for name, value in task.items() if name not in _PLANNING}
    # A row's hash covers the demonstrations of its first turn; those that later turns show are told apart here.
    pool = content_digest(prompts.pool_file) if len(task["turns"]) > 1 else ""
    basis = digest([content_digest(about), content_digest(prompts.sets_file)])
    return Recipe(digest([writer, written, pool]), config.max_tokens, config.context_tokens, basis)


def note_recipe(folder: Path, recipe: Recipe) -> None:
    """Leaves the recipe in a samples folder, for folders to come."""
    write_json(folder / _RECIPE_FILE, asdict(recipe))


def _recipe_of(folder: Path) -> Recipe:
    return from_json_values(Recipe, json.loads((folder / _RECIPE_FILE).read_text(encoding="utf-8")))


def find_sources(folder: Path, recipe: Recipe) -> list[Path]:
    """Finds other samples folders of the store, finished or not, that were written by the same recipe; newest first.

    What an older version wrote, which kept no manifest, is passed over; so are names with a dot in front, which are of
    folders that are not whole (`RemoteFolder.fetch`).
    """
    same: list[tuple[int, str, Path]] = []
    for file in folder.parent.glob(f"[!.]*/{_RECIPE_FILE}"):
        other = file.parent
        with contextlib.suppress(FileNotFoundError):  # `clean` has just removed it
            if other != folder and _recipe_of(other).text == recipe.text and Manifest(other).path.exists():
                same.append((-other.stat().st_mtime_ns, other.name, other))
    return [other for _, _, other in sorted(same)]


def reuse_rows(parts: PartsLog, prompts: PromptsFolder, subjects: Subjects) -> int:
    """Takes over what there is, unless an earlier start has done so to the end.

    A kill in the middle costs nothing: the parts written count, and the next start looks for the rest.

    Args:
        parts: the samples folder, which holds its recipe.
        prompts: the plan.
        subjects: what its rows are about.

    Returns:
        The number of rows taken over by this call.
    """
    output = parts.folder
    if (output / _REUSED_FILE).exists():
        return 0
    before, recipe, writer = len(parts.committed), _recipe_of(output), _Writer(parts)
    found = parts.committed.copy()  # and what waits to be written
    if sources := find_sources(output, recipe):
        matcher = _Matcher(prompts, subjects, recipe, found)
        for source in sources:
            # A folder that another driver writes at this moment is left alone: its parts come and go.
            with contextlib.suppress(BlockingIOError), locked(source.parent / f".{source.name}.lock", wait=False):
                for rows in _matching_rows(source, matcher):
                    found.add(np.sort(rows["sample_id"].to_numpy()))
                    writer.add(rows)
    writer.close()
    reused = len(parts.committed) - before
    write_json(output / _REUSED_FILE, {"rows": reused})
    return reused


def _matching_rows(source: Path, matcher: _Matcher) -> Iterator[pa.Table]:
    """Yields the rows of a source folder that answer what is planned and not committed, as samples of this plan.

    Those of a folder that `clean` has removed meanwhile are none.
    """
    if not source.exists():
        return
    recipe = _recipe_of(source)
    for rows in row_groups(committed_parts(source), _GROUP_ROWS):
        if (matches := matcher.match(rows, recipe)).num_rows:
            yield _renumbered(rows, matches)


class _Matcher:
    """Finds rows of source folders that answer planned prompts.

    Args:
        prompts: the plan.
        subjects: what its rows are about.
        recipe: of the folder that is written.
        committed: ids of the rows that are there, which grow while sources are read.
    """

    def __init__(self, prompts: PromptsFolder, subjects: Subjects, recipe: Recipe, committed: IdSet) -> None:
        self._render = prompts.prompts().compile().first.prompt
        self._planned = PlannedIndex(prompts, committed)
        self._subjects, self._recipe, self._committed = subjects, recipe, committed

    def match(self, rows: pa.Table, source: Recipe) -> pa.Table:
        """Finds the planned rows that rows of a source folder answer.

        Args:
            rows: of the source folder.
            source: its recipe.

        Returns:
            Columns `row` (the index of the answer), `sample_id`, `demonstration_set` and `demonstrations`.
        """
        found = self._planned.find(rows)
        found = found.filter(pa.array(~self._committed.contains(found["sample_id"].to_numpy())))
        found = found.filter(self._is_usable(rows.take(found["row"]), source))
        return found.filter(pa.array(self._has_prompt(rows.take(found["row"]), found, source)))

    def _has_prompt(self, answers: pa.Table, found: pa.Table, source: Recipe) -> NDArray[np.bool_]:
        """Tells which rows of a source answer the prompts of the planned rows beside them."""
        alike = np.zeros(answers.num_rows, np.bool_)
        if source.has_prompts_of(self._recipe):
            is_same_set = pc.equal(answers["demonstration_set"], found["demonstration_set"])
            alike |= pc.and_(is_same_set, pc.not_equal(answers["input_hash"], "")).to_numpy()
        others = np.flatnonzero(~alike)
        alike[others] = self._are_rendered_alike(answers.take(others), found.take(others))
        return alike

    def _is_usable(self, rows: pa.Table, source: Recipe) -> pa.ChunkedArray:
        """Tells which rows may be taken: all of the same limits, of others what is complete within the present ones."""
        if source.has_limits_of(self._recipe):
            return pc.is_valid(rows["status"])
        complete = pc.and_(pc.equal(rows["finish_reason"], "stop"), pc.equal(rows["status"], "generated"))
        if source.max_tokens > self._recipe.max_tokens:
            return pc.and_(complete, pc.less_equal(rows["output_tokens"], self._recipe.max_tokens))
        return complete

    def _are_rendered_alike(self, answers: pa.Table, found: pa.Table) -> list[bool]:
        """Tells the same by rendering; a planned row has the conditions of any row with its key."""
        if not answers.num_rows:
            return []
        alike: list[bool] = []
        at_once = self._subjects.rows_at_once or answers.num_rows
        for first in range(0, answers.num_rows, at_once):
            some = answers.slice(first, at_once)
            planned = planned_rows(self._subjects.join(_as_planned(some, found.slice(first, at_once))))
            hashes = some["input_hash"].to_pylist()
            alike += [self._hash(row) == expected for row, expected in zip(planned, hashes, strict=True)]
        return alike

    def _hash(self, row: PlannedRow) -> str:
        try:
            return row.input_hash(self._render(row.ask()))
        except (UserError, *RENDER_ERRORS):
            return "cannot be rendered"  # and so it fails, in the engine, with its reason


def _as_planned(answers: pa.Table, found: pa.Table) -> pa.Table:
    """Returns the rows of the plan that rows of a source have the keys of, as far as a prompt depends on them."""
    conditions = [f"{CONDITION_PREFIX}{name}" for name in condition_names(answers)]
    own = [name for name in PROMPTS.names if name in found.column_names]
    columns = {name: answers[name] for name in PROMPTS.names if name not in own and name in answers.column_names}
    columns |= {name: found[name] for name in own} | {name: answers[name] for name in conditions}
    return pa.table({"prefix": pa.array(np.zeros(answers.num_rows, np.int64)), **columns})


def _renumbered(rows: pa.Table, matches: pa.Table) -> pa.Table:
    """Makes rows of a source folder samples of this plan.

    Args:
        rows: of the source folder.
        matches: planned rows, with the index of the answer as `row`.
    """
    samples = rows.take(matches["row"].combine_chunks()).replace_schema_metadata(None)
    changes = {
        "sample_id": matches["sample_id"],
        "demonstration_set": matches["demonstration_set"],
        "demonstrations": matches["demonstrations"],
        "attempt": pa.array(np.full(samples.num_rows, REUSED_ATTEMPT)),
    }
    for name, values in changes.items():
        index = samples.schema.get_field_index(name)
        samples = samples.set_column(index, samples.schema.field(name), values.cast(samples.schema.field(name).type))
    return samples


class _Writer:
    """Collects rows into parts that the driver writes itself."""

    def __init__(self, parts: PartsLog) -> None:
        self._parts = parts
        self._pieces = Pieces(_PART_ROWS)

    def add(self, rows: pa.Table) -> None:
        """Adds rows, and commits a part when there are enough."""
        self._commit(self._pieces.add(rows))

    def close(self) -> None:
        """Commits what is waiting."""
        self._commit(self._pieces.rest())

    def _commit(self, tables: Iterator[pa.Table]) -> None:
        for table in tables:
            write_part(self._parts.new_part(_WRITER), table)
            self._parts.list_new()
