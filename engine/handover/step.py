"""The system step hands over the search that the report settled on: a folder that works without this project.

In: the finished documents, model and report. Out: a system folder (engine/artifacts/system.py). Passages are streamed,
and their vectors are those that the report searched. This file is the order of things; each thing has a module of its
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.report import ReportFolder
from engine.artifacts.system import SystemFolder, SystemRecord
from engine.handover.chosen import choose_system
from engine.handover.native import compare_on_queries
from engine.handover.parts import write_meaning, write_reranker, write_words
from engine.handover.passages import write_passages
from engine.handover.settings import field_types, measured_figures, system_settings
from engine.handover.texts import render_readme, render_search
from engine.search.cross_encoder import TRAINED_INPUT
from engine.storage.files import write_json, write_text

if TYPE_CHECKING:
    from engine.handover.config import SystemConfig
    from engine.runtime.place import Place


def hand_over(config: SystemConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> SystemRecord:
    """Writes the chosen system: encoder, indexes, passages, a program that searches, and how to do it elsewhere.

    Args:
        config: what is handed over in place of what the report chose.
        inputs: the finished folders `documents`, `model` and `report`, and `cross_encoder` where the run trained one.
        output: the folder to write into.
        place: where the step runs; its cache has the vectors of the passages.
    """
    folder, documents = SystemFolder(output), DocumentsFolder(inputs["documents"])
    reported = ReportFolder(inputs["report"])
    report = reported.values()
    chosen = choose_system(report, config)
    ids = documents.passages(["passage_id"])["passage_id"].to_pylist()
    write_passages(documents, ids, folder)
    words = write_words(report, inputs["documents"], folder, place) if chosen.has_words else None
    if words and not words.num_terms:
        words, chosen = None, chosen.without_words()
    meaning = write_meaning(report, inputs, chosen.model, folder, place) if chosen.has_meaning else None
    native = compare_on_queries(reported, words, meaning, chosen.weight) if words and meaning else None
    settings = system_settings(chosen, words, meaning, len(ids))
    if chosen.reranker:
        settings["reranker"] = vars(write_reranker(chosen, inputs.get(TRAINED_INPUT), folder, place))
    settings |= {"fields": field_types(documents), "native_fusion": native}
    settings["figures"] = measured_figures(report, chosen)
    write_json(folder.settings_file, settings)
    write_text(folder.search_file, render_search(settings))
    write_text(folder.readme_file, render_readme(settings))
    return SystemRecord(
        passages=len(ids),
        dimensions=meaning.encoder.dim if meaning else 0,
        terms=words.num_terms if words else 0,
        system=chosen.name,
        weight=chosen.weight,
        reranker=chosen.reranker,
    )
