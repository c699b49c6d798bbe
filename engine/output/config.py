"""The settings of the output step, and the check of the one file that a user may ask for.

In: `samples.output` and `prompts.per_row`. Out: a frozen config; a file that could not be written is refused at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError

ENDINGS = (".jsonl", ".parquet", ".csv")
"""The endings of a file of answers, which say its form."""


@dataclass(frozen=True)
class OutputConfig:
    """What the output step holds against the samples."""

    per_row: int = 1
    """The number of answers of each row."""


def check_file(output: str, prompts: str, runs_dir: str) -> None:
    """Refuses a file of answers that could not be written.

    Args:
        output: `samples.output`.
        prompts: `prompts.path`.
        runs_dir: below which results are stored, finished ones and such as other runs share.

    Raises:
        UserError: no prompts are read, its form is not known, it is what is read or among results, or its folder cannot
            be written.
    """
    where, file = f"samples.output={output}", Path(output).expanduser()
    if not prompts:
        remedy = "leave it out; samples are Parquet files in the run folder"
        raise UserError("is for batch inference, and prompts.path is empty", where=where, remedy=remedy)
    if file.suffix not in ENDINGS:
        raise UserError(
            f"its ending {file.suffix!r} tells no form", where=where, remedy=f"known are {', '.join(ENDINGS)}"
        )
    source = Path(prompts).expanduser().resolve()
    if file.resolve() == source or (source.is_dir() and source in file.resolve().parents):
        what = "lies among the prompts, so that the next run would read its own answers"
        raise UserError(what, where=where, remedy="name a file elsewhere")
    if Path(runs_dir, "store").expanduser().resolve() in file.resolve().parents:
        remedy = "name a file elsewhere; RUN/output holds the answers as Parquet already"
        raise UserError("lies among the results of steps, which never change", where=where, remedy=remedy)
    if file.is_dir() or not os.access(file.absolute().parent, os.W_OK):
        raise UserError("cannot be written", where=where, remedy="name a file in a folder that exists")
