"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.generation.config import SamplesConfig
from engine.generation.jobs import Unit


@dataclass
class Engine:
    """The driver's side of one engine."""

    index: int
    actor: Any
    log: Path
    config: SamplesConfig
    log_start: int
    """Size of the log when it started: what an earlier run wrote there is not its own."""
    ready: bool = False
    cache_tokens: int = 0
    units: dict[Any, Unit] = field(default_factory=dict)  # in flight, by the reference that their call returns
    settled: list[Unit] = field(default_factory=list)  # written, but perhaps still in the open part
    totals: dict[str, Any] = field(default_factory=dict)

    def busy(self) -> bool:
        """Whether any row given to it may not be committed yet."""
        return bool(self.units or self.settled)
