"""Gathers and checks all that rows of a plan are drawn from.

In: a PlanBasis, the documents folder. Out: PlanInputs, before any engine has worked: conditions that can be drawn,
demonstration sets cut to the engine's cache blocks, and the length of every prompt, which leaves the model its room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder
from engine.errors import UserError
from engine.models.chat_template import read_chat_template
from engine.models.resolve import resolve_model
from engine.models.tokenizer import GENERATOR_KEY, load_tokenizer
from engine.prompts.basis import PlanBasis
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig, Selection
from engine.prompts.demonstrations.fit import fit_sets
from engine.prompts.demonstrations.pool import slips, strata, stratify
from engine.prompts.demonstrations.sets import ShownSets, choose_sets
from engine.prompts.lengths import PromptLengths, count_passages, prefix_conditions
from engine.prompts.plan import Sets
from engine.task.check import check_turns
from engine.task.compiled import Task
from engine.task.forecast import LaterTurns
from engine.task.render import Ask, Demonstration, Renderer
from engine.task.turns import shows_demonstrations

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from engine.runtime.console import Console
    from engine.runtime.place import Place

_FORECAST_PASSAGES = 32
"""The number of passages that stand for all in the forecast of later turns."""


@dataclass(frozen=True)
class PlanInputs:
    """All that rows of a plan are drawn from."""

    passage_ids: list[str]
    drawer: Drawer
    """Draws the conditions of planned rows."""
    sets: Sets
    """Says which demonstration set a row shows, and which prefix its prompt has."""
    lengths: PromptLengths
    """Forecasts the tokens of prompts."""
    pool: list[Demonstration]
    """The demonstrations that prompts may show; empty where the task shows none."""
    shown: Sequence[Sequence[Demonstration]]
    """The sets as prompts show them."""
    later: LaterTurns
    """Forecasts the tokens of later turns."""


def gather_inputs(config: PromptsConfig, basis: PlanBasis, documents: DocumentsFolder, place: Place) -> PlanInputs:
    """Gathers and checks what a plan is drawn from.

    Args:
        config: the config of the prompts step.
        basis: the task and the demonstrations.
        documents: the folder with the passages that are planned for.
        place: where embeddings are cached.

    Raises:
        UserError: a template cannot be rendered, a condition cannot be drawn, or no prompt fits.
    """
    passages = documents.passages(["passage_id", "title", "text"])
    tokenizer = load_tokenizer(config.model, key=GENERATOR_KEY)
    pool = basis.pool if any(map(shows_demonstrations, basis.compiled.turns.values())) else []
    stratum, values = strata(pool, basis.drawn.attributes)
    conditions = make_conditions(basis.drawn.attributes, stratum, values)
    if pool:
        _warn_of_slips(basis, config.demonstrations, conditions.possible(), place.console)
    chosen = _choose(config.demonstrations, pool, stratify(pool, stratum, values), documents, place)
    probe = conditions.probe()
    task = basis.compiled.with_sets(chosen.of(pool))
    check_turns(task, probe)
    renderer = _fitted(_as_engines_see(task.first, config.model), config.demonstrations, probe, tokenizer)
    mentioned = prefix_conditions(renderer, conditions.names)
    later = _later_turns(task, passages, probe, tokenizer)
    lengths = PromptLengths(renderer, conditions, tokenizer, count_passages(passages, tokenizer))
    _check_room(config, lengths)
    return PlanInputs(
        passage_ids=passages["passage_id"].to_pylist(),
        drawer=Drawer(conditions, basis.drawn.exclude, basis.drawn.quotas),
        sets=Sets(config.demonstrations.num_sets if pool else 1, values, mentioned, chosen),
        lengths=lengths,
        pool=pool,
        shown=renderer.sets,
        later=later,
    )


def _later_turns(task: Task, passages: pa.Table, probe: Mapping[str, str], tokenizer: Tokenizer) -> LaterTurns:
    """Renders the later turns of some passages, spread over all of them, under one combination of conditions."""

    def count(texts: Sequence[str]) -> list[int]:
        return [len(encoding) for encoding in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    later = LaterTurns(task, count)
    if len(task.turns) > 1:
        places = np.unique(np.linspace(0, passages.num_rows - 1, _FORECAST_PASSAGES).astype(np.int64))
        for passage in passages.select(["title", "text"]).take(pa.array(places)).to_pylist():
            later.see(Ask(passage, 0, probe))
    return later


def _warn_of_slips(
    basis: PlanBasis, config: DemonstrationsConfig, possible: Mapping[str, Sequence[str]], console: Console
) -> None:
    """Tells what may be a mistake in the demonstrations, and stops nothing."""
    choosing = {name for name, attribute in basis.drawn.attributes.items() if attribute.from_demonstrations}
    if not (choosing or config.path or config.from_qrels or config.self_instruct):
        console.warn(
            "the demonstrations are bundled:general, search queries on everyday subjects; "
            "name your own with demonstrations.path=FILE.jsonl"
        )
    templates = [turn.config.demonstration or "" for turn in basis.compiled.turns.values()]
    others = {name: values for name, values in possible.items() if name not in choosing}
    for slip in slips(basis.pool, templates, others):
        console.warn(slip)


def _choose(
    config: DemonstrationsConfig,
    pool: Sequence[Demonstration],
    rows_by_value: Sequence[Sequence[int]],
    documents: DocumentsFolder,
    place: Place,
) -> ShownSets:
    return choose_sets(config, pool, rows_by_value, documents.path, place) if pool else ShownSets([])


def _as_engines_see(renderer: Renderer, model: str) -> Renderer:
    """Returns the renderer with the chat template of the generator, where it has one."""
    if renderer.prefix_is_exact:
        return renderer
    template = read_chat_template(resolve_model(model, key=GENERATOR_KEY), where=f"{GENERATOR_KEY}={model}")
    return renderer.with_template(template) if template else renderer


def _fitted(
    renderer: Renderer, config: DemonstrationsConfig, probe: Mapping[str, str], tokenizer: Tokenizer
) -> Renderer:
    """Returns the renderer with its sets cut to blocks, where many prompts share a set of known text."""
    shared = config.select is not Selection.nearest
    if not renderer.prefix_is_exact or not shared or not renderer.has_demonstrations():
        return renderer

    def prefixes(sets: Sequence[Sequence[Demonstration]]) -> list[str]:
        with_sets = renderer.with_sets(sets)
        return [with_sets.prefix(index, probe) for index in range(len(sets))]

    return renderer.with_sets(fit_sets(renderer.sets, prefixes, tokenizer, config.cache_block))


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
