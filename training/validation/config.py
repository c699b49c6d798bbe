"""The settings of validation: every key of `model.validation.*`.

In: values from YAML and the command line. Out: a frozen ValidationConfig that has refused what cannot work. It imports
neither torch nor Ray, because the config is read on every start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine.artifacts.collection import Collection, load_collection
from engine.artifacts.judgements import list_splits, whereabouts
from engine.errors import UserError, check_setting, suggest
from engine.runtime.identity import fields_of
from engine.storage.digests import digest

JUDGED_KEY = "model.validation.judged"
"""The config key that names the folder of judged development queries, for messages."""


class ValidatedOn(Enum):
    """The queries that validation measures."""

    held_out = "held_out"
    """Synthetic queries of held-out documents."""
    judged = "judged"
    """The judged queries of `judged`."""
    both = "both"
    """Both, each kind counting one half."""


class Keep(Enum):
    """The weights that become the model."""

    last = "last"
    """Those after the last step."""
    best = "best"
    """Those of the validation with the highest score; of step 0, where no later one is as high."""


@dataclass(frozen=True)
class ValidationConfig:
    """Which queries are measured while the model trains, how often, and what follows from it.

    Synthetic queries tell harm, and not which of two good models is better (docs/results.md, "Recipes of training"):
    so the last weights are kept unless `keep` says otherwise, and training stops by itself only at clear harm.
    """

    every: int | None = None
    """Validates each so many steps, before the first and after the last; 0 never does. Null validates about ten times,
    less often where it would take more than a tenth of the time of training, and not at all where so little training
    leaves no room for two validations."""
    patience: int | None = None
    """Training stops after so many validations in a row that were not better than the best one before; null trains to
    the end. Whatever is set, it stops where nDCG@10 is lower than before the first step beyond doubt: by a 99 %
    interval, clustered by document."""
    queries: ValidatedOn = ValidatedOn.held_out
    """What is measured: held_out (synthetic queries of held-out documents), judged (those of `judged`), or both."""
    judged: str = ""
    """A folder with queries.jsonl and qrels/ of development queries; the report's benchmark has to be another one."""
    split: str = "dev"
    """The judgements of `judged` to use: qrels/SPLIT.tsv."""
    also_reported: bool = False
    """Allows `judged` to be what the report measures on, whose figures then flatter the model."""
    keep: Keep = Keep.last
    """The weights that become the model: last, or best."""
    max_queries: int = 200
    """Measures at most so many queries of each kind, drawn by hashes of their ids."""
    max_passages: int = 1_000
    """Ranks at most so many passages: those that answer, and others drawn by hashes of their ids; texts are cut as in
    training (`train_max_tokens`)."""

    def __post_init__(self) -> None:
        """Refuses values that could only fail later, and judged queries that are named and not read."""
        self._check("every", self.every is None or self.every >= 0, "0 or more, or null")
        self._check("patience", self.patience is None or self.patience >= 1, "1 or more, or null")
        self._check("max_queries", self.max_queries >= 1, "1 or more, such as 200")
        self._check("max_passages", self.max_passages >= 2, "2 or more, such as 1000")
        is_idle = self.every == 0 and self.is_asked_for
        self._check("every", not is_idle, "1 or more, or null: what else is set of model.validation needs validations")
        if self.reads_judged and not self.judged:
            remedy = f"name a folder with queries.jsonl and qrels/ ({JUDGED_KEY}=FOLDER), or measure held_out"
            where = f"model.validation.queries={self.queries.value}"
            raise UserError("needs judged development queries, and none are named", where=where, remedy=remedy)
        if self.judged and not self.reads_judged:
            remedy = "set model.validation.queries=judged, or both, or leave the folder out"
            raise UserError(
                "is not read: only held-out queries are", where=f"{JUDGED_KEY}={self.judged}", remedy=remedy
            )

    def _check(self, name: str, is_allowed: bool, allowed: str) -> None:
        check_setting(is_allowed, f"model.validation.{name}", getattr(self, name), allowed)

    @property
    def is_asked_for(self) -> bool:
        """Whether more than the default is set, so that it has to be told where there is no validation."""
        return bool(self.every) or self.patience is not None or self.keep is Keep.best or self.reads_judged

    @property
    def reads_judged(self) -> bool:
        """Whether judged queries are measured."""
        return self.queries is not ValidatedOn.held_out

    def development(self) -> Collection | None:
        """Reads the judged development queries; None where none are measured.

        Raises:
            UserError: there is no such folder or split, or a file in it is malformed.
        """
        if not self.reads_judged:
            return None
        folder = Path(self.judged).expanduser()
        if not folder.is_dir():
            remedy = "name a folder with queries.jsonl and qrels/"
            raise UserError("there is no such folder", where=f"{JUDGED_KEY}={self.judged}", remedy=remedy)
        if self.split not in (splits := list_splits(folder)):
            what = f"{folder} has no judgements of this name: {whereabouts(folder, self.split)}"
            raise UserError(what, where=f"model.validation.split={self.split}", remedy=suggest(self.split, splits))
        return load_collection(folder, self.split)

    def identity(self) -> dict[str, object]:
        """Returns the fields, with the content of the judged queries in the place of their folder."""
        found = self.development()
        judged = digest([found.judged, found.qrels]) if found else ""
        return fields_of(self, without=("also_reported",)) | {"judged": judged}
