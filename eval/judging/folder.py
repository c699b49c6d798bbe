"""The folder of one pool, in the run that it was made from, and what lies in it.

    RUN/judging/POOL/judge.html          the page to mark on
                     judge.csv           the same as a table, for whoever prefers a spreadsheet
                     pool.json           what was pooled, by which marks are checked
                     judged/             queries and judgements of the marks that were read last
                     disagreements.csv   where people who marked the same results differ

In: a pool, or marks of several people. Out: these files. A pool of other queries or another depth has a folder of its
own, and a table that is there is not written again, so that no mark in it is lost.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.storage.files import make_folder, write_text
from eval.judging.agreement import Disagreement
from eval.judging.judged import write_judged
from eval.judging.page import TermsOf, render_judge_page
from eval.judging.pool import PREFIX, Pool, read_pool, write_pool
from eval.judging.sheet import Marks, shown_cell, shown_id, write_sheet

JUDGING = "judging"
"""The name of the folder in a run."""


@dataclass(frozen=True)
class PoolFolder:
    """The folder of one pool."""

    path: Path

    @property
    def page(self) -> Path:
        """The page to mark on."""
        return self.path / "judge.html"

    @property
    def sheet(self) -> Path:
        """The table to fill in."""
        return self.path / "judge.csv"

    @property
    def judged(self) -> Path:
        """The collection that the marks make."""
        return self.path / "judged"

    @property
    def disagreements(self) -> Path:
        """The table of the results on which people differ."""
        return self.path / "disagreements.csv"

    def pool(self) -> Pool:
        """Reads what was pooled."""
        return read_pool(self.path)

    def write_marks(self, pool: Pool, marks: Marks, disagreements: Sequence[Disagreement]) -> None:
        """Writes the judgements that the marks make, and the disagreements where there are any."""
        write_judged(self.judged, pool, marks)
        self.disagreements.unlink(missing_ok=True)
        if disagreements:
            write_text(self.disagreements, _table(pool, disagreements))


def write_pool_folder(run_dir: Path, pool: Pool, title: str, terms_of: TermsOf) -> PoolFolder:
    """Writes the page of a pool, and its table unless it is there.

    Args:
        run_dir: the run that was searched.
        pool: what is to be marked.
        title: the name of the run, for people.
        terms_of: gives the terms by which words of a query are shown in passages.

    Raises:
        UserError: the run may not be written.
    """
    folder = PoolFolder(run_dir / JUDGING / pool.name)
    make_folder(folder.path, where=f"judge {run_dir}")
    write_pool(folder.path, pool)
    if not folder.sheet.exists():
        write_sheet(folder.sheet, pool)
    write_text(folder.page, render_judge_page(pool, title, terms_of))
    return folder


def find_pool_folder(run_dir: Path, name: str, file: Path) -> PoolFolder:
    """Finds the folder of the pool that a table names.

    Args:
        run_dir: a run.
        name: of the pool, as the table has it.
        file: the table, for the message.

    Raises:
        UserError: this run has no such pool.
    """
    there = {folder.name: folder for folder in sorted((run_dir / JUDGING).glob(f"{PREFIX}*"))}
    if name not in there:
        known = ", ".join(there) or "none"
        remedy = f"name the run that it was made from; pools of this one: {known}"
        raise UserError(f"is of {name!r}, which {run_dir} did not make", where=str(file), remedy=remedy)
    return PoolFolder(there[name])


def _table(pool: Pool, disagreements: Sequence[Disagreement]) -> str:
    """Writes a line per disagreement, with a column per person."""
    people = list(dict.fromkeys(name for one in disagreements for name in one.grades))
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\r\n")
    table.writerow(["query_id", "passage_id", "query", "title", "text", *people])
    for one in disagreements:
        result = pool.by_pair[one.pair]
        texts = map(shown_cell, (pool.queries[result.query_id], result.title, result.text))
        table.writerow([*map(shown_id, one.pair), *texts, *(one.grades.get(name, "") for name in people)])
    return "\ufeff" + stream.getvalue()
