"""Training on examples that one has: alone, or beside those that an adaptation generates; and on labelled texts.

In: a RunConfig with `examples.path` or `model.label`. Out: the steps of such a run, or those by which an adaptation
takes them in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.errors import UserError, suggest
from engine.examples.labelled.config import CONTROLS_KEY, LABEL_KEY, YES, LabelledConfig
from engine.examples.labelled.step import label_examples
from engine.given.config import GivenConfig
from engine.given.mix.config import MixConfig
from engine.given.mix.step import mix_examples
from engine.given.opening import open_examples
from engine.given.step import read_given
from engine.pipeline.config import GIVEN_KEY, STAGES_KEY, RunConfig, kinds_of, last_noun
from engine.pipeline.model import check_without_documents
from engine.pipeline.reported import measured_files, report_of_examples
from engine.pipeline.stages import check_sets
from engine.pipeline.training import model_steps
from engine.prompts.conditions.conditions import PATH_SUFFIX
from engine.runtime.step import GIVEN, Step
from engine.task.config import AttributeConfig, TaskConfig
from engine.task.turns import conditions_read, resolve_turns
from training.requirements import check_examples


def given(config: RunConfig) -> list[Step]:
    """Lists the steps of a training on given examples alone.

    Raises:
        UserError: what the model is to learn needs documents.
    """
    check_without_documents(config.model)
    examples = Step("examples", read_given, given_config(config), checks_input=True)
    files = measured_files(config, (examples,))
    [model] = model_steps(config.model, (examples,))
    return [examples, *files, model, report_of_examples(config, (examples,), model, files)]


def trained_on(config: RunConfig, documents: Step, examples: Step) -> tuple[list[Step], list[Step]]:
    """Lists the steps between the examples of an adaptation and its model, of which the last is what the model reads.

    Given examples join generated ones; what is held out is held out of generated examples, so that the report measures
    on these. Where conditions are labels, generated texts get them.

    Returns:
        What stands first in the run, since it reads what the user gave; and what follows the examples. Both may be
        empty.

    Raises:
        UserError: given examples are to be mixed with labelled ones, hard negatives are to be mined for them, or labels
            are no conditions of the task.
    """
    if config.model.label:
        if config.examples.path:
            what, remedy = "given examples are mixed with queries of passages only", "leave one of them out"
            raise UserError(what, where=f"examples.path, {LABEL_KEY}", remedy=remedy)
        settings = LabelledConfig.of(config.model.label, config.task.attributes, config.model.controls)
        _check_values(settings.conditions, config.task.attributes)
        _check_controls(settings.controls, config.task.attributes)
        _check_read(settings, config)
        return [], [Step("examples", label_examples, settings, (examples,), part_of=f"{GIVEN}/labelled")]
    if not config.examples.path:
        return [], []
    if config.model.num_hard_negatives:
        what, where = (
            "given passages are not among the documents",
            f"model.num_hard_negatives={config.model.num_hard_negatives}",
        )
        raise UserError(f"{what} that hard negatives are mined from", where=where, remedy="set it to 0")
    read = Step("examples", read_given, given_config(config, beside_generated=True), checks_input=True)
    read = replace(read, name="given", part_of=f"{GIVEN}/read")
    weights = MixConfig(config.examples.weight, config.examples.seed)
    return [read], [Step("examples", mix_examples, weights, (documents, examples, read), part_of=f"{GIVEN}/mixed")]


def check_given(config: RunConfig) -> None:
    """Looks at the first rows of given examples, and refuses a training that they are no examples for.

    What the rest of the files holds is found when they are read; what the first rows tell is told before anything is
    made.

    Raises:
        UserError: there are no such files, their columns are doubtful, or the family or its loss does not read them.
    """
    if STAGES_KEY in kinds_of(config):
        check_sets(config)
    if not config.examples.path:
        return
    is_alone = GIVEN_KEY in kinds_of(config)
    opened = open_examples(given_config(config, beside_generated=not is_alone))
    if is_alone and last_noun(config) != "examples":
        check_examples(config.model, opened.columns.form, has_documents=False)


def _check_values(names: Sequence[str], attributes: Mapping[str, AttributeConfig]) -> None:
    """Refuses conditions that no two texts can differ by, before texts are generated.

    Only values that the task lists are known by now; the step that labels refuses the rest.
    """
    for name in names:
        values = _listed_values(attributes[name])
        if not values:
            continue
        if len(values) == 1:
            what, remedy = f"all texts have the same {name!r}", "name a condition with several values"
        elif len(names) > 1 and YES not in values:
            what, remedy = f"{name!r} is never {YES!r}, so that it labels no text", f"give it the values {YES} and no"
        else:
            continue
        raise UserError(what, where=f"{LABEL_KEY}={name}", remedy=remedy)


def _listed_values(attribute: AttributeConfig) -> list[str]:
    """Returns the values that a condition may have where the task lists them; none where samples may have others."""
    is_other = attribute.depends_on or attribute.pick or attribute.from_demonstrations
    if is_other or not isinstance(attribute.values, Mapping):
        return []
    return [str(value) for value, weight in attribute.values.items() if weight != 0 or attribute.from_queries]


def _check_controls(controls: Mapping[str, str], attributes: Mapping[str, AttributeConfig]) -> None:
    """Refuses controls that no text can be, or that leave no other text, where the task lists the values."""
    for name, value in controls.items():
        values = _listed_values(attributes[name])
        if not values:
            continue
        if value not in values:
            what, remedy = f"{name!r} is never {value!r}", suggest(value, values)
        elif len(values) == 1 and len(controls) == 1:
            what, remedy = f"{name!r} is always {value!r}, so that all texts are controls", "give it another value too"
        else:
            continue
        raise UserError(what, where=f"{CONTROLS_KEY}.{name}={value}", remedy=remedy)


def _check_read(settings: LabelledConfig, config: RunConfig) -> None:
    """Refuses labels and controls that nothing of a text is written by: texts would have them by chance.

    Labels pass where a judge is asked, since it may hold them against the text.
    """
    reached = _reached(config.task)
    unread = [(f"{CONTROLS_KEY}.{name}={value}", name) for name, value in settings.controls.items()]
    if not config.examples.filters.judge:
        unread += [(f"{LABEL_KEY}={name}", name) for name in settings.conditions]
    for where, name in unread:
        if reached is not None and name not in reached:
            what = f"no prompt of the task reads the condition {name!r}, so that texts would have it by chance"
            raise UserError(what, where=where, remedy=f"let a prompt write `condition.{name}`, or decide by it")


def _reached(task: TaskConfig) -> frozenset[str] | None:
    """Returns the conditions that samples are written by; None where any may be meant.

    A condition is reached too by what is drawn for it: another one that is read, or demonstrations.
    """
    read = conditions_read(resolve_turns(task).values())
    if read is None:
        return None
    attributes = task.attributes
    reached = {name for name in attributes if {name, f"{name}{PATH_SUFFIX}"} & read}
    reached |= {name for name, attribute in attributes.items() if attribute.from_demonstrations}
    together = [set(combination) for combination in task.exclude] + [set(quota.where) for quota in task.quotas]
    together += [{name, attribute.depends_on} for name, attribute in attributes.items() if attribute.depends_on]
    while further := [names for names in together if names & reached and names - reached]:
        reached |= set().union(*further)
    return frozenset(reached)


def given_config(config: RunConfig, *, beside_generated: bool = False) -> GivenConfig:
    """Returns the settings by which given examples are read.

    Args:
        config: the run.
        beside_generated: whether they are trained on together with generated ones; then none are drawn to be held out.
    """
    settings = config.examples
    return GivenConfig(
        settings.path,
        settings.form,
        settings.columns.by_role(),
        lowest_score=settings.lowest_score,
        highest_score=settings.highest_score,
        validation_share=0.0 if beside_generated else settings.validation_share,
        seed=settings.seed,
        beside_generated=beside_generated,
    )
