"""Measures a classifier on labelled texts, beside what plain rules reach on them.

In: an examples folder of the form `labelled`, the classifier, an encoder that was not trained on it. Out:
ClassificationFigures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import LABELS, TEXT
from engine.errors import UserError
from eval.classification.baselines import Encode, Labelled, most_common, nearest_centroid
from eval.classification.calibration import Flags, calibration, sigmoid, softmax
from eval.classification.figures import (
    CENTROID,
    MAJORITY,
    TUNED,
    ClassificationFigures,
    WrongText,
    confusion,
    label_figures,
    levels_of,
)
from eval.classification.model import Classifier
from eval.classification.temperatures import crossfit
from eval.given.rows import HELD_OUT_SPLIT, TRAIN_SPLIT, draw_examples
from eval.given.trained import TrainedTexts
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap

LABELLED = "labelled"
"""The name under which a step finds the labelled texts of a file, after the setting `report.labelled`."""
SHOWN = 20
"""The most texts that are shown of those that the classifier is wrong about."""
_TRAINED = 10_000
"""The most texts of the training set that the baselines learn from."""
_CHARACTERS = 300
_THRESHOLD = 0.5
"""Where a text may have several labels, those with this probability or a larger one are given."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Labelled texts to measure on.

    Attributes:
        labelled: the texts with their labels.
        documents: the document of each.
        of: the number of texts that these were drawn from.
        trained_on: the number of further texts of a file that were trained on or calibrated by; None of a run's own
            held-out texts.
    """

    labelled: Labelled
    documents: Sequence[str]
    of: int
    trained_on: int | None = None


@dataclass(frozen=True, eq=False)
class Given:
    """The labels that the classifier gives, and its probabilities.

    Attributes:
        flags: which labels each text is given, (texts, labels).
        before: probabilities without the temperature, same shape.
        after: those with it, or each half of the texts with that of the other half.
        temperatures: of both halves; empty where the model's own was taken.
    """

    flags: Flags
    before: Floats
    after: Floats
    temperatures: Sequence[float] = ()


def read_texts(folder: ExamplesFolder, split: str, limit: int, trained: TrainedTexts | None = None) -> Texts:
    """Reads labelled texts.

    Args:
        folder: examples of the form `labelled`.
        split: of which split; "" for both.
        limit: at most so many texts; 0 for all.
        trained: what the model knows, which texts of a file may have in common; None of a run's own examples.
    """
    table, total = draw_examples(folder, [TEXT, LABELS], split, limit, trained.unseen if trained else None)
    labelled = Labelled(table[TEXT].to_pylist(), [labels or [] for labels in table[LABELS].to_pylist()])
    return Texts(labelled, table["document_id"].to_pylist(), total, trained.left_out if trained else None)


def measure_labels(
    texts: Texts, trained: Labelled, model: Classifier, encode: Encode, bootstrap: Bootstrap
) -> ClassificationFigures | None:
    """Gives the texts labels by the classifier and by the baselines, and compares them; None without texts.

    Args:
        texts: what is measured on.
        trained: what the model was trained on; see `trained_texts`.
        model: the classifier.
        encode: gives vectors of texts by the base.
        bootstrap: how resamples are drawn.

    Raises:
        UserError: a text has several labels where the classifier gives each text one.
    """
    labelled = texts.labelled
    if not labelled.texts:
        return None
    _check_labels(model, labelled)
    names = [*model.labels, *sorted({name for row in labelled.labels for name in row}.difference(model.labels))]
    truth = labelled.flags(names)
    tuned = _given(model, texts, truth)
    baselines = {
        CENTROID: nearest_centroid(trained, names, labelled.texts, encode),
        MAJORITY: most_common(trained, names, len(labelled.texts)),
    }
    flags = {TUNED: tuned.flags, **baselines}
    levels = {
        name: levels_of(truth, given, texts.documents, bootstrap, several=model.several)
        for name, given in flags.items()
    }
    return ClassificationFigures(
        texts=len(labelled.texts),
        of=texts.of,
        documents=len(set(texts.documents)),
        labels=names,
        several=model.several,
        systems={name: {key: mean.mean for key, mean in level.metrics.items()} for name, level in levels.items()},
        ci95={
            name: {key: mean.figures().ci95 for key, mean in level.metrics.items()} for name, level in levels.items()
        },
        difference={name: levels[TUNED].minus(levels[name]) for name in baselines},
        by_label=label_figures(names, truth, tuned.flags),
        confusion=() if model.several else confusion(truth, tuned.flags),
        temperature=model.temperature,
        temperatures=tuned.temperatures,
        calibration={
            "before": calibration(tuned.before, truth, several=model.several),
            "after": calibration(tuned.after, truth, several=model.several),
        },
        wrong=_wrong(texts, names, truth, tuned),
        trained_on=texts.trained_on or 0,
    )


def trained_texts(folder: ExamplesFolder) -> Labelled:
    """Reads the texts that the baselines learn from: the training split, drawn where it is large."""
    return read_texts(folder, TRAIN_SPLIT, _TRAINED).labelled


def held_out_texts(folder: ExamplesFolder, limit: int) -> Texts:
    """Reads the texts of the folder's own held-out documents."""
    return read_texts(folder, HELD_OUT_SPLIT, limit)


