"""The settings of the step that reads given examples: which files, what their columns mean, and how they are split.

In: what `examples.*` says of a file of examples. Out: a frozen config that the pipeline makes, whose identity holds
what the files contain and not where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given.source import KEY, Source, find_source
from engine.runtime.identity import fields_of
from engine.storage.digests import file_digests, listing_digest

_MEANT = {
    Form.pairs: "questions with their passages, in the form of SQuAD or KorQuAD or with two such columns",
    Form.graded: "pairs of texts with a score, in the form of KLUE-STS or with three such columns",
}
"""What the files of a form hold, for the message that says there are none."""


@dataclass(frozen=True)
class GivenConfig:
    """Which examples are read."""

    path: str
    """A file of examples, or a folder of such files, or one in the form of Hugging Face datasets."""
    form: Form | None = None
    """What a row is; None: found by the columns."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The names of columns by role (`engine.given.columns.Role`), or `none` where there is no such column; a role that
    is left out is found by usual names."""
    lowest_score: float | None = None
    """The score that becomes 0; None: found, with the highest one."""
    highest_score: float | None = None
    """The score that becomes 1."""
    validation_share: float = 0.1
    """The share of the documents to hold out, where the files have no split of their own."""
    seed: int = 0
    """The seed that held-out documents are drawn with."""
    beside_generated: bool = False
    """Whether the examples are trained on together with generated ones, so that they must be pairs."""
    one_label: bool = False
    """Whether texts with another number of labels than one are refused, unless the examples that a classifier is
    trained on, an input of the step then, have such texts too."""
    holds_out: bool = False
    """Whether files of which nothing is held out are refused: there would be nothing to measure on.

    It changes no example, so that it is no part of the identity: a folder that is found is looked at by it again.
    """
    key: str = KEY
    """The config key that the path was written under, for messages."""

    def source(self) -> Source:
        """Finds the files.

        Raises:
            UserError: there are none.
        """
        meant = _MEANT.get(self.form, "examples") if self.form else "examples"
        return find_source(self.path, self.key, meant)

    def columns_key(self) -> str:
        """Returns the config key that columns are named under; empty where there is none, as for a report's files."""
        parent, _, name = self.key.rpartition(".")
        return f"{parent}.columns" if name == "path" else ""

    def nothing_held_out(self) -> UserError:
        """Returns the error for files of which nothing is held out, where they are what is measured on."""
        remedy = "raise examples.validation_share, give more documents, or a column `split` that says what is held out"
        return UserError("nothing is held out to measure on", where=f"{self.key}={self.path}", remedy=remedy)

    def check_held_out(self, count: int) -> None:
        """Refuses examples of which nothing is held out, where that is wanted.

        Args:
            count: the examples that are, as their record says; another run may have made them.

        Raises:
            UserError: there are none.
        """
        if self.holds_out and not count:
            raise self.nothing_held_out()

    def identity(self) -> dict[str, object]:
        """Returns the fields that change the examples, with what the files hold in place of the path.

        The names of the files of a folder count, since they tell splits; the name of a single file does not.
        """
        source = self.source()
        held = file_digests(source.files)[0] if source.path.is_file() else listing_digest(source.path, source.files)
        return fields_of(self, without=("key", "holds_out")) | {"path": held, "kind": source.kind.name}
