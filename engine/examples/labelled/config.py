"""The settings by which generated texts get their labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from engine.errors import UserError, suggest

LABEL_KEY = "model.label"
"""The config key that names the conditions, for messages."""
CONTROLS_KEY = "model.controls"
"""The config key that tells which texts are controls."""
YES = "yes"
"""The value by which one of several conditions labels a text."""


@dataclass(frozen=True)
class LabelledConfig:
    """Which conditions are the labels."""

    conditions: tuple[str, ...]
    """One: its value is the label. Several: the labels are the names of those whose value is `yes`."""
    controls: Mapping[str, str] = field(default_factory=dict)
    """Condition -> value: texts with all of these are controls, which get no label; empty: no text is one."""

    @classmethod
    def of(
        cls, label: object, conditions: Collection[str], controls: Mapping[str, object] | None = None
    ) -> LabelledConfig:
        """Reads what a user wrote: the name of a condition, or a list of names; and the conditions of controls.

        Args:
            label: the value of `model.label`.
            conditions: the names of the conditions that samples are drawn under.
            controls: the value of `model.controls`.

        Raises:
            UserError: there is no such condition, one is named twice, or a label is a condition of controls too.
        """
        names = list(label) if isinstance(label, list | tuple) else [label]
        for name in names:
            _check_condition(str(name), conditions, LABEL_KEY)
            if names.count(name) > 1:
                raise UserError(f"{name!r} is listed twice", where=LABEL_KEY, remedy="list it once")
        told = {str(name): str(value) for name, value in (controls or {}).items()}
        for name, value in (controls or {}).items():
            if isinstance(value, bool):
                what, remedy = "is a truth value in YAML, and values of conditions are texts", "write it in quotes"
                raise UserError(what, where=f"{CONTROLS_KEY}.{name}={value}", remedy=remedy)
        for name in told:
            _check_condition(name, conditions, CONTROLS_KEY)
            if name in names:
                what, remedy = f"{name!r} is a label, and controls have none", "name another condition"
                raise UserError(what, where=f"{CONTROLS_KEY}.{name}", remedy=remedy)
        return cls(tuple(map(str, names)), told)


def _check_condition(name: str, conditions: Collection[str], key: str) -> None:
    if name not in conditions:
        remedy = suggest(name, conditions) if conditions else "the task has no attributes: choose another"
        raise UserError(f"the task has no condition {name!r}", where=f"{key}={name}", remedy=remedy)
