"""The settings of a comparison of several models: what they learn from, what each goes on from, how they are measured.

In: values of `stages.*`. Out: a config that has refused what names something that is not there, the models in the order
of training, and the config of the last step. What a model is set to (`model.*`) is read by the pipeline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.artifacts.forms import Form
from engine.errors import UserError, check_setting, suggest
from eval.config import ReportConfig
from eval.sweeps.identity import templates_digest

TEMPLATE = "stages.html"
"""The template of the page."""
BASE, BM25 = "base", "bm25"
"""The names of what is measured without training; no stage may have them."""
MODEL, FIRST = "model", "first"
"""The names of the trained model of a stage, among its inputs and in its scores, and of the one whose search it orders;
no set may have them, since sets are inputs too."""
METRICS = ("ndcg@10", "hit@1", "hit@2", "hit@3", "hit@10", "mrr@100")
"""What a search for the passages of pairs is measured by."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_DERIVED = (Form.texts, Form.triplets)
"""The forms that pairs can be given."""


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class SetConfig:
    """Examples that models learn from.

    A set with a path is measured on, too: its held-out part, and as much of the part that is trained on.
    """

    path: str = ""
    """A file of examples, or a folder of such files; see `examples.path`."""
    form: Form | None = None
    """What a row is; null: found by the columns. Of a set that is made of another: texts or triplets."""
    columns: dict[str, str] = field(default_factory=dict)
    """The names of columns by role, where they are not usual ones; see `examples.columns`."""
    limit: int = 0
    """The most passages (of graded pairs: second texts) whose rows are taken, for a smaller run; 0: all."""
    of: str = ""
    """In place of a path the name of a set of pairs, whose documents and sides it shares."""
    negatives: int = 1
    """Of triplets: a pair comes with so many passages that do not answer it, one in each row."""
    hard: bool = False
    """Of triplets: negatives are the first passages that BM25 finds for the query, in place of random ones."""


@dataclass  # likewise
class StageConfig:
    """One model, or several of more and more epochs."""

    examples: str = ""
    """The set that it learns from."""
    start: str = ""
    """The stage whose model it goes on from; empty: `model.base`."""
    model: dict[str, Any] = field(default_factory=dict)
    """Its settings that differ from `model.*`."""
    epochs: list[int] = field(default_factory=list)
    """The numbers of epochs of a curve, such as [1, 3, 10]: a model for each, which goes on from the one before."""
    reranks: str = ""
    """Of a cross-encoder: the stage whose first passages it orders, or `base`."""
    depth: int = 30
    """Of a cross-encoder: the number of passages that it is given."""


@dataclass(frozen=True)
class Point:
    """One model that is trained and measured."""

    name: str
    stage: str
    """The stage that it belongs to."""
    config: StageConfig
    start: str
    """The point that it goes on from; empty: the base."""
    reranks: str
    """The point whose search it reorders; empty for an encoder."""
    epochs: int = 0
    """The epochs of this training, where the stage is a curve; 0: as `model.epochs` says."""
    total_epochs: int = 0
    """The epochs of the curve up to here; 0: the stage is none."""

    @property
    def beside(self) -> str:
        """Returns the name of what it is compared with."""
        return self.start or self.reranks or BASE


@dataclass(frozen=True)
class StagesConfig:
    """Several models that a run trains and compares; with any, the run ends with that in place of a report."""

    sets: dict[str, SetConfig] = field(default_factory=dict)
    """What is learned from, by name."""
    models: dict[str, StageConfig] = field(default_factory=dict)
    """The stages by name, in the order of training. Empty: no stages are run."""
    metrics: list[str] = field(default_factory=lambda: ["hit@1", "hit@3", "hit@10"])
    """The metrics of the table, of those that are measured; the first one decides which model is called the best."""

    def __post_init__(self) -> None:
        """Refuses names of sets, stages and metrics that are not there, and settings that contradict each other."""
        for metric in self.metrics:
            if metric not in METRICS:
                remedy = suggest(metric, list(METRICS))
                raise UserError(f"{metric!r} is not measured", where="stages.metrics", remedy=remedy)
        check_setting(bool(self.metrics), "stages.metrics", self.metrics, "at least one metric", fault="is empty")
        if not self.models:
            return
        for name, examples in self.sets.items():
            _check_set(name, examples, self.sets)
        _check_curves(self.models)
        for name, stage in self.models.items():
            _check_stage(name, stage)
            _check_known(stage.examples, list(self.sets), f"stages.models.{name}.examples", "set")
        list(self.points())

    @property
    def measured(self) -> list[str]:
        """Returns the names of the sets that are measured on."""
        return [name for name, examples in self.sets.items() if examples.path]

    @property
    def reranks(self) -> bool:
        """Tells whether some stage reorders what another one finds."""
        return any(stage.reranks for stage in self.models.values())

    def points(self) -> Iterator[Point]:
        """Gives all models in the order of training.

        Raises:
            UserError: a stage goes on from one that does not stand before it.
        """
        last: dict[str, str] = {}
        for name, stage in self.models.items():
            where = f"stages.models.{name}"
            start = _earlier(stage.start, last, f"{where}.start") if stage.start else ""
            reranks = _earlier(stage.reranks, {BASE: BASE, **last}, f"{where}.reranks") if stage.reranks else ""
            if not stage.epochs:
                yield Point(name, name, stage, start, reranks)
                last[name] = name
            trained = 0
            for total in stage.epochs:
                point = f"{name}-{total}"
                yield Point(point, name, stage, start, reranks, total - trained, total)
                last[name] = last[point] = start = point
                trained = total


