"""What the report of a run without documents comes to, in sentences.

In: a GivenReport. Out: short texts, the same on the page and on the terminal. A difference is never called better or
worse where its interval includes zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eval import wording
from eval.classification.figures import ACCURACY, CENTROID, MACRO, MAJORITY, MICRO, TUNED, ClassificationFigures
from eval.data_quality.controls import CONDITIONED, CONTROLS, ControlFigures
from eval.given.figures import GivenReport
from eval.given.searched import SearchedSystem, SearchFigures
from eval.page.similarity import pairs_of
from eval.report import HELD_OUT
from eval.retrieval.metrics import HEADLINE
from eval.significance import DifferenceFigures
from eval.similarity.figures import BASE, PEARSON, SPEARMAN
from eval.systems import describe

METRIC_NAMES = {
    **wording.METRIC_NAMES,
    "hit@2": "hit@2",
    "mrr@100": "MRR",
    ACCURACY: "accuracy",
    MACRO: "macro-F1",
    MICRO: "micro-F1",
    PEARSON: "Pearson",
    SPEARMAN: "Spearman",
}
"""The names of metrics that people read."""
RULES = {
    TUNED: "tuned",
    CENTROID: "nearest mean vector of a label, by the base",
    MAJORITY: "always the most common label",
}
"""The names of what gives labels."""
_SEARCH = ("Tuning made search better", "Tuning made search worse", "No clear difference in search")
_GRADES = (
    "Tuning made scores agree better with grades",
    "Tuning made scores agree worse with grades",
    "No clear difference in how scores agree with grades",
)
_LABELS = (
    "The classifier is better than the vectors of the base",
    "The classifier is worse than the vectors of the base",
    "The classifier is not clearly better than the vectors of the base",
)
FEW = 30
"""With fewer independent units than this an interval says little."""


@dataclass(frozen=True)
class Finding:
    """What one set of examples shows of the tuned model."""

    titles: tuple[str, str, str]
    """What a headline says where it is better, worse, or neither for sure."""
    sentence: str
    trend: str
    """Direction of the difference: better, worse or unclear."""
    difference: DifferenceFigures
    """Tuned minus what it is compared with, by the headline metric."""


def findings(report: GivenReport) -> list[Finding]:
    """Says what each set shows, a sentence for each; the first is what the headline is about."""
    return [*_searches(report), *_similarities(report), *_classifications(report)]


def headline(report: GivenReport) -> str:
    """Says in a few words whether tuning helped."""
    first = next(iter(findings(report)), None)
    if first is None:
        return "Nothing to measure on"
    return first.titles[("better", "worse", "unclear").index(first.trend)]


def lead(report: GivenReport) -> str:
    """Says what the headline rests on, with the interval, or why there is nothing to say."""
    first = next(iter(findings(report)), None)
    if first:
        return first.sentence
    kind = report.form
    return (
        f"There are no held-out {kind} that say how good the model is; raise examples.validation_share, or name a file."
    )


def count(figures: SearchFigures | ClassificationFigures, name: str) -> str:
    """Says which examples a set is, such as `500 of 2,000 held-out pairs`."""
    if isinstance(figures, SearchFigures):
        number, kind = figures.queries, "queries"
    else:
        number, kind = figures.texts, "labelled texts"
    of = f" of {figures.of:,}" if figures.of > number else ""
    told = figures.kind if isinstance(figures, SearchFigures) else ""
    if (told or name) == HELD_OUT:
        return f"{number:,}{of} held-out {kind}"
    if isinstance(figures, SearchFigures):
        return f"{number:,}{of} judged {kind} of {figures.name if told else name}"
    left_out = f" ({figures.trained_on:,} more were trained on or calibrated by)" if figures.trained_on else ""
    return f"{number:,}{of} {kind} of the file{left_out}"


def tuned_system(figures: SearchFigures) -> str:
    """Returns the system that shows what tuning did: the tuned model alone, or what it makes of a first stage."""
    if "tuned" in figures.systems:
        return "tuned"
    return next((name for name in figures.systems if name.endswith("@tuned") and "@30@" in name), "")


def system_name(name: str) -> str:
    """Puts the name of a system into words."""
    return RULES.get(name) or describe(name)


def change(metric: str, before: float, after: float, difference: DifferenceFigures) -> str:
    """Says how a metric moved, with its interval."""
    trend = wording.trend_of(difference)
    moved = {"better": "rose", "worse": "fell", "unclear": "went"}[trend]
    doubt = ", so this may be chance" if trend == "unclear" else ""
    interval = f"95 % interval {wording.signed(difference.low)} to {wording.signed(difference.high)}"
    start = f"{METRIC_NAMES[metric]} {moved} from {before:.3f} to {after:.3f}"
    return f"{start}, a difference of {wording.signed(difference.mean)} ({interval}{doubt})"


def _searches(report: GivenReport) -> Iterator[Finding]:
    for name, figures in report.search.items():
        system = tuned_system(figures)
        if system:
            yield _search(figures, name, figures.systems[system], system)


def _search(figures: SearchFigures, name: str, tuned: SearchedSystem, system: str) -> Finding:
    base = figures.systems[tuned.beside]
    difference = tuned.difference[HEADLINE]
    where = f"On {count(figures, name)} among {figures.passages:,} passages"
    said = change(HEADLINE, base.means[HEADLINE], tuned.means[HEADLINE], difference)
    ones = change("hit@1", base.means["hit@1"], tuned.means["hit@1"], tuned.difference["hit@1"])
    beside = f"{describe(system)} beside {describe(tuned.beside)}"
    few = _few(figures.clusters, figures.cluster)
    return Finding(
        _SEARCH, f"{where}, {said}; {ones}. That is {beside}{few}.", wording.trend_of(difference), difference
    )


def _similarities(report: GivenReport) -> Iterator[Finding]:
    for name, figures in report.similarity.items():
        difference = figures.difference[SPEARMAN]
        base, tuned = figures.systems[BASE], figures.systems["tuned"]
        said = change(SPEARMAN, base[SPEARMAN], tuned[SPEARMAN], difference)
        also = change(PEARSON, base[PEARSON], tuned[PEARSON], figures.difference[PEARSON])
        few = _few(figures.clusters, "pair")
        sentence = f"On {pairs_of(figures, name)}, {said}; {also}{few}."
        yield Finding(_GRADES, sentence, wording.trend_of(difference), difference)


def _classifications(report: GivenReport) -> Iterator[Finding]:
    for name, figures in report.classification.items():
        difference = figures.difference[CENTROID][MACRO]
        tuned, centroid = figures.systems[TUNED], figures.systems[CENTROID]
        said = change(MACRO, centroid[MACRO], tuned[MACRO], difference)
        right = f"the tuned model is right about {wording.share(tuned[ACCURACY], 1)} of the texts"
        majority = f"always giving the most common label about {wording.share(figures.systems[MAJORITY][ACCURACY], 1)}"
        few = _few(figures.documents, "document")
        sentence = (
            f"On {count(figures, name)}, {said}, beside the nearest mean vector of a label by the base; {right}, "
            f"{majority}{few}."
        )
        yield Finding(_LABELS, sentence, wording.trend_of(difference), difference)


def diversity_beside_controls(figures: ControlFigures) -> str:
    """Says how different texts are from one another, beside controls."""
    shares, number = figures.shares, figures.samples[CONTROLS].texts
    more = "more" if figures.difference > 0 else "fewer"
    verdict = f"a difference of {wording.signed(figures.difference)} (p {figures.p:.3f})"
    if figures.p >= 0.05:
        told, verdict = "No clear difference in how much texts repeat one another", f"{verdict}, so this may be chance"
    else:
        told = f"Texts that were written under conditions have {more} different pairs of words than controls"
    return (
        f"{told}: {wording.share(shares[CONDITIONED], 1)} of {figures.pairs:,} pairs are different ones, beside "
        f"{wording.share(shares[CONTROLS], 1)} of as many (at most {number:,} texts of each); {verdict}."
        f"{_controls_kept(figures)}"
    )


def _controls_kept(figures: ControlFigures) -> str:
    """Says how many controls the filters kept and rejected; empty in a report from before they were counted."""
    if not figures.kept:
        return ""
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in figures.rejected.items())
    rejected = f"{sum(figures.rejected.values()):,} rejected ({reasons})" if reasons else "none rejected"
    return f" Of the controls {figures.kept:,} were kept, and {rejected}."


def _few(clusters: int, unit: str) -> str:
    """Returns a warning where there is little to tell by; empty where there is enough."""
    return f"; with only {clusters:,} {unit}{'' if clusters == 1 else 's'} that says little" if clusters < FEW else ""
