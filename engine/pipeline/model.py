"""Whether the model of a run can be made of what the run generates, and be reported on.

In: a RunConfig. Out: nothing, or a refusal before anything is generated.
"""

from __future__ import annotations

from engine.errors import UserError
from engine.pipeline.config import RunConfig, last_noun, nouns_of
from training.config import SCORERS
from training.requirements import check_generated


def check_model(config: RunConfig) -> None:
    """Refuses a family that cannot learn from generated examples, or whose report nobody can write.

    Raises:
        UserError: the run goes on to its model, and this cannot work.
    """
    nouns, until = nouns_of(config), last_noun(config)
    reached = nouns[: nouns.index(until) + 1] if until in nouns else ()
    if not {"model", "learning_curve"}.intersection(reached):
        return
    check_generated(config.model)
    if config.model.family in SCORERS:
        family = f"a {config.model.family.value}"
        if "learning_curve" in reached:
            what = f"a learning curve measures searches, and {family} makes no vectors to search by"
            raise UserError(what, where=f"model.family={config.model.family.value}", remedy="tune a bi_encoder")
        if config.report.asks:
            what = f"the report of {family} has no model asked about its queries"
            where = "report.rerank_by" if config.report.rerank_by else "report.expand"
            raise UserError(what, where=where, remedy="leave it out")
