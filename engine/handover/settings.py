"""system.json: every number that a system goes by, where they come from, and what the report measured.

In: what was chosen, the parts that were written, and the report. Out: plain JSON values. search.py and README.md are
made of these values alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from engine.artifacts.documents import DocumentsFolder
from engine.handover.chosen import Chosen
from engine.handover.libraries import library_versions
from engine.handover.parts import Meaning, Words
from engine.models.names import public_name
from engine.models.precision import Precision
from engine.search.fusion import POOL
from engine.search.metadata import type_name

_NORMALISATION = (
    "standardised over the pool: a score minus the least of its ranking, divided by the standard deviation of the "
    "ranking's scores, among which is one 0 more where the ranking is shorter than the pool; a passage that a ranking "
    "lacks counts 0"
)
_DTYPES = {Precision.bf16: "bfloat16", Precision.fp32: "float32"}


def system_settings(chosen: Chosen, words: Words | None, meaning: Meaning | None, num_passages: int) -> dict[str, Any]:
    """Returns how a system searches.

    Args:
        chosen: which system it is.
        words: how words are read; None where they do not count.
        meaning: the encoder; None where vectors do not count.
        num_passages: number of passages that are searched.
    """
    settings: dict[str, Any] = {
        "system": chosen.name,
        "kind": "words and meaning" if words and meaning else "words" if words else "meaning",
        "why": chosen.why,
        "weight_of_words": chosen.weight,
        "pool": min(POOL, num_passages),
        "normalisation": _NORMALISATION,
        "passages": {"count": num_passages, "searched_text": "title and text with a line break between them"},
    }
    if words:
        settings["bm25"] = {"k1": words.k1, "b": words.b, "method": "lucene", "terms": words.num_terms}
        settings["analyser"] = words.analyser.rules()
    if meaning:
        settings["encoder"] = _encoder_settings(meaning)
    return settings | {"libraries": library_versions(), "synthmill": version("synthmill")}


def _encoder_settings(meaning: Meaning) -> dict[str, Any]:
    encoder = meaning.encoder
    usage, config = encoder.usage, encoder.config
    return {
        "name": "the tuned model" if meaning.model == "tuned" else public_name(config.model),
        "query_prefix": usage.query_prefix,
        "passage_prefix": usage.passage_prefix,
        "max_tokens": encoder.max_tokens,
        "similarity": usage.similarity.value,
        "normalise": encoder.has_unit_vectors,
        "dtype": _DTYPES[config.computed_precision(encoder.device)],
        "dimensions": encoder.dim,
    }


def field_types(documents: DocumentsFolder) -> dict[str, str]:
    """Returns what people call the type of each kept field, by its name."""
    return {name: type_name(kind) for name, kind in documents.field_types().items()}


def measured_figures(report: Mapping[str, Any], chosen: Chosen) -> dict[str, Any] | None:
    """Returns what the report measured of all systems in nDCG@10; None where it did not measure the chosen one.

    A mean that is cross-fitted has `seen` beside it: what the weight reaches that all queries chose, as it is handed
    over. `folds` is the number of parts of the queries then.

    Args:
        report: report.json.
        chosen: the system that is handed over.
    """
    systems = (report.get("recommendation") or {}).get("systems") or {}
    name = chosen.measured_name
    if not chosen.is_measured or name not in systems:
        return None
    shown, figures = next(iter(report["retrieval"].items()), ("", report["held_out"]))
    return {
        "metric": "nDCG@10",
        "system": name,
        "queries": figures["queries"],
        "of": f"judged questions of {shown}" if shown else "synthetic queries of held-out documents",
        "systems": {name: _level(measured) for name, measured in systems.items()},
        "folds": report["recommendation"].get("folds", 0),
        "report": report["fingerprints"]["report"],
    }


def _level(measured: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("mean", "ci95") if measured.get("seen") is None else ("mean", "ci95", "seen")
    return {key: measured[key] for key in keys}
