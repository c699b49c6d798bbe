"""The table that a run ends with, on the terminal.

In: report.json's dictionary. Out: a rich table: BM25, base, tuned, and tuned minus base with its interval. Differences
are coloured only where the interval leaves zero out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from eval import wording
from eval.retrieval.systems import SYSTEMS

COLUMNS = ("ndcg@10", "mrr@10", "recall@100", "hit@1", "hit@3", "hit@10")


STYLES = {"better": "bold green", "worse": "bold red", "unclear": ""}


def read_report(folder: Path) -> dict[str, Any]:
    """report.json of a finished report folder."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


def summary_table(report: Mapping[str, Any]) -> Table:
    """Rows BM25, base, tuned, difference and its 95 % interval; one column per metric; fits 80 columns."""
    _, figures = wording.shown_results(report)
    table = Table(
        title=escape(wording.questions(report)), title_justify="left", title_style="bold", caption_justify="left"
    )
    table.add_column("")
    for metric in COLUMNS:
        table.add_column(wording.METRIC_NAMES[metric], justify="right")
    for name in SYSTEMS:
        table.add_row(wording.SYSTEM_NAMES[name], *(f"{figures[name][metric]:.3f}" for metric in COLUMNS))
    table.add_section()
    differences = [figures["difference"][metric] for metric in COLUMNS]
    table.add_row("tuned \u2212 base", *(_styled(wording.signed(d["mean"]), d) for d in differences))
    table.add_row("95 % from", *(_styled(wording.signed(d["ci95"][0]), d) for d in differences))
    table.add_row("     to", *(_styled(wording.signed(d["ci95"][1]), d) for d in differences))
    table.caption = escape(f"Use the {report['decision']['model']} model. {report['decision']['why']}")
    return table


def _styled(text: str, difference: Mapping[str, Any]) -> str:
    style = STYLES[wording.trend_of(difference)]
    return f"[{style}]{text}[/{style}]" if style else text
