"""The settings by which generated texts get their labels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from engine.errors import UserError, suggest

LABEL_KEY = "model.label"
"""The config key that names the conditions, for messages."""
YES = "yes"
"""The value by which one of several conditions labels a text."""


@dataclass(frozen=True)
class LabelledConfig:
    """Which conditions are the labels."""

    conditions: tuple[str, ...]
    """One: its value is the label. Several: the labels are the names of those whose value is `yes`."""

    @classmethod
    def of(cls, label: object, conditions: Collection[str]) -> LabelledConfig:
        """Reads what a user wrote: the name of a condition, or a list of names.

        Args:
            label: the value of `model.label`.
            conditions: the names of the conditions that samples are drawn under.

        Raises:
            UserError: there is no such condition, or one is named twice.
        """
        names = list(label) if isinstance(label, list | tuple) else [label]
        for name in names:
            if name not in conditions:
                remedy = suggest(str(name), conditions) if conditions else "the task has no attributes: choose another"
                raise UserError(f"the task has no condition {name!r}", where=f"{LABEL_KEY}={name}", remedy=remedy)
            if names.count(name) > 1:
                raise UserError(f"{name!r} is listed twice", where=LABEL_KEY, remedy="list it once")
        return cls(tuple(map(str, names)))
