"""The end of a run, for the person at the terminal: the table, the page, and how to load the model.

In: a finished run folder. Out: text.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.console import Console


def show_end(run_dir: Path, until: str, console: Console | None = None) -> None:
    """Prints what a run came to: the quality table and the model after a report, else where the output lies."""
    console = console or Console()
    shown = _short(run_dir)
    if until != "report":
        console.step("done", f"{shown}/{until}")
        return
    from eval.summary import summary_table

    report = json.loads((run_dir / "report" / "report.json").read_text(encoding="utf-8"))
    console.show("")
    console.show(summary_table(report))
    console.step("decision", f"{report['decision']['model']}: {report['decision']['why']}")
    console.step("report", f"{shown}/report/report.html")
    console.show(f"\n{load_lines(shown, report['decision']['model'], report['models']['base'])}")


def load_lines(run: str, promoted: str, base: str) -> str:
    """Three lines of Python that load the model the decision promoted."""
    path = f"{run}/model" if promoted == "tuned" else base
    return (
        "from sentence_transformers import SentenceTransformer\n"
        f'model = SentenceTransformer("{path}")\n'
        'vectors = model.encode(["a question", "a passage"])'
    )


def _short(run_dir: Path) -> str:
    """The run folder as the user would type it."""
    here = Path.cwd()
    return str(run_dir.relative_to(here)) if run_dir.is_relative_to(here) else str(run_dir)
