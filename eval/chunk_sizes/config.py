"""The settings of the comparison of chunk sizes, and which of them change its result.

In: values of `chunk_sizes.*` and of `report.*`. Out: the sizes to compare, and the config of the step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import check_setting
from eval.config import ReportConfig
from eval.sweeps.identity import measuring_identity, templates_digest

TEMPLATE = "chunk_sizes.html"
"""The template of the page."""
_LEAST_TOKENS, _MOST_OVERLAP = 16, 0.5
"""What documents can be cut into at all; see `documents.max_tokens` and `documents.overlap_tokens`."""


@dataclass(frozen=True, order=True)
class ChunkSize:
    """One way to cut documents."""

    tokens: int
    """The tokens of the longest chunk."""
    overlap_tokens: int
    """The tokens that a chunk repeats from the one before it."""

    @property
    def name(self) -> str:
        """Returns the name of the folder of these chunks, such as `256-32`."""
        return f"{self.tokens}-{self.overlap_tokens}"


@dataclass(frozen=True)
class ChunkSizesConfig:
    """The chunk sizes that a run compares; with any, the run ends with that in place of a model and a report."""

    tokens: list[int] = field(default_factory=list)
    """The sizes in tokens, `documents.max_tokens` of each; empty: none are compared."""
    overlaps: list[float] = field(default_factory=lambda: [0.0, 0.125])
    """The overlaps that every size is tried with, as shares of the size, 0 to 0.5."""
    max_queries: int = 1000
    """Most synthetic queries to measure on, drawn by a hash of the sample id; 0: all of them."""

    def __post_init__(self) -> None:
        """Refuses sizes and overlaps that no documents can be cut into, and a negative number of queries."""
        for tokens in self.tokens:
            check_setting(tokens >= _LEAST_TOKENS, "chunk_sizes.tokens", tokens, f"{_LEAST_TOKENS} or more")
        for share in self.overlaps:
            check_setting(0 <= share <= _MOST_OVERLAP, "chunk_sizes.overlaps", share, "0 to 0.5, shares of the size")
        check_setting(bool(self.overlaps), "chunk_sizes.overlaps", [], "[0.0], say", fault="names no overlap")
        most = self.max_queries
        check_setting(most >= 0, "chunk_sizes.max_queries", most, "1000, say, or to 0 for all", fault="is too small")

    def sizes(self) -> list[ChunkSize]:
        """Returns every size with every overlap, each once, the smallest first."""
        return sorted({ChunkSize(tokens, round(share * tokens)) for tokens in self.tokens for share in self.overlaps})


@dataclass(frozen=True)
class ChunkSizesPlan:
    """The config of the step: what is compared, and how it is measured."""

    settings: ChunkSizesConfig
    documents: ChunkSize
    """The size of the chunks that the synthetic queries were written from."""
    report: ReportConfig
    """How the report of the same run would measure."""

    def identity(self) -> dict[str, object]:
        """Returns what changes the result; the chunks themselves are inputs of the step.

        Raises:
            UserError: the benchmark cannot be read; a run asks this before it starts anything.
        """
        return {
            "sizes": [size.name for size in self.settings.sizes()],
            "documents": self.documents.name,
            "max_queries": self.settings.max_queries,
            "measuring": measuring_identity(self.report),
            "templates": templates_digest(TEMPLATE),
        }
