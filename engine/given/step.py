"""The step that reads examples a user has: files of pairs, triplets, graded pairs, labelled texts or plain texts.

In: a file or a folder. Out: an examples folder with the columns of its form (`engine.artifacts.forms`). The files are
read once, row by row, into a file beside the output; only then is it known which documents are held out and what scale
scores have, and the rows are written. In memory are some thousand rows, and some bytes of every one.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.examples import ExamplesRecord
from engine.artifacts.forms import COLUMNS, Form
from engine.errors import UserError
from engine.given.columns import Columns, find_columns
from engine.given.config import GivenConfig
from engine.given.rows import StagedRows, write_examples
from engine.given.scale import Scale, find_scale
from engine.given.source import KEY, Record, read_records
from engine.given.values import read_example

if TYPE_CHECKING:
    from engine.runtime.place import Place

_LOOK_ROWS, _LOOK_CHARACTERS = 1000, 1 << 24
"""The rows by which columns are found, or fewer long ones."""


def read_given(
    config: GivenConfig,
    inputs: Mapping[str, Path],  # noqa: ARG001 (the first step has none)
    output: Path,
    place: Place,
) -> ExamplesRecord:
    """Reads given examples: each row is kept, or rejected with the reason why it is none.

    Args:
        config: which files.
        inputs: folders of earlier steps; there are none.
        output: becomes an examples folder.
        place: where a person is told what the columns were taken for.

    Raises:
        UserError: a file is malformed, columns are doubtful, or no row is left to train on.
    """
    started = time.monotonic()
    records, columns = _open(config)
    _check_mixed(config, columns.form)
    named = ", ".join(f"{role.value} {name!r}" for role, name in columns.names.items())
    place.console.step("examples", f"{columns.form.value}: {named}")
    with tempfile.TemporaryDirectory(prefix=".rows-", dir=output) as scratch:
        with StagedRows(Path(scratch), columns.form) as rows:
            for record in records:
                rows.add(record.place, read_example(record, columns))
        read = time.monotonic()
        scale = _scale(config, rows, place)
        sides = rows.hashes.sides(config.seed, config.validation_share)
        counts = write_examples(rows, sides, scale, output)
    splits, rejected = counts.splits, dict(counts.rejected.most_common())
    if not splits["train"]:
        raise _nothing_kept(config, columns.form, rejected)
    if not splits["validation"] and config.validation_share:
        place.console.warn("no example is held out: there are too few documents, or most of them share a text")
    return ExamplesRecord(
        kept=splits.total(),
        train=splits["train"],
        validation=splits["validation"],
        rejected=rejected,
        seconds={"read": round(read - started, 3), "write": round(time.monotonic() - read, 3)},
        labels=dict(sorted(counts.labels.items())),
    )


def _open(config: GivenConfig) -> tuple[Iterator[Record], Columns]:
    """Returns all records, and what their columns mean by the first of them."""
    records = read_records(config.source())
    first: list[Record] = []
    characters = 0
    for record in records:
        first.append(record)
        characters += sum(len(value) for value in record.values.values() if isinstance(value, str))
        if len(first) == _LOOK_ROWS or characters >= _LOOK_CHARACTERS:
            break
    if not first:
        remedy = "name a file with at least one row"
        raise UserError("holds no rows", where=f"{config.key}={config.path}", remedy=remedy)
    names = list(dict.fromkeys(name for record in first for name in record.values))
    return itertools.chain(first, records), _find_columns(config, names)


def _find_columns(config: GivenConfig, names: Sequence[str]) -> Columns:
    """Finds what columns mean; `examples.columns` says nothing of a file that another key names."""
    where = f"{config.key}={config.path}"
    try:
        return find_columns(names, config.columns, config.form, where)
    except UserError as error:
        if config.key == KEY or config.form is None:
            raise
        remedy = f"name its columns {', '.join(COLUMNS[config.form])}, and no others alike"
        raise UserError(error.what, where=where, remedy=remedy) from error


def _check_mixed(config: GivenConfig, form: Form) -> None:
    if config.beside_generated and form is not Form.pairs:
        raise UserError(
            f"holds examples of the form {form.value!r}, and generated ones are pairs",
            where=f"{KEY}={config.path}",
            remedy="train on them alone, without documents; or read queries and passages only: examples.form=pairs",
        )


def _scale(config: GivenConfig, rows: StagedRows, place: Place) -> Scale | None:
    """Returns the scale of the scores; None where there are none."""
    if rows.form is not Form.graded or not len(rows.hashes):
        return None
    scale = find_scale(rows.lowest, rows.highest, config.lowest_score, config.highest_score)
    shown = f"{scale.lowest:g} to {scale.highest:g}"
    place.console.step("examples", f"scores are read on the scale {shown} (examples.lowest_score, highest_score)")
    return scale


def _nothing_kept(config: GivenConfig, form: Form, rejected: Mapping[str, int]) -> UserError:
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in Counter(rejected).most_common())
    return UserError(
        f"holds no {form.value} to train on (rejected: {reasons or 'none'})",
        where=f"{config.key}={config.path}",
        remedy="check what examples.columns and examples.form say of the file, and examples.validation_share",
    )