def _check_labels(model: Classifier, labelled: Labelled) -> None:
    """Refuses texts without exactly one label where the classifier gives each text one."""
    wrong = [text for text, row in zip(labelled.texts, labelled.labels, strict=True) if len(row) != 1]
    if wrong and not model.several:
        what = (
            f"{len(wrong):,} texts have no label or several, and the classifier gives each text one: {wrong[0][:80]!r}"
        )
        raise UserError(what, where="report.labelled", remedy="give each text one label, or train with several")


def _given(model: Classifier, texts: Texts, truth: Flags) -> Given:
    """Returns what the classifier gives; labels that it does not know, behind its own, have the probability 0.

    A run's own held-out texts are those that the temperature of the model was found on, so that each half of them is
    divided by the temperature of the other half.
    """
    logits, known = model.logits(texts.labelled.texts), len(model.labels)
    turn, unknown = sigmoid if model.several else softmax, truth.shape[1] - known
    fitted = None
    if texts.trained_on is None:
        fitted = crossfit(logits, truth[:, :known], texts.documents, several=model.several)
    divisors = (1.0, fitted.by_text() if fitted else model.temperature)
    before, after = (np.pad(turn(logits / by), ((0, 0), (0, unknown))) for by in divisors)
    temperatures = fitted.temperatures if fitted else ()
    if model.several:
        return Given(after >= _THRESHOLD, before, after, temperatures)
    flags = np.zeros(after.shape, np.bool_)
    flags[np.arange(len(logits)), after.argmax(axis=1)] = True
    return Given(flags, before, after, temperatures)


def _wrong(texts: Texts, names: Sequence[str], truth: Flags, tuned: Given) -> list[WrongText]:
    """Returns texts with a wrong label, those first whose mistake the model gives the highest probability."""
    mistakes = truth != tuned.flags
    sure = tuned.after
    confidences = np.where(mistakes, np.where(tuned.flags, sure, 1 - sure), 0.0)
    # A label that is given in place of another one is one mistake: its own probability is the confidence.
    given_wrongly = np.where(mistakes & tuned.flags, sure, 0.0)
    confidence = np.where(given_wrongly.any(axis=1), given_wrongly.max(axis=1), confidences.max(axis=1))
    rows = [int(row) for row in np.argsort(-confidence, kind="stable") if mistakes[row].any()][:SHOWN]
    labelled = texts.labelled
    return [
        WrongText(
            text=_short(labelled.texts[row]),
            labels=list(labelled.labels[row]),
            given=[name for name, flag in zip(names, tuned.flags[row], strict=True) if flag],
            confidence=float(confidence[row]),
            document_id=texts.documents[row],
        )
        for row in rows
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CHARACTERS else f"{line[:_CHARACTERS].rstrip()} …"
