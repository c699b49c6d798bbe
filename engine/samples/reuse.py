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
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.prompts import PlanFile, PlannedRow, PromptsFolder, planned_rows
from engine.errors import UserError
from engine.samples.pending import pending_windows
from engine.samples.starts import REUSED_ATTEMPT
from engine.storage.digests import content_digest, digest
from engine.storage.files import locked, write_json
from engine.storage.manifest import Manifest
from engine.storage.parts import committed_parts, row_groups, write_part
from engine.storage.parts_log import PartsLog
from engine.storage.typed import from_json_values, to_json_values
from engine.task.render import input_hash
from engine.task.templates import RENDER_ERRORS

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig
    from engine.storage.ids import IdSet

KEY = ["passage_id", "cell", "replicate", "round"]
"""Columns that name a sample across plans: another plan numbers its samples otherwise."""

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


def make_recipe(config: GeneratorConfig, prompts: PromptsFolder) -> Recipe:
    """The recipe of what a generator writes for a plan."""
    writer = {name: value for name, value in config.identity().items() if name not in _LENGTHS}
    task = to_json_values(prompts.task())
    written = {name: value for name, value in task.items() if name not in _PLANNING}
    # A row's hash covers the demonstrations of its first turn; those that later turns show are told apart here.
    pool = content_digest(prompts.pool_file) if len(task["turns"]) > 1 else ""
    return Recipe(digest([writer, written, pool]), config.max_tokens, config.context_tokens)


def note_recipe(folder: Path, recipe: Recipe) -> None:
    """Leaves the recipe in a samples folder, for folders to come."""
    write_json(folder / _RECIPE_FILE, asdict(recipe))


def _recipe_of(folder: Path) -> Recipe:
    return from_json_values(Recipe, json.loads((folder / _RECIPE_FILE).read_text(encoding="utf-8")))


def find_sources(folder: Path, recipe: Recipe) -> list[Path]:
    """Other samples folders of the same store, finished or not, that were written by the same recipe; newest first.

    What an older version wrote, which kept no manifest, is passed over.
    """
    others = [file.parent for file in folder.parent.glob(f"*/{_RECIPE_FILE}") if file.parent != folder]
    same = [other for other in others if _recipe_of(other).text == recipe.text and Manifest(other).path.exists()]
    return sorted(same, key=lambda source: (-source.stat().st_mtime_ns, source.name))


def reuse_rows(parts: PartsLog, prompts: PromptsFolder, passages: pa.Table) -> int:
    """Takes over what there is, unless an earlier start has done so to the end.

    A kill in the middle costs nothing: the parts written count, and the next start looks for the rest.

    Args:
        parts: the samples folder, which holds its recipe.
        prompts: the plan.
        passages: columns `passage_id`, `title` and `text`.

    Returns:
        The number of rows taken over by this call.
    """
    output = parts.folder
    if (output / _REUSED_FILE).exists():
        return 0
    before, recipe, plan = len(parts.committed), _recipe_of(output), prompts.plan_files()
    found = parts.committed.copy()  # and what waits to be written
    writer = _Writer(parts)
    matcher = _Matcher(prompts, passages, recipe)
    for source in find_sources(output, recipe):
        try:
            # A folder that another driver writes at this moment is left alone: its parts come and go.
            with locked(source.parent / f".{source.name}.lock", wait=False):
                for rows in _matching_rows(source, matcher, plan, found):
                    found.add(np.sort(rows["sample_id"].to_numpy()))
                    writer.add(rows)
        except BlockingIOError:
            continue
    writer.close()
    reused = len(parts.committed) - before
    write_json(output / _REUSED_FILE, {"rows": reused})
    return reused


def _matching_rows(source: Path, matcher: _Matcher, plan: list[PlanFile], committed: IdSet) -> Iterator[pa.Table]:
    """The rows of a source folder that answer what is planned and not committed, as samples of this plan."""
    limits = _recipe_of(source)
    parts = committed_parts(source)
    for window in pending_windows(plan, committed) if parts else ():
        for rows in row_groups(parts, _GROUP_ROWS):
            if (matches := matcher.match(window, rows, limits)).num_rows:
                yield _renumbered(rows, matches)


class _Matcher:
    """Finds rows of source folders that answer planned prompts.

    Args:
        prompts: the plan.
        passages: columns `passage_id`, `title` and `text`.
        recipe: of the folder that is written.
    """

    def __init__(self, prompts: PromptsFolder, passages: pa.Table, recipe: Recipe) -> None:
        self._render = prompts.prompts().compile().first.prompt
        self._passages, self._recipe = passages, recipe

    def match(self, window: pa.Table, rows: pa.Table, limits: Recipe) -> pa.Table:
        """The planned rows that rows of a source folder answer, with the index of the answer as `row`.

        Args:
            window: planned rows.
            rows: of the source folder.
            limits: its recipe.
        """
        numbered = rows.append_column("row", pa.array(np.arange(rows.num_rows)))
        offered = numbered.filter(self._is_usable(rows, limits)).select([*KEY, "row", "input_hash"])
        joined = window.join(offered, KEY, join_type="inner").combine_chunks()
        return joined.filter(pa.array(self._are_same_prompts(joined), pa.bool_()))

    def _is_usable(self, rows: pa.Table, limits: Recipe) -> pa.ChunkedArray:
        """All rows of the same limits; of others what is complete within the present ones."""
        if limits == self._recipe:
            return pc.is_valid(rows["status"])
        complete = pc.and_(pc.equal(rows["finish_reason"], "stop"), pc.equal(rows["status"], "generated"))
        if limits.max_tokens > self._recipe.max_tokens:
            return pc.and_(complete, pc.less_equal(rows["output_tokens"], self._recipe.max_tokens))
        return complete

    def _are_same_prompts(self, joined: pa.Table) -> list[bool]:
        row_of = pc.index_in(joined["passage_id"], value_set=self._passages["passage_id"].combine_chunks())
        with_texts = joined
        for name in ("title", "text"):
            with_texts = with_texts.append_column(name, self._passages[name].take(row_of))
        hashes = joined["input_hash"].to_pylist()
        return [self._hash(row) == hashed for row, hashed in zip(planned_rows(with_texts), hashes, strict=True)]

    def _hash(self, row: PlannedRow) -> str:
        try:
            return input_hash(self._render(row.ask()), row.passage, row.cell)
        except (UserError, *RENDER_ERRORS):
            return "cannot be rendered"  # and so it fails, in the engine, with its reason


def _renumbered(rows: pa.Table, matches: pa.Table) -> pa.Table:
    """Rows of a source folder as samples of this plan.

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
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """Adds rows, and commits a part when there are enough."""
        self._waiting.append(rows)
        if sum(table.num_rows for table in self._waiting) >= _PART_ROWS:
            self.close()

    def close(self) -> None:
        """Commits what is waiting."""
        if self._waiting:
            write_part(self._parts.new_part(_WRITER), pa.concat_tables(self._waiting).combine_chunks())
            self._parts.list_new()
            self._waiting = []
