"""The model step with a teacher, on a BERT of two small layers."""

from __future__ import annotations

from pathlib import Path

from tests.support.taught import candidates_config, write_candidates, write_folders
from tests.support.training import make_config, make_place
from training.losses.settings import Loss
from training.step import train_model
from training.teachers.config import TeacherConfig


def test_a_model_learns_the_ranking_of_a_teacher(local_training: None, base: Path, tmp_path: Path) -> None:
    folders, output = write_folders(tmp_path, documents=30, examples=90), tmp_path / "model"
    # By meaning alone, of which a random model knows nothing, so that own passages are not always first.
    write_candidates(tmp_path / "teacher", folders, candidates_config(base, words=0.0))
    output.mkdir()
    teacher = TeacherConfig("fused", better_positive=True)
    config = make_config(base, epochs=1, batch_size=4, loss=Loss.kl, ranking_share=0.0, teacher=teacher)
    record = train_model(config, {**folders, "teacher": tmp_path / "teacher"}, output, make_place(tmp_path))
    assert record.loss_kind == "kl"
    assert record.steps > 1
    card = (output / "README.md").read_text()
    for noted in ("| candidates per query | 5 |", "| positives that the teacher replaced |"):
        assert noted in card
