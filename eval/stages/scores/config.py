"""The settings of the measurement of one model among several. In: values of a run. Out: a StageScoresConfig."""

from __future__ import annotations

from dataclasses import dataclass

from engine.search.encoder import EncoderConfig
from eval.config import ReportConfig
from eval.sweeps.identity import measuring_identity


@dataclass(frozen=True)
class StageScoresConfig:
    """How one model is measured."""

    sets: tuple[str, ...]
    """The names of the sets that are measured on, which are inputs of the step."""
    encoder: EncoderConfig
    """How texts become vectors; its model is that of the stage, or of the first stage of a reranker."""
    report: ReportConfig
    """How the report of the same run would measure."""
    limit: int
    """The most held-out queries, and pairs, of a set that are measured on; 0: all. As many are drawn of those that are
    trained on."""
    depth: int = 0
    """The number of passages that the model, a cross-encoder, orders; 0: it is an encoder."""

    def identity(self) -> dict[str, object]:
        """Returns what changes the result.

        Raises:
            UserError: there is no such base, or BM25 does not know the language; a run asks this before it starts
                anything.
        """
        return {
            "sets": self.sets,
            "encoder": self.encoder.identity(),
            "measuring": measuring_identity(self.report),
            "limit": self.limit,
            "depth": self.depth,
        }
