"""The curve of a training reads back from the record of its model."""

from __future__ import annotations

import json

from engine.artifacts.validation import Validated, ValidationRecord
from engine.storage.typed import from_json_values, to_json_values


def test_a_curve_reads_back_as_it_was() -> None:
    curve = [Validated(0, 0.4, 0.0, 0.0, 0.0), Validated(9, 0.5, 0.1, -0.05, 0.25)]
    record = ValidationRecord(70, 10, 240, curve, 9, "patience")
    assert from_json_values(ValidationRecord, json.loads(json.dumps(to_json_values(record)))) == record
