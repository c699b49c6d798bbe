"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.columns import CONDITION_PREFIX
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.errors import UserError
from engine.models.tokenizer import load_tokenizer
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig, Selection
from engine.prompts.demonstrations.fit import fit_sets
from engine.prompts.demonstrations.pool import slips, strata, stratify
from engine.prompts.demonstrations.sets import ShownSets, choose_sets
from engine.prompts.lengths import PromptLengths, count_passages, prefix_conditions
from engine.prompts.plan import Sets
from engine.prompts.round_zero import Ground
from engine.task.check import check_turns
from engine.task.config import TaskConfig
from engine.task.render import Demonstration, Renderer, format_cell
from engine.task.turns import resolve_turns, shows_demonstrations

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from engine.runtime.place import Place


_SHOWN_VALUES = 20
"""Values of a condition that the record lists, the most frequent ones."""


_COUNTED_VALUES = 100_000
"""Beyond so many values of one condition the rarer half is counted but no longer named."""


def read_ground(prompts: Path) -> Ground:
    """The ground of an earlier round's plan."""
    folder = PromptsFolder(prompts)
    return Ground(folder.task(), folder.pool())


class Planner:
    """All that a plan is drawn from: passages, conditions, demonstration sets, lengths.

    Args:
        config: of the prompts step.
        ground: the task and the pool of demonstrations.
        documents: the folder of the documents step.
        output: the folder that the plan is written into.
        place: where embeddings are cached.

    Raises:
        UserError: a template cannot be rendered, a condition cannot be drawn, or no prompt fits.
    """

    def __init__(self, config: PromptsConfig, ground: Ground, documents: Path, output: Path, place: Place) -> None:
        passages = DocumentsFolder(documents).passages()
        tokenizer = load_tokenizer(config.model)
        self._task, self._output, self._console = ground.task, output, place.console
        task = ground.drawn or ground.task
        self._pool = ground.pool if any(map(shows_demonstrations, resolve_turns(task).values())) else []
        self.passage_ids: list[str] = passages["passage_id"].to_pylist()
        name, values = strata(self._pool, task.attributes)
        conditions = make_conditions(task.attributes, name, values)
        shown = ShownSets([])
        if self._pool:
            self._warn_of_slips(task, config.demonstrations, conditions.possible())
            shown = choose_sets(config.demonstrations, self._pool, stratify(self._pool, name, values), documents, place)
        cell = format_cell(conditions.probe())
        check_turns(task, shown.of(self._pool), cell)
        self._renderer = _fitted(Renderer(task, shown.of(self._pool)), config, cell, tokenizer)
        mentioned = prefix_conditions(self._renderer, conditions.names)
        self.sets = Sets(config.demonstrations.num_sets if self._pool else 1, values, mentioned, shown)
        self.lengths = PromptLengths(self._renderer, conditions, tokenizer, count_passages(passages, tokenizer))
        _check_room(config, self.lengths)
        self.drawer = Drawer(conditions, task.exclude, task.quotas)

    def _warn_of_slips(
        self, task: TaskConfig, config: DemonstrationsConfig, possible: Mapping[str, Sequence[str]]
    ) -> None:
        chosen_by = {name for name, attribute in task.attributes.items() if attribute.from_demonstrations}
        if not (chosen_by or config.path or config.from_qrels or config.self_instruct):
            self._console.warn(
                "the demonstrations are bundled:general, search queries on everyday subjects; "
                "name your own with demonstrations.path=FILE.jsonl"
            )
        templates = [turn.config.demonstration or "" for turn in resolve_turns(task).values()]
        others = {name: values for name, values in possible.items() if name not in chosen_by}
        for slip in slips(self._pool, templates, others):
            self._console.warn(slip)

    def write(
        self, chunks: Iterable[pa.Table], wanted: int, weights: Mapping[str, Mapping[str, float]] | None = None
    ) -> PromptsRecord:
        """Writes a plan and what its rows refer to; returns its record."""
        folder = PromptsFolder(self._output)
        folder.write_basis(self._task, self._pool, self._renderer.sets)
        record = replace(
            _write_plan(chunks, wanted, folder),
            demonstrations=len(self._pool),
            demonstration_sets=len(self._renderer.sets),
            weights=weights or {},
        )
        if record.ended_early:
            self._console.warn(f"the plan is shorter than asked for: {record.ended_early}; see task.quotas")
        return record


