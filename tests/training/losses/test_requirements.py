"""What a loss asks of base, rows and settings is found out before a run starts, from files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.forms import Form
from engine.errors import UserError
from tests.support.training import make_config, with_settings
from training.config import Family
from training.families.lora import LoraConfig
from training.losses.requirements import check_model
from training.losses.settings import Loss


def refusal(base: Path, form: Form, family: Family = Family.bi_encoder, **changes: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        check_model(make_config(base, **changes), family, form)
    return caught.value


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        (Form.pairs, {}),
        (Form.pairs, {"num_hard_negatives": 3, "matryoshka": [32, 16]}),
        (Form.pairs, {"loss": Loss.triplet, "num_hard_negatives": 2}),
        (Form.pairs, {"loss": Loss.gist, "num_hard_negatives": 1}),
        (Form.triplets, {"loss": Loss.triplet}),
        (Form.triplets, {"loss": Loss.gist}),
        (Form.graded, {"matryoshka": [16]}),
        (Form.texts, {}),
    ],
)
def test_what_makes_sense_is_taken(base: Path, form: Form, changes: dict[str, Any]) -> None:
    check_model(make_config(base, **changes), Family.bi_encoder, form)


def test_a_loss_that_reads_other_rows_is_refused(base: Path) -> None:
    error = refusal(base, Form.graded, loss=Loss.mnrl)
    assert (error.where, error.remedy) == ("model.loss=mnrl", "set model.loss to auto, contrastive, cosine or cosent")


def test_a_loss_of_a_teacher_needs_one(base: Path) -> None:
    error = refusal(base, Form.pairs, loss=Loss.kl)
    assert error.where == "model.loss=kl"
    assert "there is no teacher" in error.what
    check_model(make_config(base, loss=Loss.kl), Family.bi_encoder, Form.pairs, has_teacher=True)


ALONE = "set model.loss to auto, mnrl, cached_mnrl or gist"


def test_without_documents_no_remedy_asks_for_them(base: Path) -> None:
    for loss, remedy in ((Loss.kl, ALONE), (Loss.triplet, f"give triplets, or {ALONE}")):
        with pytest.raises(UserError) as caught:
            check_model(make_config(base, loss=loss), Family.bi_encoder, Form.pairs, has_documents=False)
        assert (caught.value.where, caught.value.remedy) == (f"model.loss={loss.value}", remedy)


@pytest.mark.parametrize(
    ("family", "form", "changes", "remedy"),
    [
        (Family.bi_encoder, Form.pairs, {"loss": Loss.gist}, "set it to false, or model.loss to mnrl or cached_mnrl"),
        (
            Family.adapter,
            Form.triplets,
            {"loss": Loss.triplet},
            "set it to false, or model.loss to mnrl or cached_mnrl",
        ),
        (Family.bi_encoder, Form.graded, {}, "set it to false"),
        (Family.bi_encoder, Form.texts, {}, "set it to false"),
        (Family.cross_encoder, Form.triplets, {}, "set it to false"),
        (Family.classifier, Form.labelled, {}, "set it to false"),
    ],
)
def test_only_ranking_in_the_batch_has_a_direction_from_passages(
    base: Path, family: Family, form: Form, changes: dict[str, Any], remedy: str
) -> None:
    error = refusal(base, form, family, symmetric=True, **changes)
    assert (error.where, error.remedy) == ("model.symmetric=true", remedy)
    assert "is trained by mnrl or cached_mnrl only, and the loss is " in error.what
    for loss in (Loss.auto, Loss.mnrl, Loss.cached_mnrl):
        check_model(make_config(base, symmetric=True, loss=loss), Family.bi_encoder, Form.pairs)


@pytest.mark.parametrize(
    ("family", "form", "changes", "remedy"),
    [
        (Family.bi_encoder, Form.pairs, {}, "leave it out, or set model.loss=gist"),
        (Family.bi_encoder, Form.graded, {"loss": Loss.cosine}, "leave it out"),
        (Family.cross_encoder, Form.triplets, {}, "leave it out"),
    ],
)
def test_a_guide_that_nothing_reads_is_refused(
    base: Path, family: Family, form: Form, changes: dict[str, Any], remedy: str
) -> None:
    error = refusal(base, form, family, guide="bundled:minilm", **changes)
    assert (error.where, error.remedy) == ("model.guide=bundled:minilm", remedy)
    check_model(make_config(base, guide="bundled:minilm", loss=Loss.gist), Family.bi_encoder, Form.pairs)


@pytest.mark.parametrize(
    ("form", "changes", "remedy"),
    [
        (Form.pairs, {"loss": Loss.triplet}, "set it to 1"),
        (Form.pairs, {"loss": Loss.gist, "num_hard_negatives": 2}, "set it to at most 1"),
        (Form.triplets, {"loss": Loss.gist, "num_hard_negatives": 1}, "set it to at most 0"),
        (Form.graded, {"num_hard_negatives": 1}, "set it to 0"),
        (Form.texts, {"num_hard_negatives": 1}, "set it to 0"),
    ],
)
def test_negatives_fit_the_loss_and_the_rows(base: Path, form: Form, changes: dict[str, Any], remedy: str) -> None:
    error = refusal(base, form, **changes)
    assert error.where == f"model.num_hard_negatives={changes.get('num_hard_negatives', 0)}"
    assert error.remedy == remedy


def test_no_vector_is_longer_than_the_models(base: Path, tmp_path: Path) -> None:
    error = refusal(base, Form.pairs, matryoshka=[64, 32])
    assert error.where == "model.matryoshka=[64, 32]"
    assert error.remedy == "set it to numbers up to 32"
    dense = with_modules(base, tmp_path / "dense", "sentence_transformers.models.Dense", out_features=48)
    check_model(make_config(dense, matryoshka=[48, 16]), Family.bi_encoder, Form.pairs)
    assert "48 dimensions" in refusal(dense, Form.pairs, matryoshka=[64]).what


def test_only_vectors_are_shortened(base: Path) -> None:
    assert refusal(base, Form.pairs, Family.cross_encoder, matryoshka=[16]).remedy == "leave it empty"
    assert refusal(base, Form.texts, matryoshka=[16]).remedy == "leave it empty"


def test_a_base_that_cannot_decode_is_refused(base: Path, tmp_path: Path) -> None:
    other = with_settings(base, tmp_path / "mpnet")
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(settings | {"model_type": "mpnet"}))
    error = refusal(other, Form.texts)
    assert error.where == f"model.base={other}"
    assert "a model of type mpnet cannot be a decoder" in error.what
    assert "bert, big_bird" in error.remedy
    lora = refusal(base, Form.texts, lora=LoraConfig(rank=4))
    assert (lora.where, lora.remedy) == ("model.lora.rank=4", "set it to 0")
    dense = with_modules(base, tmp_path / "dense", "sentence_transformers.models.Dense", out_features=48)
    assert "48 dimensions and its layers 32" in refusal(dense, Form.texts).what


@pytest.mark.parametrize("changes", [{"loss": Loss.cosine}, {"loss": Loss.contrastive}, {"matryoshka": [16]}])
def test_what_is_searched_by_dot_products_is_not_trained_by_cosines(
    base: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    dot = with_settings(base, tmp_path / "dot", similarity_fn_name="dot")
    assert "trains cosines" in refusal(dot, Form.graded, **changes).what
    check_model(make_config(dot), Family.bi_encoder, Form.graded)
    unit = with_modules(dot, tmp_path / "unit", "sentence_transformers.models.Normalize")
    check_model(make_config(unit, **changes), Family.bi_encoder, Form.graded)


def with_modules(base: Path, folder: Path, kind: str, **settings: object) -> Path:
    """A copy of a base with one more module behind its last one; nothing loads it."""
    shutil.copytree(base, folder)
    modules = json.loads((folder / "modules.json").read_text())
    module = {"idx": len(modules), "name": str(len(modules)), "path": "2_More", "type": kind}
    (folder / "modules.json").write_text(json.dumps([*modules, module]))
    (folder / "2_More").mkdir()
    (folder / "2_More" / "config.json").write_text(json.dumps(settings))
    (folder / "2_More" / "model.safetensors").touch()
    return folder
