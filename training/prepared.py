"""What a model is trained on: the rows of the examples, with the labels, scores and hard negatives that apply.

In: the folders of a run. Out: the rows, and the table of columns that the loss reads. It is apart from the step so that
what is read of each form and family stands in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import NEGATIVE, Form
from engine.artifacts.teacher import TeacherFolder
from engine.errors import UserError
from training.batches.keys import RowKeys
from training.config import SCORERS, Family, ModelConfig
from training.labels import Labels, read_labelled
from training.losses.combinations import LOSSES, meant_loss
from training.losses.settings import Loss
from training.negatives import NO_NEGATIVES, Negatives, Never, mine_negatives
from training.requirements import check_examples
from training.retriever import retriever_of
from training.rows import columns_for_training, held_out_documents, read_rows, row_keys
from training.teachers.join import Taught, join_teacher
from training.teachers.queries import query_ids

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.runtime.place import Place
    from engine.text.hashes import Hashes
    from training.iterations import Earlier


@dataclass(frozen=True)
class TrainingRows:
    """The rows of the examples.

    Attributes:
        form: what a row has.
        rows: a row per example of split "train".
        loss: what is minimised; `mnrl` also where the memory of the workers decides between it and GradCache.
        labels: what a classifier tells apart; None of other families.
        taught: what a teacher thinks of the candidates of each row; None without a teacher.
    """

    form: Form
    rows: pa.Table
    loss: Loss
    labels: Labels | None
    taught: Taught | None

    def loss_of(self, config: ModelConfig) -> Loss:
        """Returns the loss as workers are told it, which choose by their memory where it is `auto`."""
        return config.loss if self.loss is Loss.mnrl else self.loss

    def keys(self, config: ModelConfig, negatives: Negatives) -> RowKeys:
        """Returns what the rows of a batch must not share."""
        if config.family in SCORERS:  # scores are of one row each: no row is a negative of another
            return RowKeys.without_rules(self.rows.num_rows)
        keys = row_keys(self.rows, negatives)
        return self.taught.keys(keys) if self.taught else keys

    def mined(self, config: ModelConfig, keys: RowKeys) -> Hashes:
        """Returns the hashes of the mined negatives among all that stands in `keys.negative_passages`, (rows, mined).

        Negatives of the examples themselves stand before them.
        """
        first = int(NEGATIVE in self.rows.column_names)
        return keys.negative_passages[:, first : first + config.num_hard_negatives]

    def table(self, negatives: Negatives) -> pa.Table:
        """Returns the columns that the loss reads."""
        return self.rows if self.labels else columns_for_training(self.rows, negatives, self.loss)

    def notes(self) -> Mapping[str, str]:
        """Returns what the card says of the teacher."""
        return self.taught.notes() if self.taught else {}


def read_training_rows(
    config: ModelConfig, inputs: Mapping[str, Path], place: Place, folder: Path | None = None
) -> TrainingRows:
    """Reads the examples as the family and its loss want them; see `read_rows` for the folder.

    Raises:
        UserError: the loss fits neither the family nor the examples, there are too few of them, or no teacher is there.
    """
    examples, reasons = ExamplesFolder(inputs["examples"]), config.teacher.reasons()
    form = examples.form()
    check_examples(config, form, has_teacher="teacher" in inputs, has_documents="documents" in inputs)
    if config.family is Family.classifier:
        rows, labels = read_labelled(config, examples, folder)
        loss = meant_loss(config.family, config.loss, form, several_labels=labels.several)
        return TrainingRows(form, rows, loss, labels, None)
    rows, loss = read_rows(examples, reasons, folder), meant_loss(config.family, config.loss, form)
    if taught := _read_teacher(config, rows, loss, inputs, place):
        rows = taught.with_candidates() if LOSSES[loss].needs_teacher else taught.rows
    return TrainingRows(form, rows, loss, None, taught)


def mine(
    config: ModelConfig, trained_on: TrainingRows, earlier: Earlier, inputs: Mapping[str, Path], place: Place
) -> Negatives:
    """Mines the hard negatives that the config asks for, with its retriever or, later, with the model so far."""
    if not config.num_hard_negatives:
        return NO_NEGATIVES
    documents, held_out = DocumentsFolder(inputs["documents"]), held_out_documents(ExamplesFolder(inputs["examples"]))
    encoder = retriever_of(earlier.searching(config))
    if earlier.model is None and encoder.model != config.base:
        place.console.step("model", f"hard negatives are what {encoder.model} finds")
    never = Never(held_out, trained_on.taught.answers) if trained_on.taught else Never(held_out)
    return mine_negatives(config, encoder, trained_on.rows, documents, place, never=never)


def _read_teacher(
    config: ModelConfig, rows: pa.Table, loss: Loss, inputs: Mapping[str, Path], place: Place
) -> Taught | None:
    """Joins the rows with what the teacher thinks of their candidates; None where there is no teacher."""
    if not config.teacher.is_there:
        return None
    if "teacher" not in inputs:
        what, where = "a run of this kind has no teacher", f"model.teacher.by={config.teacher.by}"
        raise UserError(what, where=where, remedy="leave it out, or set it to none")
    ids = query_ids(ExamplesFolder(inputs["examples"]), config.teacher.reasons())
    scored = TeacherFolder(inputs["teacher"]).read()
    shares = loss is Loss.kl and config.share_candidates and config.ranking_share > 0
    documents = DocumentsFolder(inputs["documents"])
    taught = join_teacher(config.teacher, rows, scored, ids, documents, shares_candidates=shares)
    notes = ", ".join(f"{name}: {note}" for name, note in taught.notes().items())
    place.console.step("model", f"teacher {config.teacher.by}, {notes}")
    return taught
