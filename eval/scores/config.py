"""The settings of the measurement of one model. In: values of `report.*`. Out: a ScoresConfig."""

from __future__ import annotations

from dataclasses import dataclass

from eval.config import ReportConfig
from eval.sweeps.identity import measuring_identity


@dataclass(frozen=True)
class ScoresConfig:
    """How one model is measured."""

    weight: float
    """The weight of words beside the model, 0 to 1."""
    report: ReportConfig
    """How the report of the same run would measure."""

    def identity(self) -> dict[str, object]:
        """Returns what changes the result.

        Raises:
            UserError: the benchmark cannot be read; a run asks this before it starts anything.
        """
        most = self.report.max_held_out
        return {"weight": self.weight, "max_held_out": most, "measuring": measuring_identity(self.report)}