def _fitted(renderer: Renderer, config: PromptsConfig, cell: str, tokenizer: Tokenizer) -> Renderer:
    """The renderer with its sets cut to blocks, where many prompts share one and it is known how it is rendered."""
    shared = config.demonstrations.select is not Selection.nearest
    if renderer.is_chat or not shared or not renderer.has_demonstrations():
        return renderer

    def prefixes(sets: Sequence[Sequence[Demonstration]]) -> list[str]:
        own = renderer.with_sets(sets)
        return [own.prefix(index, cell) for index in range(len(sets))]

    return renderer.with_sets(fit_sets(renderer.sets, prefixes, tokenizer, config.demonstrations.cache_block))


def _check_room(config: PromptsConfig, lengths: PromptLengths) -> None:
    longest, shortest_suffix = int(lengths.set_tokens.max()), int(lengths.suffix_tokens.min())
    needed = longest + shortest_suffix + config.max_tokens
    if needed > config.context_tokens:
        raise UserError(
            f"no prompt fits into {config.context_tokens} tokens: its start with demonstrations has {longest}, the "
            f"shortest passage with the words around it {shortest_suffix}, the answer up to {config.max_tokens}",
            where="samples.context_tokens",
            remedy=f"set it to {needed} or more, or lower demonstrations.per_prompt, "
            "demonstrations.max_document_tokens or samples.max_tokens",
        )


def _write_plan(chunks: Iterable[pa.Table], wanted: int, folder: PromptsFolder) -> PromptsRecord:
    planned = tokens = 0
    prefixes: set[int] = set()
    counts: dict[str, _Counts] = {}
    for number, chunk in enumerate(chunks):
        folder.write_chunk(number, chunk)
        planned += chunk.num_rows
        tokens += int(np.sum(chunk["prompt_tokens"].to_numpy(), dtype=np.int64))
        prefixes |= set(chunk["prefix"].unique().to_pylist())
        for name in chunk.column_names:
            if name.startswith(CONDITION_PREFIX):
                counts.setdefault(name.removeprefix(CONDITION_PREFIX), _Counts()).add(chunk[name])
    if not planned:  # the documents step lets no empty corpus through
        raise UserError("the quotas let nothing be planned", where="task.quotas", remedy="set a larger `max`")
    return PromptsRecord(
        planned=planned,
        prefixes=len(prefixes),
        prompt_tokens=tokens,
        num_values={name: counted.distinct() for name, counted in counts.items()},
        distribution={name: counted.shares() for name, counted in counts.items()},
        ended_early=f"no cell was free after {planned:,} of {wanted:,} samples" if planned < wanted else "",
        demonstrations=0,
        demonstration_sets=0,
    )


class _Counts:
    """How often each value of a condition was planned, in bounded memory."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}
        self._total = self._unnamed = 0

    def add(self, column: pa.ChunkedArray) -> None:
        """Counts a chunk's values."""
        self._total += len(column)
        for entry in column.value_counts().to_pylist():
            self._of[entry["values"]] = self._of.get(entry["values"], 0) + entry["counts"]
        if len(self._of) > _COUNTED_VALUES:
            kept = self._most_frequent(_COUNTED_VALUES // 2)
            self._unnamed += len(self._of) - len(kept)
            self._of = kept

    def distinct(self) -> int:
        """The number of values; one that came back after it was dropped counts again."""
        return len(self._of) + self._unnamed

    def shares(self) -> dict[str, float]:
        """Value -> share, by value, or of the most frequent ones by frequency where there are many."""
        few = self.distinct() <= _SHOWN_VALUES
        shown = dict(sorted(self._of.items())) if few else self._most_frequent(_SHOWN_VALUES)
        return {value: round(count / self._total, 4) for value, count in shown.items()}

    def _most_frequent(self, number: int) -> dict[str, int]:
        return dict(sorted(self._of.items(), key=lambda pair: (-pair[1], pair[0]))[:number])
