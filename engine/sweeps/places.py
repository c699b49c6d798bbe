"""Where a mistake of a sweep stands: a run that is refused names an override, and here also the file and its key.

In: an error of composing or checking a point, and what the point was given by whom. Out: the same error with its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.errors import UserError
from engine.sweeps.config import SweepConfig
from engine.sweeps.space import Kind, Values, as_overrides

_NOWHERE = "command line"
"""What composing names as the place where the override at fault is not known."""


def placed(
    error: UserError, config: SweepConfig, typed: Sequence[str], values: Values, without: Callable[[], object]
) -> UserError:
    """Returns an error with the place that a person finds it at.

    Args:
        error: what refused a point.
        config: the sweep file.
        typed: the overrides of the command line.
        values: those of the point.
        without: does the same with a point that has no values of the space.
    """
    key, file = _key(error.where), config.where
    near = [name for name in values if key == _key(name) or key.startswith(f"{_key(name)}.")]
    is_typed = error.where in typed or key in map(_key, typed)
    if error.where.startswith(file) or (is_typed and not near):
        return error
    if near:
        return _in_space(error, config, near[-1])
    if error.where in config.overrides or key in map(_key, config.overrides):
        return _moved(error, f"{file}: overrides: {error.where}")
    if _is_refused_alike(error, without):
        return _moved(error, _of_signs(error, config, typed) if error.where == _NOWHERE else error.where)
    at_fault = next((name for name in reversed(list(values)) if _key(name) in error.what), list(values)[-1])
    written = as_overrides({at_fault: values[at_fault]})[0] if error.where == _NOWHERE else error.where
    return _moved(error, f"{file}: space: {written}")


def _is_refused_alike(error: UserError, without: Callable[[], object]) -> bool:
    try:
        without()
    except UserError as other:
        return str(other) == str(error)
    return False


def _of_signs(error: UserError, config: SweepConfig, typed: Sequence[str]) -> str:
    """Returns the override that adds or takes away a key, of which composing names no place."""
    signed = [text for text in (*config.overrides, *typed) if text.startswith(("~", "+"))]
    wrong = next((text for text in signed if _key(text) in error.what), next(iter(signed), error.where))
    return f"{config.where}: overrides: {wrong}" if wrong in config.overrides else wrong


def _in_space(error: UserError, config: SweepConfig, name: str) -> UserError:
    """Names the key of the space; a range of real numbers of a key that takes whole ones has a remedy of its own."""
    moved = _moved(error, f"{config.where}: space: {error.where}")
    kind = next(parameter.kind for parameter in config.space.parameters if parameter.key == name)
    if kind in (Kind.uniform, Kind.loguniform) and "is not a whole number" in error.what:
        moved.remedy = f"write int: [LOWEST, HIGHEST] in the place of {kind.value}"
    return moved


def _moved(error: UserError, where: str) -> UserError:
    return UserError(error.what, where=where, remedy=error.remedy)


def _key(text: str) -> str:
    return text.lstrip("+~").partition("=")[0].partition(":")[0]
