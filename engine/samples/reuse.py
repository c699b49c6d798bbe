"""What earlier versions of a samples folder hold is taken over instead of being generated again.

In: a new samples folder, its plan, and the other samples folders of the store. Out: parts of `attempt-0000` with rows
that an earlier run wrote for the same prompts, under the new plan's ids. So a larger `samples.max_tokens` generates
only what was cut off, and more documents or condition values only what is new.

A row is taken over when its folder's *recipe* (model, sampling without lengths, templates, and the code that writes)
is this folder's, its key (passage, cell, replicate, round) is planned, and its `input_hash` is that of the prompt as
it would be rendered now. One that was cut off, failed or was turned down is only where the limits are the same, since
its seed would make the same of it; one whose first prompt could not be asked never is: asking it anew costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.artifacts.prompts import PromptsFolder
from engine.errors import UserError
from engine.runtime.identity import ROOT
from engine.samples.pending import pending_windows
from engine.storage.digests import content_digest, digest
from engine.storage.files import locked, write_json
from engine.storage.parts import committed_parts, row_groups, write_part
from engine.task.render import input_hash
from engine.task.templates import RENDER_ERRORS

if TYPE_CHECKING:
    from engine.artifacts.prompts import PlanFile
    from engine.generation.config import SamplesConfig
    from engine.storage.ids import IdSet


KEY = ["passage_id", "cell", "replicate", "round"]


CARRIED_ATTEMPT = 0
"""The number in the column `attempt` of rows that were taken over; starts of the driver count from 1."""


_RECIPE = "recipe.json"


_LENGTHS = ("max_tokens", "context_tokens")


_PLANNING = ("attributes", "exclude", "quotas")
"""Fields of a task that decide what is planned, and nothing about how a planned sample is written."""


_WRITERS = (
    "engine/generation/generator.py",
    "engine/generation/fake_generator.py",
    "engine/task/turns.py",
    "engine/task/templates.py",
)


_PART_ROWS = _GROUP_ROWS = 1 << 16


@dataclass(frozen=True)
class Recipe:
    """How rows of a samples folder were written: `text` for what must be equal, the lengths for what may differ."""

    text: str
    max_tokens: int
    context_tokens: int


def make_recipe(config: SamplesConfig, prompts: Path) -> Recipe:
    """The recipe of what `config` writes for a prompts folder."""
    sampling = {name: value for name, value in config.identity().items() if name not in _LENGTHS}
    task = json.loads((prompts / "task.json").read_text(encoding="utf-8"))
    task = {name: value for name, value in task.items() if name not in _PLANNING}
    # A row's hash covers the demonstrations of its first turn; those that later turns show are told apart here.
    pool = content_digest(prompts / "demonstration_pool.parquet") if len(task["turns"]) > 1 else ""
    sources = [digest((ROOT / name).read_text(encoding="utf-8")) for name in _WRITERS]
    return Recipe(digest([sampling, task, pool, sources]), config.max_tokens, config.context_tokens)


def note_recipe(folder: Path, recipe: Recipe) -> None:
    """Leaves the recipe in a samples folder, for folders to come."""
    write_json(folder / _RECIPE, vars(recipe))


def find_donors(folder: Path, recipe: Recipe) -> list[Path]:
    """Other samples folders of the same store, finished or not, that were written by the same recipe; newest first."""
    donors = [file.parent for file in folder.parent.glob(f"*/{_RECIPE}") if file.parent != folder]
    same = [donor for donor in donors if _recipe_of(donor).text == recipe.text]
    return sorted(same, key=lambda donor: (-donor.stat().st_mtime_ns, donor.name))


def _recipe_of(folder: Path) -> Recipe:
    return Recipe(**json.loads((folder / _RECIPE).read_text(encoding="utf-8")))


def carry_over(
    output: Path, inputs: Mapping[str, Path], plan: list[PlanFile], passages: pa.Table, committed: IdSet
) -> int:
    """Takes over what there is, unless an earlier start has done so to the end; adds the ids to `committed`.

    A kill in the middle costs nothing: the parts written count, and the next start looks for the rest.

    Returns:
        The number of rows taken over by this call.
    """
    attempt = output / f"attempt-{CARRIED_ATTEMPT:04d}"
    done = attempt / "attempt.json"
    if done.exists():
        return 0
    attempt.mkdir(exist_ok=True)
    before = len(committed)
    recipe = _recipe_of(output)
    writer = _Writer(attempt)
    matcher = _Matcher(inputs["prompts"], passages, recipe)
    for donor in find_donors(output, recipe):
        try:
            # A folder that another driver writes at this moment is left alone: its parts come and go.
            with locked(donor.parent / f".{donor.name}.lock", wait=False):
                for rows in _carried_from(donor, matcher, plan, committed):
                    committed.add(np.sort(rows["sample_id"].to_numpy()))
                    writer.add(rows)
        except BlockingIOError:
            continue
    writer.close()
    write_json(done, {"engine_start_seconds": 0.0, "engines": []})
    return len(committed) - before


def _carried_from(donor: Path, matcher: _Matcher, plan: list[PlanFile], committed: IdSet) -> Iterator[pa.Table]:
    limits = _recipe_of(donor)
    parts = committed_parts(donor)
    for window in pending_windows(plan, committed) if parts else ():
        for rows in row_groups(parts, _GROUP_ROWS):
            if (matched := matcher.match(window, rows, limits)).num_rows:
                yield matcher.renumbered(rows, matched)


class _Matcher:
    """Finds rows of earlier folders that answer planned prompts."""

    def __init__(self, prompts: Path, passages: pa.Table, recipe: Recipe) -> None:
        loaded = PromptsFolder(prompts).prompts()
        renderer = loaded.renderer()
        self._render = renderer.prompt
        self._passages, self._recipe = passages, recipe

    def match(self, window: pa.Table, found: pa.Table, limits: Recipe) -> pa.Table:
        """Planned rows of `window` that rows of `found` answer, with their index there as `row`."""
        usable = found.append_column("row", pa.array(np.arange(found.num_rows))).filter(self._is_usable(found, limits))
        offered = usable.select([*KEY, "row", "input_hash"])
        planned = window.select([*KEY, "sample_id", "demonstration_set", "demonstrations"])
        joined = planned.join(offered, KEY, join_type="inner").combine_chunks()
        return joined.filter(pa.array(self._same_prompt(joined), pa.bool_()))

    def _is_usable(self, rows: pa.Table, limits: Recipe) -> pa.ChunkedArray:
        """All of the same limits; of others what is complete within the present ones."""
        if limits == self._recipe:
            return pc.is_valid(rows["status"])
        complete = pc.and_(pc.equal(rows["finish_reason"], "stop"), pc.equal(rows["status"], "generated"))
        if limits.max_tokens > self._recipe.max_tokens:
            return pc.and_(complete, pc.less_equal(rows["output_tokens"], self._recipe.max_tokens))
        return complete

    def _same_prompt(self, joined: pa.Table) -> list[bool]:
        row_of = pc.index_in(joined["passage_id"], value_set=self._passages["passage_id"].combine_chunks())
        titles, texts = (self._passages[name].take(row_of).to_pylist() for name in ("title", "text"))
        rows = joined.to_pylist()
        same = []
        for row, title, text in zip(rows, titles, texts, strict=True):
            passage = row | {"title": title, "text": text}
            same.append(self._hash(passage) == row["input_hash"])
        return same

    def _hash(self, row: dict[str, Any]) -> str:
        try:
            return input_hash(self._render(row, row["demonstration_set"], row["cell"]), row)
        except (UserError, *RENDER_ERRORS):
            return "cannot be rendered"  # and so it fails, in the engine, with its reason

    def renumbered(self, found: pa.Table, matched: pa.Table) -> pa.Table:
        """The matched rows as this plan's samples."""
        rows = found.take(matched["row"].combine_chunks()).replace_schema_metadata(None)
        own = {
            "sample_id": matched["sample_id"],
            "demonstration_set": matched["demonstration_set"],
            "demonstrations": matched["demonstrations"],
            "attempt": pa.array(np.full(rows.num_rows, CARRIED_ATTEMPT)),
        }
        for name, values in own.items():
            index = rows.schema.get_field_index(name)
            rows = rows.set_column(index, rows.schema.field(name), values.cast(rows.schema.field(name).type))
        return rows


class _Writer:
    """Collects rows into parts of the carried attempt."""

    def __init__(self, attempt: Path) -> None:
        self._attempt = attempt
        self._number = len(list(attempt.glob("part-*.parquet")))
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        if sum(table.num_rows for table in self._waiting) >= _PART_ROWS:
            self.close()

    def close(self) -> None:
        """Commits what is waiting."""
        if self._waiting:
            part = self._attempt / f"part-e0-{self._number:05d}.parquet"
            assert not part.exists(), f"part {part} exists: carried parts are numbered without gaps"
            write_part(part, pa.concat_tables(self._waiting).combine_chunks())
            self._number += 1
            self._waiting = []
