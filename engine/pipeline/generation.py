"""The step that has a plan answered, wherever in a run a model is asked something.

In: the model's settings, and the step of a plan. Out: a samples step.
"""

from __future__ import annotations

from dataclasses import replace

from engine.runtime.step import Step
from engine.samples.config import SamplesConfig
from engine.samples.step import generate_samples


def generation(
    settings: SamplesConfig, subjects: Step, prompts: Step, *, name: str = "", may_fail: bool = False
) -> Step:
    """Returns the step that has a plan answered, in the part of its plan; what a killed attempt committed is kept.

    Args:
        settings: the model that answers.
        subjects: what the plan is about.
        prompts: the plan.
        name: what later steps know the answers by.
        may_fail: whether all may fail, since they are few and those that do not are enough: the samples of round 0, and
            what earlier judges left, of which all may be too long for any model.
    """
    if may_fail:
        settings = replace(settings, max_failed_share=1.0)
    inputs, part = (subjects, prompts), prompts.part_of
    answers = Step("samples", generate_samples, settings, inputs, resumable=True, needs_engines=True)
    return replace(answers, name=name, part_of=part)
