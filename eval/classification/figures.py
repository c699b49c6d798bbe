"""What a classifier reaches on labelled texts, beside plain baselines, and how sure that is.

In: which labels texts have, and which each system gives them. Out: accuracy, macro- and micro-F1, the same by label, a
confusion matrix, all as scikit-learn defines them. Intervals come from the bootstrap of `eval.significance`, by
document; F1 is no mean over texts, so that hits and misses of whole documents are drawn and F1 is computed of each
draw. Macro-F1 is the mean over the labels that occur, in the truth or among what was given, and where a text may have
several labels over all of them, of which one that does not occur counts 0: both as scikit-learn has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from eval.classification.calibration import Calibration, Flags
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap, DifferenceFigures, Resampled, cluster_totals, resampled_means

ACCURACY, MACRO, MICRO = METRICS = ("accuracy", "macro_f1", "micro_f1")
"""The metrics of every system, as report.json names them; with one label for a text micro-F1 is the accuracy."""
TUNED, MAJORITY, CENTROID = "tuned", "majority", "centroid"
"""The systems: the classifier, the labels that are most common in training, and the nearest mean vector of a label."""


@dataclass(frozen=True)
class LabelFigures:
    """What the classifier reaches on one label."""

    precision: float
    recall: float
    f1: float
    support: int
    """The number of texts that have the label."""


@dataclass(frozen=True)
class WrongText:
    """A text that the classifier is wrong about, and how sure it is."""

    text: str
    labels: Sequence[str]
    """What it has."""
    given: Sequence[str]
    """What the classifier gives it."""
    confidence: float
    """The probability that the classifier gives to its mistake, 0 to 1."""
    document_id: str


@dataclass(frozen=True)
class ClassificationFigures:
    """What was measured on one set of labelled texts."""

    texts: int
    """The number of texts that were measured on."""
    of: int
    """The number that there were."""
    documents: int
    """The number of documents that these are of, which intervals take as independent."""
    labels: Sequence[str]
    """All labels, in the order of the model; those that it does not know are behind the others."""
    several: bool
    """Whether a text may have several labels; accuracy is then the share of texts with all labels right."""
    systems: Mapping[str, Mapping[str, float]]
    """The metrics, 0 to 1, by system."""
    ci95: Mapping[str, Mapping[str, tuple[float, float]]]
    """Their 95 % intervals."""
    difference: Mapping[str, Mapping[str, DifferenceFigures]]
    """Tuned minus each other system, by metric."""
    by_label: Mapping[str, LabelFigures]
    """The classifier's figures, by label."""
    confusion: Sequence[Sequence[int]] = ()
    """The number of texts by true label (rows) and given label (columns); empty where a text may have several."""
    temperature: float = 1.0
    """What the model divides logits by."""
    temperatures: Sequence[float] = ()
    """What the logits of each half of the texts are divided by here, found on the other half; empty where it is the
    model's own: on texts of a file, which it was not found on, and on a few held-out ones."""
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    """`before` and `after` the temperatures; empty for a model without probabilities."""
    wrong: Sequence[WrongText] = ()
    """Texts that the classifier is wrong about, the most confident first."""
    trained_on: int = 0
    """The number of further texts that were left out, since they were trained on or calibrated by."""


@dataclass(frozen=True, eq=False)
class Levels:
    """The metrics of one system, in one set of resamples.

    Attributes:
        metrics: by name.
    """

    metrics: Mapping[str, Resampled]

    def minus(self, other: Levels) -> dict[str, DifferenceFigures]:
        """Returns this system minus another one, by metric."""
        return {name: _difference(self.metrics[name], other.metrics[name]) for name in METRICS}


def levels_of(
    truth: Flags, given: Flags, clusters: Sequence[str], bootstrap: Bootstrap, *, several: bool = False
) -> Levels:
    """Computes the metrics of one system and their resamples, which are the same draws for every system.

    Args:
        truth: which labels each text has, (texts, labels), at least one text.
        given: which the system gives, same shape.
        clusters: the document of each text.
        bootstrap: how resamples are drawn.
        several: whether a text may have several labels.
    """
    sizes, sums = cluster_totals(list(_counts(truth, given).T), clusters)
    draws = metrics_of(resampled_means(sizes, sums, bootstrap.resamples, bootstrap.seed), several=several)
    levels = metrics_of((sums.sum(axis=0) / sizes.sum())[:, None], several=several)
    count = len(clusters)
    return Levels(
        {name: Resampled(float(levels[name][0]), draws[name], count, len(sizes), (0.0, 1.0)) for name in METRICS}
    )


def metrics_of(counts: Floats, *, several: bool) -> dict[str, Floats]:
    """Computes all metrics of counts, or of the means of counts.

    Args:
        counts: for each label the hits, then for each the false ones, then the misses; last the texts with all labels
            right. Shape (3 labels + 1, resamples).
        several: whether a text may have several labels.

    Returns:
        The values of each metric, (resamples,).
    """
    hits, false, missed = np.split(counts[:-1], 3)
    sums = 2 * hits + false + missed
    occurs = sums > 0
    by_label = np.where(occurs, 2 * hits / np.where(occurs, sums, 1.0), 0.0)
    total = sums.sum(axis=0)
    counted = len(sums) if several else np.maximum(occurs.sum(axis=0), 1)
    return {
        ACCURACY: counts[-1],
        MACRO: by_label.sum(axis=0) / counted,
        MICRO: 2 * hits.sum(axis=0) / np.where(total > 0, total, 1.0),
    }


def label_figures(labels: Sequence[str], truth: Flags, given: Flags) -> dict[str, LabelFigures]:
    """Computes precision, recall and F1 of each label, 0 where there is nothing to divide by."""
    from sklearn.metrics import precision_recall_fscore_support

    padded = [
        np.pad(flags, ((0, 0), (0, 1))) for flags in (truth, given)
    ]  # one column alone would be read as two classes
    columns = precision_recall_fscore_support(*padded, average=None, zero_division=0)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    return {label: LabelFigures(*row) for label, row in zip(labels, rows[:-1], strict=True)}


def confusion(truth: Flags, given: Flags) -> list[list[int]]:
    """Counts texts by true and given label, each text having one of either."""
    from sklearn.metrics import confusion_matrix

    numbers = list(range(truth.shape[1]))
    counts: list[list[int]] = confusion_matrix(truth.argmax(axis=1), given.argmax(axis=1), labels=numbers).tolist()
    return counts


def _counts(truth: Flags, given: Flags) -> Floats:
    """Returns what `metrics_of` takes, by text, (texts, 3 labels + 1)."""
    right = (truth == given).all(axis=1, keepdims=True)
    counts: Floats = np.concatenate([truth & given, ~truth & given, truth & ~given, right], axis=1).astype(np.float64)
    return counts


def _difference(system: Resampled, other: Resampled) -> DifferenceFigures:
    draws, mean = system.means - other.means, system.mean - other.mean
    return Resampled(mean, draws, system.queries, system.clusters, (-1.0, 1.0)).figures()
