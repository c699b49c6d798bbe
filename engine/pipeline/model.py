"""Whether the model of a run can be made of what the run generates, and searched with by what comes after it.

In: a RunConfig. Out: nothing, or a refusal before anything is generated.
"""

from __future__ import annotations

from engine.errors import UserError
from engine.pipeline.config import RunConfig, nouns_of
from training.config import SCORERS
from training.requirements import check_generated


def check_model(config: RunConfig) -> None:
    """Refuses a family that cannot learn from queries of passages, or that a report of searches says nothing about.

    Raises:
        UserError: the run goes on to its model, and this cannot work.
    """
    nouns = nouns_of(config)
    reached = nouns[: nouns.index(config.until) + 1] if config.until in nouns else ()
    if not {"model", "learning_curve"}.intersection(reached):
        return
    check_generated(config.model)
    if config.model.family in SCORERS and reached[-1] != "model":
        family = config.model.family.value
        what = f"what follows the model measures searches, and a {family} makes no vectors to search by"
        raise UserError(what, where=f"model.family={family}", remedy="add until=model")
