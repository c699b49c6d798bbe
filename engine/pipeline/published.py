"""Where a run publishes its model, and whether it makes what is to be published.

In: a RunConfig. Out: a Target, or none; or a refusal before anything is made.
"""

from __future__ import annotations

from engine.errors import UserError
from engine.pipeline.config import RunConfig, last_noun, nouns_of
from engine.publishing.target import Target, read_target


def target_of(config: RunConfig) -> Target | None:
    """Returns where the model is published; None by default.

    Raises:
        UserError: it names no repository, or the run makes no model that stands by itself, or no system where
            that is asked for.
    """
    if not config.publish:
        if config.publish_system:
            remedy = "set publish=hub:OWNER/NAME, or leave it out"
            raise UserError("nothing is published", where="publish_system=true", remedy=remedy)
        return None
    target = read_target(config.publish, is_private=config.publish_private, with_system=config.publish_system)
    nouns, until = nouns_of(config), last_noun(config)
    reached = nouns[: nouns.index(until) + 1] if until in nouns else ()
    if "model" not in reached:
        what = f"the run ends with its {until}, and has no model to publish"
        raise UserError(what, where=f"publish={config.publish}", remedy="leave it out, or until")
    lora = config.model.lora
    if lora.rank and not lora.merge:
        what = "leaves matrices beside a base, which a folder of this machine stands for"
        raise UserError(what, where="model.lora.merge=false", remedy="set it to true, or leave out publish")
    if target.with_system and "system" not in reached:
        what = f"the run ends with its {until}, and hands no search over"
        raise UserError(what, where="publish_system=true", remedy="leave it out")
    return target
