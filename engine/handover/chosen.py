"""Which search is handed over: the one that the report chose, one that was set by hand, or a default.

In: the figures of a report as plain values. Out: a Chosen. A report chooses none where there are too few synthetic
queries, or where `report.choice_queries` is 0. Then words and meaning count half each, which was right or nearly so on
most collections that were measured (docs/results.md), with the model that the report's decision names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.handover.config import SystemConfig

DEFAULT_WEIGHT = 0.5
"""The weight of words where nothing chose one."""


@dataclass(frozen=True)
class Chosen:
    """A way to search."""

    model: str
    """The encoder: base or tuned."""
    weight: float
    """The weight of words, 0 to 1; that of meaning is what is left to 1."""
    why: str
    """What it rests on, in a sentence or two."""
    is_measured: bool = True
    """Whether the report's figures of the system of this name are of this weight."""

    @property
    def name(self) -> str:
        """Returns the name that the report has for the system, after which its TREC run is called."""
        return {0.0: self.model, 1.0: "bm25"}.get(self.weight, f"{self.model}_words")

    @property
    def has_words(self) -> bool:
        """Tells whether words count."""
        return self.weight > 0

    @property
    def has_meaning(self) -> bool:
        """Tells whether vectors count."""
        return self.weight < 1

    def without_words(self) -> Chosen:
        """Returns the same by meaning alone, for passages without a single word."""
        return replace(self, weight=0.0, why=f"{self.why} No passage has a word, so words were left out.")


def choose_system(report: Mapping[str, Any], config: SystemConfig) -> Chosen:
    """Decides what is handed over.

    Args:
        report: report.json.
        config: what was set by hand.
    """
    choice = (report.get("recommendation") or {}).get("choice")
    if choice:
        judged = choice.get("judged", 0)
        rests_on = [
            f"{choice['synthetic']:,} synthetic queries of {choice['documents']:,} documents",
            f"{choice['real']:,} real queries without judgements",
            *([f"{judged:,} judged ones"] if judged else []),
        ]
        why = f"The report chose it by {', '.join(rests_on)}."
        return _set_by_hand(Chosen(choice["model"], choice["weight"], why), config)
    why = (
        "The report chose no system, so this is the default: words and meaning count half each, with the model that "
        "the report's decision names."
    )
    return _set_by_hand(Chosen(report["decision"]["model"], DEFAULT_WEIGHT, why, is_measured=False), config)


def _set_by_hand(chosen: Chosen, config: SystemConfig) -> Chosen:
    """Puts what the config sets in the place of what was chosen."""
    keys = {
        "system.model": config.model or None,
        "system.weight": config.weight,
        "system.reranker": config.reranker or None,
    }
    written = [f"{key}={value}" for key, value in keys.items() if value is not None]
    if not written:
        return chosen
    weight = chosen.weight if config.weight is None else float(config.weight)
    instead = f"in place of {chosen.name}, weight of words {chosen.weight:.2f}"
    why = f"It was set by {' and '.join(written)}, {instead}."
    is_known = weight in {0.0, 1.0} or (chosen.is_measured and weight == chosen.weight)
    return Chosen(config.model or chosen.model, weight, why, is_known and not config.reranker)
