"""The settings of the system step, and what makes one system folder differ from another.

In: values from the config or the command line. Out: a SystemConfig. What is handed over is settled by the report; the
settings here are for somebody who knows better.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import check_setting
from engine.handover.libraries import library_versions
from engine.runtime.identity import fields_of
from engine.search.cross_encoder import TRAINED, CrossEncoderConfig
from engine.search.fusion import POOL
from engine.storage.digests import content_digest

NONE = "none"
"""The value of `system.reranker` that leaves out a reranker which the report recommends."""
RERANKER_KEY = "system.reranker"
"""The config key that names the reranker, for messages."""
TEMPLATES = Path(__file__).resolve().parent / "templates"
"""The folder with what becomes search.py and README.md."""


@dataclass(frozen=True)
class SystemConfig:
    """Which search is handed over, where it is not the one that the report chose."""

    model: str = ""
    """The encoder, base or tuned; empty: the one that the report chose."""
    weight: float | None = None
    """The weight of words, 0 (meaning alone) to 1 (words alone); null: the one that the report chose."""
    reranker: str = ""
    """A cross-encoder that orders the first passages once more: a folder, a hub id, `trained` for the one that the run
    trained, or `none`; empty: the one that the run trained, where the report recommends it."""
    rerank_depth: int | None = None
    """The number of passages that it orders, and all that are found with it; null: as many as the report measured with
    the one that the run trained, and 50 with another."""

    def __post_init__(self) -> None:
        """Refuses a model that is not there, and numbers that are none."""
        known = self.model in {"", "base", "tuned"}
        check_setting(known, "system.model", self.model, "base or tuned", fault="is no model of a run")
        weight = self.weight
        check_setting(weight is None or 0 <= weight <= 1, "system.weight", weight, "0 to 1, 0.5 say")
        depth = self.rerank_depth
        check_setting(depth is None or 1 <= depth <= POOL, "system.rerank_depth", depth, f"1 to {POOL}")

    @property
    def named_reranker(self) -> str:
        """Returns the folder or hub id of a reranker; empty where the run's own is meant, or none."""
        return "" if self.reranker in {TRAINED, NONE} else self.reranker

    def identity(self) -> dict[str, object]:
        """Returns the fields, a digest of the templates, and the libraries in whose forms the parts are written.

        Raises:
            UserError: there is no such reranker; a run asks this before it starts anything.
        """
        named = self.named_reranker
        reranker = reranker_config(named).identity() if named else self.reranker
        parts = {"reranker": reranker, "templates": content_digest(TEMPLATES)}
        return fields_of(self) | parts | {"libraries": library_versions()}


def reranker_config(model: str) -> CrossEncoderConfig:
    """Returns the settings of a reranker.

    Args:
        model: its folder or hub id.
    """
    return CrossEncoderConfig(model, key=RERANKER_KEY)
