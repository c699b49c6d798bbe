"""What each start of the driver did to a samples folder: `attempt-*/attempt.json`, beside the parts of that start.

In: the totals of engines, as they work. Out: the same, read back. What a killed start noted last is all that is known
of it beside its parts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.generation.totals import EngineTotals
from engine.storage.files import write_json
from engine.storage.typed import from_json_values

ATTEMPT_FILE = "attempt.json"
REUSED_ATTEMPT = 0
"""What rows that were taken over (engine/samples/reuse.py) have in the column `attempt`; starts count from 1."""


@dataclass(frozen=True)
class Start:
    """What one start did, as it last noted."""

    engine_start_seconds: float = 0.0
    """The longest start of an engine."""
    engines: Sequence[EngineTotals] = ()


def note_start(attempt_folder: Path, start: Start) -> None:
    """Leaves in the folder of an attempt what its engines did so far."""
    write_json(attempt_folder / ATTEMPT_FILE, asdict(start))


def read_starts(output: Path) -> list[Start]:
    """Reads what each start of a samples step noted, the last time that it did, in their order."""
    files = sorted(output.glob(f"attempt-*/{ATTEMPT_FILE}"))
    return [from_json_values(Start, json.loads(file.read_text(encoding="utf-8"))) for file in files]
