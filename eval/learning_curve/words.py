"""What a learning curve comes to, in sentences.

In: a LearningCurve. Out: short texts, the same on the page and on the terminal.
"""

from __future__ import annotations

from engine.text.durations import format_seconds
from eval import wording
from eval.learning_curve.figures import Effort, LearningCurve, SetCurves
from eval.sweeps.measuring import JUDGED
from eval.sweeps.names import system_name
from eval.sweeps.paired import SMALL


def main_set(figures: LearningCurve) -> SetCurves:
    """Returns the set of queries that headlines are about: judged questions where there are any."""
    return figures.sets.get(JUDGED) or next(iter(figures.sets.values()))


def queries_of(curves: SetCurves) -> str:
    """Says which queries a set is."""
    if curves.name == JUDGED:
        return f"{curves.queries:,} judged questions"
    return f"{curves.queries:,} synthetic queries of {curves.clusters:,} held-out documents"


def examples_of(count: int) -> str:
    """Writes a number of examples, such as `1,200 examples`."""
    return f"{count:,} examples" if count else "no examples"


def title(figures: LearningCurve) -> str:
    """Says in a few words from where on more examples stop helping search by words and by the model."""
    curve = main_set(figures).systems["tuned_words"]
    count = figures.efforts[curve.enough].examples
    if curve.beyond is None:
        return f"More than {examples_of(count)} may still help"
    if curve.beyond.high > SMALL:
        return f"{examples_of(count)} may be enough" if count else "Whether examples help is not known"
    return f"{examples_of(count)} are enough" if count else "Examples help little or nothing here"


def enough_sentence(figures: LearningCurve, curves: SetCurves, system: str) -> str:
    """Says from where on more examples stop helping one system, and how sure that is."""
    curve = curves.systems[system]
    name, most = system_name(system), figures.efforts[-1].examples
    start = f"{name} on {queries_of(curves)}"
    if curve.beyond is None:
        return f"{start}: every smaller number is significantly worse than a larger one, up to {examples_of(most)}."
    difference = wording.with_interval(curve.beyond)
    if not curve.enough:
        return f"{start}: no number of examples is significantly better than the base; {most:,} of them: {difference}."
    count = figures.efforts[curve.enough].examples
    return (
        f"{start}: beyond {examples_of(count)} no larger number is significantly better; {most:,} beside them: "
        f"{difference}."
    )


def gain_sentences(figures: LearningCurve, curves: SetCurves, system: str) -> list[str]:
    """Says of each step up what it gained and what it cost."""
    sentences = []
    levels = curves.systems[system].levels
    for at, (before, after) in enumerate(zip(figures.efforts, figures.efforts[1:], strict=False), start=1):
        gain = levels[at].gain
        assert gain, "every level but the first has one"
        sentences.append(
            f"From {before.examples:,} to {after.examples:,} examples: {wording.with_interval(gain)} nDCG@10 for "
            f"{after.samples - before.samples:,} samples{_time_between(before, after, figures.processor)}."
        )
    return sentences


def next_sentence(figures: LearningCurve) -> str:
    """Says what the next doubling would cost, as far as the last numbers tell."""
    last = figures.efforts[-1]
    gain = main_set(figures).systems["tuned_words"].levels[-1].gain
    assert gain, "the last level is not that of the base"
    return (
        f"As many examples again would take another {last.samples:,} samples"
        f"{_time_between(figures.efforts[0], last, figures.processor)}, and a training of about "
        f"{format_seconds(2 * last.training_seconds)}. The last step gained {wording.with_interval(gain)}."
    )


def engine_time(effort: Effort) -> str:
    """Writes the time of the engines, or a dash where it is not known."""
    return "\u2013" if effort.engine_seconds is None else format_seconds(effort.engine_seconds)


def _time_between(before: Effort, after: Effort, processor: str) -> str:
    """Writes how much more time of the engines one number of examples took, to stand behind its samples."""
    if after.engine_seconds is None:
        return ""
    return f" (about {format_seconds(after.engine_seconds - (before.engine_seconds or 0.0))} of {processor} time)"
