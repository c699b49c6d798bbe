"""`synthmill compare RUN RUN ...`: finished runs beside each other, on a page and on the terminal.

In: finished runs and what was typed. Out: a page, and tables on the terminal, or JSON. Nothing of a run is changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.runtime.console import Console
from engine.storage.files import make_folder, write_text
from engine.storage.typed import to_json_values
from engine.visible import visible

PAGE = "compare.html"
"""The page, in the folder where the command is run, unless `--output` names another file."""


@dataclass(frozen=True)
class Options:
    """The options of `compare`."""

    runs: tuple[str, ...]
    """The run folders; all are compared with the first."""
    output: str = ""
    """The file of the page; empty for `PAGE`."""
    as_json: bool = False
    """Whether the figures are printed as JSON in place of tables; then a page is written only where one is named."""


def read_options(arguments: Sequence[str], usage: str) -> Options:
    """Reads what follows the command.

    Args:
        arguments: as typed.
        usage: how the command is written, for messages.

    Raises:
        UserError: an unknown option, no file behind `--output`, fewer than two runs, or a run that is named twice.
    """
    runs: list[str] = []
    output, as_json = "", False
    rest = iter(arguments)
    for argument in rest:
        option, has_value, value = argument.partition("=")
        if option == "--output":
            output = value if has_value else next(rest, "")
            if not output:
                raise UserError("names no file", where="compare --output", remedy=f"write: {usage}")
        elif argument == "--json":
            as_json = True
        elif argument.startswith("-"):
            raise UserError(f"there is no option {argument!r}", where="compare", remedy=f"write: {usage}")
        else:
            runs.append(argument)
    if len(runs) < 2:
        named = "one run is named" if runs else "no run is named"
        raise UserError(f"{named}, and two or more are compared", where="compare", remedy=f"write: {usage}")
    folders = [Path(run).expanduser().resolve() for run in runs]
    for number, folder in enumerate(folders):
        if folder in folders[:number]:
            raise UserError("is named twice", where=f"compare {runs[number]}", remedy="name runs that differ")
    return Options(tuple(runs), output, as_json)


def compare(options: Options) -> int:
    """Compares runs with the first of them.

    Returns:
        The exit code.

    Raises:
        UserError: one is no finished run, no query was measured in all of them, or the page cannot be written.
    """
    from eval.compare.figures import compare_runs, shared_queries
    from eval.compare.page import flattered, made_up, render_comparison
    from eval.compare.runs import names_of, read_run
    from eval.compare.table import comparison_tables
    from eval.compare.wins import find_wins
    from eval.significance import Bootstrap

    runs = [read_run(run, name) for run, name in zip(options.runs, names_of(options.runs), strict=True)]
    settings = runs[0].report.settings.bootstrap
    comparison = compare_runs(runs, Bootstrap(settings.resamples, settings.seed))
    console = Console()
    if options.as_json:
        sys.stdout.write(visible(json.dumps(to_json_values(comparison), ensure_ascii=False, indent=2)) + "\n")
    else:
        for warning in filter(None, (made_up(comparison), flattered(comparison))):
            console.warn(warning)
        for table in comparison_tables(comparison):
            console.show(table)
    if options.output or not options.as_json:
        kind = comparison.shared[0].kind
        queries = shared_queries(runs, kind)
        wins = [pair for run in runs[1:] if (pair := find_wins(runs[0], run, kind, queries))]
        page = Path(options.output or PAGE).expanduser()
        if page.is_dir():
            raise UserError("is a folder", where=f"compare --output={page}", remedy="name a file")
        make_folder(page.parent, where=f"compare --output={page}")
        write_text(page, render_comparison(comparison, wins))
        if not options.as_json:
            console.step("page", str(page))
    return 0
