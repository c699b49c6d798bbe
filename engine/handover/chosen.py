"""Which search is handed over: the one that the report chose, one that was set by hand, or a default.

In: the figures of a report as plain values. Out: a Chosen. A report chooses none where there are too few synthetic
queries, or where `report.choice_queries` is 0. Then words and meaning count half each, which was right or nearly so on
most collections that were measured (docs/results.md), with the model that the report's decision names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.handover.config import NONE
from engine.models.names import public_name
from engine.search.cross_encoder import TRAINED

if TYPE_CHECKING:
    from engine.handover.config import SystemConfig

DEFAULT_WEIGHT = 0.5
"""The weight of words where nothing chose one."""
DEFAULT_DEPTH = 50
"""The number of passages that are reranked where nothing says how many."""


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
    reranker: str = ""
    """What orders the first passages once more: a folder, a hub id, or `trained`; empty: nothing does."""
    depth: int = DEFAULT_DEPTH
    """The number of passages that it orders."""

    @property
    def name(self) -> str:
        """Returns the name that the report has for the system, after which its TREC run is called."""
        return {0.0: self.model, 1.0: "bm25"}.get(self.weight, f"{self.model}_words")

    @property
    def measured_name(self) -> str:
        """Returns the name under which the report has figures of it: with the reranker, where there is one."""
        return f"{self.name}@{self.depth}@{self.reranker}" if self.reranker else self.name

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
    recommendation = report.get("recommendation") or {}
    choice = recommendation.get("choice")
    if not choice:
        why = (
            "The report chose no system, so this is the default: words and meaning count half each, with the model "
            "that the report's decision names."
        )
        default = Chosen(report["decision"]["model"], DEFAULT_WEIGHT, why, is_measured=False)
        return _set_by_hand(default, config)
    chosen = Chosen(choice["model"], choice["weight"], f"The report chose it by {_rests_on(choice, report)}.")
    return _set_by_hand(_reranked(chosen, recommendation.get("reranker"), config), config)


def _rests_on(choice: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Says what a choice was made by. Judged queries of a collection are among those whose texts were seen."""
    real, judged = choice["real"], choice.get("judged", 0)
    parts = [f"{choice['synthetic']:,} synthetic queries of {choice['documents']:,} documents"]
    if judged and judged == real and not report.get("query_log"):
        parts.append(f"the texts and the judgements of {real:,} real queries")
    else:
        parts += [f"the texts of {real:,} real queries"] if real else []
        parts += [f"the judgements of {judged:,}"] if judged else []
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _reranked(chosen: Chosen, measured: Mapping[str, Any] | None, config: SystemConfig) -> Chosen:
    """Adds the cross-encoder that the run trained, where the report recommends it or the config names it.

    Args:
        chosen: the system without it.
        measured: what the report has of that cross-encoder; None where it measured none.
        config: what was set by hand.
    """
    if not measured or config.reranker not in {"", TRAINED}:
        return chosen
    gain, depth = measured["gain"], measured["depth"]
    if not config.reranker and gain["ci95"][0] <= 0:
        return chosen
    low, high = gain["ci95"]
    why = (
        f"{chosen.why} A cross-encoder that was trained on the same queries orders its first {depth} passages, which "
        f"added {gain['mean']:+.3f} [{low:+.3f}, {high:+.3f}] to nDCG@10 on the queries that this was decided on."
    )
    return replace(chosen, why=why, reranker=TRAINED, depth=depth)


def _set_by_hand(chosen: Chosen, config: SystemConfig) -> Chosen:
    """Puts what the config sets in the place of what was chosen."""
    reranker = {"": chosen.reranker, NONE: ""}.get(config.reranker, config.reranker)
    keys = {
        "system.model": config.model or None,
        "system.weight": config.weight,
        "system.reranker": public_name(config.reranker) if config.reranker else None,
        "system.rerank_depth": config.rerank_depth if reranker else None,
    }
    written = [f"{key}={value}" for key, value in keys.items() if value is not None]
    if not written:
        return chosen
    weight = chosen.weight if config.weight is None else float(config.weight)
    instead = f"in place of {chosen.name}, weight of words {chosen.weight:.2f}"
    why = f"It was set by {' and '.join(written)}, {instead}."
    depth = config.rerank_depth or (chosen.depth if reranker == chosen.reranker else DEFAULT_DEPTH)
    is_known = weight in {0.0, 1.0} or (chosen.is_measured and weight == chosen.weight)
    if reranker:
        same = (config.model or chosen.model, weight, reranker, depth)
        is_known = chosen.is_measured and same == (chosen.model, chosen.weight, chosen.reranker, chosen.depth)
    return Chosen(config.model or chosen.model, weight, why, is_known, reranker, depth)
