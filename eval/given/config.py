"""The settings of the report of a run without documents, or of a model that is no encoder.

In: the settings of the report of a run (`report.*`). Out: a config that holds them, whose identity names what is read
of them: how search is measured, the rerankers, and how many examples take part.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.runtime.identity import fields_of
from engine.storage.digests import content_digest
from eval.config import TEMPLATES, ReportConfig, cross_encoder
from eval.sweeps.identity import measuring_identity, templates_digest

TEMPLATE, PARTIALS = "given.html", ("reranking.html", "similarity.html")
"""The template of the page, and those of the report that it includes."""
_READ = ("max_held_out", "max_reranked")


@dataclass(frozen=True)
class GivenReportConfig:
    """How the report of a run measures; what it measures follows from the examples and the model."""

    report: ReportConfig

    def identity(self) -> dict[str, object]:
        """Returns what changes the result.

        Raises:
            UserError: the benchmark cannot be read, BM25 does not know the language, or there is no such reranker; a
                run asks this before it starts anything.
        """
        fields = fields_of(self.report)
        rerankers = {
            name: fields_of(entry, without=("model", "batch_size")) | {"model": cross_encoder(entry).identity()}
            for name, entry in self.report.reranker_entries().items()
        }
        measuring = measuring_identity(self.report) | {name: fields[name] for name in _READ}
        templates = [templates_digest(TEMPLATE), *(content_digest(TEMPLATES / name) for name in PARTIALS)]
        return {"measuring": measuring, "rerankers": rerankers, "templates": templates}
