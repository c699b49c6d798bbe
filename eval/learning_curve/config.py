"""The settings of a learning curve, and which of them change its result.

In: values of `learning_curve.*` and of `report.*`. Out: shares of the training documents, and the config of the step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import check_setting
from eval.config import ReportConfig
from eval.sweeps.identity import measuring_identity, templates_digest

TEMPLATE = "learning_curve.html"
"""The template of the page."""
BASE = "base"
"""The name of the point without training."""


@dataclass(frozen=True)
class LearningCurveConfig:
    """The sizes of training set that a run compares; with any, the run ends with that in place of a report."""

    shares: list[float] = field(default_factory=list)
    """Shares of the training documents, above 0 and up to 1; a larger share holds the documents of a smaller one.
    Empty: no curve is drawn."""
    seeds: int = 3
    """Number of trainings with each share, with seeds `model.seed`, `model.seed` + 1, ..."""
    weight: float = 0.5
    """The weight of words in search by words and by the model, above 0 and below 1."""

    def __post_init__(self) -> None:
        """Refuses what is no share, no number of trainings, or no weight."""
        for share in self.shares:
            check_setting(0 < share <= 1, "learning_curve.shares", share, "shares above 0 and up to 1")
        check_setting(self.seeds >= 1, "learning_curve.seeds", self.seeds, "1 or more", fault="is too small")
        check_setting(0 < self.weight < 1, "learning_curve.weight", self.weight, "more than 0, and less than 1")

    def ascending(self) -> list[float]:
        """Returns the shares, each once, the smallest first."""
        return sorted(set(self.shares))


@dataclass(frozen=True)
class LearningCurvePlan:
    """The config of the step: what is compared, and how it was measured."""

    settings: LearningCurveConfig
    report: ReportConfig
    """How the report of the same run would measure."""

    def identity(self) -> dict[str, object]:
        """Returns what changes the result; what was measured is input of the step."""
        return {
            "shares": self.settings.ascending(),
            "seeds": self.settings.seeds,
            "weight": self.settings.weight,
            "measuring": measuring_identity(self.report),
            "templates": templates_digest(TEMPLATE),
        }


def point_name(share: float, seed: int) -> str:
    """Returns the name of one training, such as `0.25-seed-1`."""
    return f"{share:g}-seed-{seed}"
