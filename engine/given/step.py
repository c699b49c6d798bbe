"""The step that reads examples a user has: files of pairs, triplets, graded pairs, labelled texts or plain texts.

In: a file or a folder. Out: an examples folder with the columns of its form (`engine.artifacts.forms`). The files are
read once, row by row, into a file beside the output; only then is it known which documents are held out and what scale
scores have, and the rows are written. In memory are some thousand rows, and some bytes of every one.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.examples import ExamplesFolder, ExamplesRecord
from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.given.columns import Role
from engine.given.config import GivenConfig
from engine.given.opening import LateColumns, open_examples
from engine.given.rows import StagedRows, write_examples
from engine.given.scale import Scale, find_scale
from engine.given.values import read_example

if TYPE_CHECKING:
    from engine.runtime.place import Place


def read_given(
    config: GivenConfig,
    inputs: Mapping[str, Path],
    output: Path,
    place: Place,
) -> ExamplesRecord:
    """Reads given examples: each row is kept, or rejected with the reason why it is none.

    Args:
        config: which files.
        inputs: `examples` that a classifier is trained on, for the texts of a file that it is measured on; else none.
        output: becomes an examples folder.
        place: where a person is told what the columns were taken for.

    Raises:
        UserError: a file is malformed, columns are doubtful, no row is left, or texts have several labels and the
            classifier gives each text one.
    """
    started = time.monotonic()
    opened = open_examples(config)
    columns, late = opened.columns, LateColumns(opened)
    named = ", ".join(f"{role.value} {name!r}" for role, name in columns.names.items())
    place.console.step("examples", f"{columns.form.value}: {named}")
    with tempfile.TemporaryDirectory(prefix=".rows-", dir=output) as scratch:
        weighted = Role.weight in columns.names
        with StagedRows(Path(scratch), columns.form, weighted=weighted) as rows:
            for record in opened.records:
                late.look(record)
                rows.add(record.place, read_example(record, columns))
        read = time.monotonic()
        scale = _scale(config, rows, place)
        sides = rows.hashes.sides(config.seed, config.validation_share)
        counts = write_examples(rows, sides, scale, output)
    for note in late.notes():
        place.console.warn(note)
    if config.one_label and counts.not_one_label and not _have_several(inputs):
        raise _several_labels(config, counts.not_one_label)
    splits, rejected = counts.splits, dict(counts.rejected.most_common())
    if not splits["train"]:
        raise _nothing_kept(config, columns.form, rejected)
    config.check_held_out(splits["validation"])
    if not splits["validation"] and config.validation_share:
        place.console.warn("no example is held out: there are too few documents, or most of them share a text")
    return ExamplesRecord(
        kept=splits.total(),
        train=splits["train"],
        validation=splits["validation"],
        rejected=rejected,
        seconds={"read": round(read - started, 3), "write": round(time.monotonic() - read, 3)},
        labels=dict(sorted(counts.labels.items())),
        not_one_label=counts.not_one_label,
    )


def _have_several(inputs: Mapping[str, Path]) -> bool:
    """Tells whether texts that a classifier is trained on have another number of labels than one."""
    return "examples" in inputs and bool(ExamplesFolder(inputs["examples"]).record().not_one_label)


def _several_labels(config: GivenConfig, count: int) -> UserError:
    what = f"{count:,} texts have no label or several, and the classifier gives each text one"
    remedy = "give each text one label, or train with several"
    return UserError(what, where=f"{config.key}={config.path}", remedy=remedy)


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