@dataclass(frozen=True)
class StagesPlan:
    """The config of the step: what is compared, and how sure one can be."""

    settings: StagesConfig
    report: ReportConfig
    """How the report of the same run would draw resamples."""

    def identity(self) -> dict[str, object]:
        """Returns what changes the result; what was measured is input of the step."""
        rows = [(point.name, point.stage, point.beside, point.total_epochs) for point in self.settings.points()]
        return {
            "points": rows,
            "examples": {name: stage.examples for name, stage in self.settings.models.items()},
            "metrics": self.settings.metrics,
            "resamples": self.report.resamples,
            "seed": self.report.seed,
            "templates": templates_digest(TEMPLATE),
        }


def _check_set(name: str, examples: SetConfig, sets: dict[str, SetConfig]) -> None:
    where = f"stages.sets.{name}"
    _check_name(name, where, (BASE, BM25, MODEL, FIRST))
    whole = f"{name}-all"
    if examples.limit and whole in sets:
        what = f"is what {name} is called before its limit"
        raise UserError(what, where=f"stages.sets.{whole}", remedy="call it otherwise")
    check_setting(examples.limit >= 0, f"{where}.limit", examples.limit, "0 or more", fault="is too small")
    check_setting(examples.negatives >= 1, f"{where}.negatives", examples.negatives, "1 or more", fault="is too small")
    if bool(examples.path) is bool(examples.of):
        what = "has both a path and a set that it is made of" if examples.path else "names no examples"
        remedy = f"set {where}.path=FILE, or {where}.of to another set"
        raise UserError(what, where=where, remedy=remedy)
    if not examples.of:
        return
    given = [other for other, each in sets.items() if each.path]
    _check_known(examples.of, given, f"{where}.of", "set with a path")
    if form_of_other := sets[examples.of].form:
        check_made_of(name, examples.of, form_of_other)
    form = examples.form.value if examples.form else "null"
    is_known = examples.form in _DERIVED
    check_setting(is_known, f"{where}.form", form, "texts or triplets", fault="is not what pairs can become")
    check_setting(not examples.limit, f"{where}.limit", examples.limit, f"0; limit {examples.of}", fault="is of no use")


def check_made_of(name: str, other: str, form: Form) -> None:
    """Refuses a set that is made of another one, where that does not hold pairs.

    Args:
        name: the set.
        other: what it is made of.
        form: what the rows of that are.

    Raises:
        UserError: with the key of the set.
    """
    if form is not Form.pairs:
        what = f"is made of pairs, and the rows of {other} are {form.value}"
        raise UserError(what, where=f"stages.sets.{name}.of={other}", remedy="name a set of pairs")


def _check_stage(name: str, stage: StageConfig) -> None:
    where = f"stages.models.{name}"
    _check_name(name, where, (BASE, BM25))
    rises = all(low < high for low, high in zip([0, *stage.epochs], stage.epochs, strict=False))
    check_setting(rises, f"{where}.epochs", stage.epochs, "growing numbers, such as [1, 3, 10]", fault="does not grow")
    check_setting(stage.depth >= 1, f"{where}.depth", stage.depth, "1 or more", fault="is too small")
    if stage.epochs and "epochs" in stage.model:
        raise UserError("is given beside the epochs of a curve", where=f"{where}.model.epochs", remedy="leave one out")


def _check_curves(models: Mapping[str, StageConfig]) -> None:
    """Refuses a stage that is called as one of the models of a curve, which both could then be meant."""
    made = {f"{name}-{total}": name for name, stage in models.items() for total in stage.epochs}
    for name in models:
        if name in made:
            what = f"is what a model of the curve of {made[name]} is called"
            raise UserError(what, where=f"stages.models.{name}", remedy="call it otherwise")


def _check_name(name: str, where: str, taken: Sequence[str]) -> None:
    if not _NAME.fullmatch(name) or name in taken:
        remedy = f"call it otherwise, with small letters, digits, _ and -, and not {' or '.join(taken)}"
        raise UserError(f"{name!r} cannot be a name", where=where, remedy=remedy)


def _check_known(name: str, known: list[str], where: str, kind: str) -> None:
    if name not in known:
        remedy = suggest(name, known) if known else f"name a {kind}"
        raise UserError(f"there is no {kind} {name!r}", where=f"{where}={name}", remedy=remedy)


def _earlier(name: str, last: dict[str, str], where: str) -> str:
    """Returns the point that a name stands for: of a curve its last one."""
    _check_known(name, list(last), where, "earlier stage")
    return last[name]
