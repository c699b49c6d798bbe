"""The model of a system folder is complete, and holds nothing of the store."""

from __future__ import annotations

from pathlib import Path

from engine.handover.encoder import write_encoder

LARGE = b"x" * (1 << 20)


def test_weights_are_linked_and_what_people_edit_is_copied(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "1_Pooling").mkdir(parents=True)
    (model / "model.safetensors").write_bytes(LARGE)
    (model / "config.json").write_text("{}")
    (model / "1_Pooling" / "config.json").write_text("[]")
    write_encoder(model, tmp_path / "encoder")
    written = {path.relative_to(tmp_path / "encoder").as_posix() for path in (tmp_path / "encoder").rglob("*.*")}
    assert written == {"model.safetensors", "config.json", "1_Pooling/config.json"}
    assert (tmp_path / "encoder" / "model.safetensors").samefile(model / "model.safetensors")
    (tmp_path / "encoder" / "config.json").write_text("edited")
    assert (model / "config.json").read_text() == "{}"


def test_what_is_no_part_of_the_model_stays_behind(tmp_path: Path) -> None:
    model = tmp_path / "model"
    weights = ("model.safetensors", "pytorch_model.bin", "onnx/model.onnx")
    for name in ("config.json", "_DONE", "record.json", *weights, ".hidden"):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_text("")
    write_encoder(model, tmp_path / "encoder")
    assert {path.name for path in (tmp_path / "encoder").iterdir()} == {"config.json", "model.safetensors"}


def test_a_layer_that_has_its_weights_in_one_form_only_keeps_them(tmp_path: Path) -> None:
    from sentence_transformers.models import Dense

    layer = Dense(in_features=3, out_features=2)
    (tmp_path / "model" / "2_Dense").mkdir(parents=True)
    layer.save(str(tmp_path / "model" / "2_Dense"), safe_serialization=False)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    write_encoder(tmp_path / "model", tmp_path / "encoder")
    loaded = Dense.load(str(tmp_path / "encoder" / "2_Dense"))
    assert loaded.linear.weight.tolist() == layer.linear.weight.tolist()


def test_a_snapshot_of_links_becomes_files(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0a").write_bytes(LARGE)
    (tmp_path / "blobs" / "0b").write_text("{}")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to("../blobs/0a")
    (tmp_path / "snapshot" / "config.json").symlink_to("../blobs/0b")
    write_encoder(tmp_path / "snapshot", tmp_path / "encoder")
    assert not [path for path in (tmp_path / "encoder").iterdir() if path.is_symlink()]
    assert (tmp_path / "encoder" / "model.safetensors").read_bytes() == LARGE
