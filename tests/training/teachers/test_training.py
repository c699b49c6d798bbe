"""The model step with a teacher, on a BERT of two small layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.support.losses import without_dropout
from tests.support.taught import candidates_config, write_candidates, write_folders
from tests.support.training import make_config, make_place
from training.losses import auto
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


def test_batches_that_do_not_fit_into_memory_are_computed_in_pieces(
    local_training: None,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The weights are those of batches that fit; every candidate of a query counts."""
    still = without_dropout(base, tmp_path / "base")
    folders = write_folders(tmp_path, documents=30, examples=90)
    write_candidates(tmp_path / "teacher", folders, candidates_config(still, words=0.0))
    config = make_config(still, epochs=1, batch_size=4, mini_batch_size=3, loss=Loss.kl, teacher=TeacherConfig("fused"))
    asked: list[int] = []
    plain = auto.activation_bytes

    def bytes_of(encoder: Any, *, rows: int, tokens: int, halved: bool) -> int:
        asked.append(rows)
        return plain(encoder, rows=rows, tokens=tokens, halved=halved)

    monkeypatch.setattr(auto, "activation_bytes", bytes_of)

    def trained(name: str, free: int) -> dict[str, Any]:
        monkeypatch.setattr(auto, "free_bytes", lambda _: (free, False))
        output = tmp_path / name
        output.mkdir()
        inputs = {**folders, "teacher": tmp_path / "teacher"}
        assert train_model(config, inputs, output, make_place(tmp_path)).loss_kind == "kl"
        return dict(load_file(output / "model.safetensors"))

    whole = trained("whole", 1 << 40)
    assert "in pieces" not in capsys.readouterr().out
    pieces = trained("pieces", 0)
    assert (
        "model      a batch's activations did not fit into memory: kl was computed in pieces" in capsys.readouterr().out
    )
    assert asked == [4 * 5] * 2
    assert all((whole[name] - weights).abs().max() < 2e-4 for name, weights in pieces.items())
    start = load_file(still / "model.safetensors")
    assert any((start[name] - weights).abs().max() > 1e-3 for name, weights in pieces.items() if name in start)
