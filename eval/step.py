"""TODO: what comes in, what goes out, why this way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eval.config import ReportConfig

if TYPE_CHECKING:
    from engine.runtime.place import Place


def evaluate_model(config: ReportConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    """Measures BM25, base and tuned, decides, and writes the report.

    Record: queries, decision, retrieval, held_out.
    """
    import time

    from engine.artifacts.examples import ExamplesFolder
    from eval.data_quality import quality_figures, read_targets
    from eval.evaluation import evaluate_systems
    from eval.figures import assemble
    from eval.files import write_evaluation, write_report
    from eval.page.evidence import gather_evidence

    started = time.monotonic()
    evaluation = evaluate_systems(config, inputs, place)
    examples = ExamplesFolder(inputs["examples"])
    kept, rejected = examples.kept(), examples.rejected()
    real = evaluation.judged.benchmark.queries if evaluation.judged else {}
    report = assemble(config, inputs, output, evaluation)
    report["data_quality"] = quality_figures((kept, rejected), real, config.seed, read_targets(inputs["prompts"]))
    report["seconds"]["report"] = round(time.monotonic() - started, 3)
    report["peak_memory_bytes"] = max(report["peak_memory_bytes"], place.memory.peak_bytes())
    write_evaluation(output, evaluation)
    write_report(output, report, gather_evidence(kept, rejected, evaluation, config.seed))
    return {
        "queries": len(evaluation.shown.benchmark.queries),
        "decision": report["decision"],
        "retrieval": report["retrieval"],
        "held_out": report["held_out"],
    }
