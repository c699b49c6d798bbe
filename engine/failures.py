"""When so many samples have failed that a run is wrong as a whole, and is stopped.

In: counts of the engines so far, or of all committed rows. Out: nothing, or an error with what a sample failed with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import UserError


def check_failures(
    max_failed_share: float, written: int, totals: Sequence[Mapping[str, Any]], *, at_least: int = 50
) -> None:
    """Stops a run that is wrong as a whole.

    Args:
        max_failed_share: `samples.max_failed_share`.
        written: samples so far, failed ones included.
        totals: `failed`, `turned_down` and `last_error` of each engine.
        at_least: fewer than these say nothing yet; 1 when all are written.

    Raises:
        UserError: more than `max_failed_share` of at least `at_least` samples failed. What a task's `keep_if` turned
            down is not counted, unless nothing else is left.
    """
    failed, turned_down = (sum(own.get(name, 0) for own in totals) for name in ("failed", "turned_down"))
    if turned_down and failed < written:
        failed, written = failed - turned_down, written - turned_down
    if written >= at_least and failed > max_failed_share * written:
        errors = [own["last_error"] for own in totals if own["last_error"]]
        raise UserError(
            f"{failed} of {written} samples failed, the last with: {errors[-1] if errors else 'no message'}",
            place=f"samples.max_failed_share={max_failed_share}",
            remedy="mend what the message says and run again (with nothing changed failed samples stay as they are), "
            "or raise samples.max_failed_share",
        )
