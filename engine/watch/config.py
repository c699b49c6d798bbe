"""How a run is watched: how often it writes its status, when it stands still, and whether it serves metrics.

In: YAML under `watch`. Out: one frozen config. None of it changes a result.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import check_setting
from engine.runtime.identity import placement

_LAST_PORT = 65535


@dataclass(frozen=True)
class WatchConfig:
    """How a run is watched."""

    every_seconds: float = placement(5.0)
    """How often the status of the run is written, and whether it stands still is looked at."""
    still_factor: float = placement(20.0)
    """A phase stands still that has counted nothing for this many times its usual interval between two counts ..."""
    still_seconds: float = placement(60.0)
    """... and for this long at least."""
    metrics_port: int = placement(0)
    """The port of an HTTP endpoint with metrics of run and engines for Prometheus (`/metrics`); 0: none."""
    metrics_host: str = placement("127.0.0.1")
    """The address that the endpoint listens at. Whoever reaches it reads the metrics; it asks for no password."""

    def __post_init__(self) -> None:
        """Refuses intervals that would cost a run time, factors that call every pause a standstill, and wrong ports."""
        for name, least in {"every_seconds": 1, "still_factor": 2, "still_seconds": 0}.items():
            value = getattr(self, name)
            check_setting(value >= least, f"watch.{name}", value, f"{least} or more", fault="is too small")
        port = self.metrics_port
        check_setting(0 <= port <= _LAST_PORT, "watch.metrics_port", port, f"0 for none, or 1 to {_LAST_PORT}")
