"""Tells the curve of a training's validations in a line of the terminal.

In: the record of rank 0. Out: one line, or none where nothing was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.artifacts.validation import ValidationRecord
    from engine.runtime.place import Place

_REASONS = {
    "harm": ", where it was surely lower than at first, so that training stopped",
    "patience": ", where training stopped, since it did not rise any more",
}


def tell_curve(record: ValidationRecord | None, place: Place) -> None:
    """Says what the validations measured."""
    if record:
        place.console.step("model", curve_sentence(record))


def curve_sentence(record: ValidationRecord) -> str:
    """Returns the curve in words, such as `nDCG@10 of 60 held-out queries among 240 passages: 0.412, 0.431`."""
    judged, held_out = record.judged, record.queries - record.judged
    counts = [f"{held_out:,} held-out"] * bool(held_out) + [f"{judged:,} judged"] * bool(judged)
    scores = ", ".join(f"{validated.ndcg:.3f}" for validated in record.curve)
    last, kept = record.curve[-1].step, record.kept_step
    end = _REASONS.get(record.stopped_by, "")
    chosen = f"; the weights of step {kept:,} are kept" if kept != last else ""
    return (
        f"nDCG@10 of {' and '.join(counts)} queries among {record.passages:,} passages, steps 0 to {last:,}: "
        f"{scores}{end}{chosen}"
    )
