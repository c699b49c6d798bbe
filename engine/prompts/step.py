"""The prompts step plans one row per sample; the text of prompts is rendered where it is used.

In: passages, a task (templates and conditions), demonstrations. Out: a prompts folder (engine/artifacts/prompts.py).
Templates that do not render and prompts that leave the model no room are refused here, before any engine has worked.
A run plans once a round: small plans in round 0 where the generator is to write values or demonstrations, the plan of
the first round, and after each further round a longer one that begins with the rows of the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.artifacts.row_plans import RowPlan, plan_rows
from engine.artifacts.rows import RowsFolder
from engine.prompts.basis import PlanBasis, gather_basis, read_basis, written_task
from engine.prompts.config import PromptsConfig, RoundConfig, RowsPromptsConfig, SelfInstructConfig, ValuesConfig
from engine.prompts.grouping import Sharing, group_prompts
from engine.prompts.plan import PlanSize, plan_samples
from engine.prompts.planner import PlanInputs, gather_inputs
from engine.prompts.round_zero import plan_demonstrations, plan_values
from engine.prompts.rounds import next_rows, reweighted
from engine.prompts.writer import write_plan

if TYPE_CHECKING:
    from engine.runtime.place import Place


def plan_prompts(
    config: PromptsConfig | RowsPromptsConfig | RoundConfig | ValuesConfig | SelfInstructConfig,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,
) -> PromptsRecord:
    """Plans the samples of one round.

    Args:
        config: the plan to make: that of the first round, of a later one, a small one of round 0, or one about rows.
        inputs: the documents, or the rows; for the first round what round 0 wrote, for a later one the prompts and
            examples of the round before.
        output: becomes a prompts folder.
        place: where embeddings are cached, and who is told of slips.

    Raises:
        UserError: a template cannot be rendered, a condition cannot be drawn, no prompt fits, or there is nothing to
            plan.
    """
    match config:
        case PromptsConfig():
            return _plan_first(config, inputs, output, place)
        case RowsPromptsConfig():
            plan = RowPlan(config.task, config.model, config.context_tokens, config.per_row, config.refuse)
            return _plan_rows(plan, RowsFolder(inputs["rows"]), output, place, Sharing(config.block_tokens))
        case RoundConfig():
            return _plan_next(config, inputs, output, place)
        case ValuesConfig():
            return plan_values(config, DocumentsFolder(inputs["documents"]), PromptsFolder(output))
        case SelfInstructConfig():
            config = replace(config, task=written_task(config.task, inputs))
            return plan_demonstrations(config, DocumentsFolder(inputs["documents"]), PromptsFolder(output))


def _plan_rows(plan: RowPlan, rows: RowsFolder, output: Path, place: Place, sharing: Sharing) -> PromptsRecord:
    """Plans prompts that begin alike as neighbours, and tells how much of them is shared, and in which blocks."""
    record = plan_rows(plan, rows, PromptsFolder(output), lambda tables: sharing.count(group_prompts(tables, output)))
    if sharing.shared_tokens:
        share = sharing.shared_tokens / sharing.tokens
        blocks = f"whole cache blocks of {sharing.block_tokens} tokens"
        counted = f"{share:.0%} of {sharing.tokens:,} tokens stand in an earlier prompt as well"
        place.console.step("prompts", f"{counted}, in {blocks}")
    return record


def _plan_first(config: PromptsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> PromptsRecord:
    basis = gather_basis(config, inputs)
    drawn_from = gather_inputs(config, basis, DocumentsFolder(inputs["documents"]), place)
    size = PlanSize(config.per_passage, config.max_samples, config.seed, config.rounds)
    rows = plan_samples(drawn_from.passage_ids, drawn_from.drawer, drawn_from.sets, drawn_from.lengths, size)
    return _write(rows, size.total(len(drawn_from.passage_ids)), (basis, drawn_from), PromptsFolder(output), place)


def _plan_next(config: RoundConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> PromptsRecord:
    earlier, examples = PromptsFolder(inputs["prompts"]), ExamplesFolder(inputs["examples"])
    basis, weights = reweighted(read_basis(inputs["prompts"]), examples, config.number)
    drawn_from = gather_inputs(config.prompts, basis, DocumentsFolder(inputs["documents"]), place)
    rows, expected = next_rows(config, earlier, examples, drawn_from)
    record = _write(rows, expected, (basis, drawn_from), PromptsFolder(output), place)
    return replace(record, weights=weights)


def _write(
    rows: Iterable[pa.Table],
    expected: int,
    drawn_from: tuple[PlanBasis, PlanInputs],
    folder: PromptsFolder,
    place: Place,
) -> PromptsRecord:
    """Writes a plan with what its rows refer to, and tells where it became shorter than asked for."""
    basis, inputs = drawn_from
    folder.write_basis(basis.task, inputs.pool, inputs.shown)
    record = write_plan(rows, expected, folder)
    if record.ended_early:
        place.console.warn(f"the plan is shorter than asked for: {record.ended_early}; see task.quotas")
    shown = replace(record, demonstrations=len(inputs.pool), demonstration_sets=len(inputs.shown))
    return replace(shown, later_prompt_tokens=inputs.later.tokens(record.planned))
