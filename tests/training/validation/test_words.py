"""The curve in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.validation import Validated, ValidationRecord
from tests.support.training import make_place
from training.validation.words import curve_sentence, tell_curve

CURVE = [Validated(step, 0.4 + step / 100, step / 100, -0.1, 0.1) for step in (0, 5, 9)]
RECORD = ValidationRecord(70, 10, 240, CURVE, 9, "")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (RECORD, "nDCG@10 of 60 held-out and 10 judged queries among 240 passages, steps 0 to 9: 0.400, 0.450, 0.490"),
        (ValidationRecord(70, 70, 240, CURVE, 5, "patience"), "training stopped, since it did not rise any more"),
        (ValidationRecord(70, 0, 240, CURVE, 5, ""), "0.490; the weights of step 5 are kept"),
        (ValidationRecord(70, 0, 240, CURVE, 9, "harm"), "surely lower than at first, so that training stopped"),
    ],
)
def test_a_curve_in_words(record: ValidationRecord, expected: str) -> None:
    assert expected in curve_sentence(record)


def test_nothing_measured_is_nothing_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_curve(None, make_place(tmp_path))
    assert capsys.readouterr().out == ""
    tell_curve(RECORD, make_place(tmp_path))
    assert "60 held-out and 10 judged" in " ".join(capsys.readouterr().out.split())
