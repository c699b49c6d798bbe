"""What changes the result of a sweep, for the fingerprints of its steps.

In: the settings of the report, the template of a page. Out: plain JSON values. What is set for the report
(`report.benchmark`, `report.k`, `report.bm25_k1` ...) holds for sweeps as well, so that their figures agree with it;
its other settings, and the looks of its page, are no part of a sweep.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.runtime.identity import fields_of
from engine.search.analyser import analyser_identity, check_language
from engine.storage.digests import digest, file_digests
from eval.config import TEMPLATES as REPORT_TEMPLATES
from eval.retrieval.benchmark import benchmark_digest

if TYPE_CHECKING:
    from eval.config import ReportConfig

TEMPLATES = Path(__file__).resolve().parent / "templates"
"""The folder with the words and the looks of the pages."""
STYLES = (REPORT_TEMPLATES / "report.css", TEMPLATES / "sweeps.css")
"""The looks of a page: those of the report, and a few more."""
_LAYOUT = "layout.html"
_READ = ("split", "k", "bm25_k1", "bm25_b", "resamples", "encoder", "seed")
"""The settings of the report that change a measurement, beside the benchmark and the language."""


def measuring_identity(report: ReportConfig) -> dict[str, object]:
    """Returns what changes a measurement, as plain JSON values, for the fingerprint of a step.

    Raises:
        UserError: the benchmark cannot be read, or BM25 does not know the language.
    """
    check_language(report.language, "report.language")
    fields = fields_of(report)
    return {name: fields[name] for name in _READ} | {
        "benchmark": benchmark_digest(report.benchmark, report.split, key=report.benchmark_key()),
        "language": analyser_identity(report.language),
    }


def templates_digest(template: str) -> str:
    """Returns the digest of all that a page is made of beside its values."""
    return digest(file_digests([TEMPLATES / template, TEMPLATES / _LAYOUT, *STYLES]))
