"""No folder of a model is loaded from a pickle: each name that a library would fall back to is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import UserError
from engine.models.adapter import resolve_adapter
from engine.models.files import model_files
from engine.models.resolve import resolve_model
from engine.models.weights import Module, fault_of_names, modules_of
from tests.support.models import refusal

KIND = "sentence_transformers.models."
MODULES = [
    {"path": "", "type": f"{KIND}Transformer"},
    {"path": "1_Pooling", "type": f"{KIND}Pooling"},
    {"path": "2_Dense", "type": f"{KIND}Dense"},
]


def write(folder: Path, *names: str, **files: Any) -> Path:
    """A folder with a config, files of these names, and JSON files, `__` in whose names stand for a dot."""
    for name in ("config.json", "1_Pooling/config.json", "2_Dense/config.json", *names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(json.dumps(value))
    return folder


def test_a_folder_with_pickles_beside_its_weights_is_loaded_from_its_weights(tmp_path: Path) -> None:
    safe = write(tmp_path, "model.safetensors", "pytorch_model.bin", "2_Dense/model.safetensors", modules__json=MODULES)
    (safe / "2_Dense" / "pytorch_model.bin").write_text("")
    (safe / "checkpoint-1").mkdir()
    (safe / "checkpoint-1" / "pytorch_model.bin").write_text("")
    assert resolve_model(str(safe), key="model.base") == safe.resolve()
    assert not [path for path in model_files(safe) if path.suffix == ".bin"]


@pytest.mark.parametrize("pickle", ["pytorch_model.bin", "pytorch_model.bin.index.json"])
def test_a_pickle_of_a_module_is_refused(pickle: str, tmp_path: Path) -> None:
    folder = write(tmp_path, "model.safetensors", f"2_Dense/{pickle}", modules__json=MODULES)
    error = refusal(str(folder))
    assert f"2_Dense/{pickle}" in error.what
    assert "convert" in error.remedy
    assert not [path for path in model_files(folder) if path.suffix == ".bin"], "no system holds one"


def test_a_pickle_at_the_root_is_refused_where_its_module_reads_no_index(tmp_path: Path) -> None:
    """`load_torch_weights` looks for one safetensors file, and then for the pickle."""
    names = ("model.safetensors.index.json", "pytorch_model.bin")
    static = [{"path": "", "type": f"{KIND}StaticEmbedding"}]
    index = {"weight_map": {}}
    folder = write(tmp_path, *names, modules__json=static, model__safetensors__index__json=index)
    assert "pytorch_model.bin" in refusal(str(folder)).what
    write(folder, "2_Dense/model.safetensors", modules__json=MODULES)
    assert resolve_model(str(folder), key="model.base") == folder.resolve()


@pytest.mark.parametrize("path", ["", "2_Router"])
def test_a_pickle_within_a_router_is_refused(path: str, tmp_path: Path) -> None:
    types = {"query_0_Dense": f"{KIND}Dense", "doc_0_Router": f"{KIND}Router"}
    folder = write(tmp_path, "model.safetensors", modules__json=[{"path": path, "type": f"{KIND}Router"}])
    for name, inner in (("", types), ("doc_0_Router", {"b_0_Dense": f"{KIND}Dense", ".": f"{KIND}Router"})):
        write(folder / path / name, router_config__json={"types": inner, "structure": {}})
    safe: list[Path] = []
    for deep in ("query_0_Dense", "doc_0_Router/b_0_Dense"):
        pickle = folder / path / deep / "pytorch_model.bin"
        pickle.parent.mkdir(exist_ok=True)
        pickle.write_text("")
        assert (Path(path) / deep / "pytorch_model.bin").as_posix() in refusal(str(folder)).what
        pickle.rename(pickle.with_name("model.safetensors"))
        safe.append(pickle)
        assert Path(path) / deep / "model.safetensors" in set(model_files(folder)), "a system holds all modules"
    assert len(safe) == 2
    assert resolve_model(str(folder), key="model.base") == folder.resolve()


def test_a_pickled_adapter_beside_a_model_is_refused(tmp_path: Path) -> None:
    """One is loaded wherever the config of an adapter lies, whatever `use_safetensors` says."""
    for pickle in ("adapter_model.bin", "adapter_model.pt"):
        folder = write(tmp_path / pickle, "model.safetensors", "adapter_config.json", pickle)
        assert pickle in refusal(str(folder)).what
        write(folder, "adapter_model.safetensors")
        assert resolve_model(str(folder), key="model.base") == folder.resolve()


def test_an_adapter_needs_safetensors_under_the_name_that_is_loaded(tmp_path: Path) -> None:
    folder = write(tmp_path, "model.safetensors", "adapter_model.bin", adapter_config__json={"r": 8})
    with pytest.raises(UserError, match=r"adapter_model\.bin only"):
        resolve_adapter(str(folder))
    write(folder, "adapter_model.safetensors")
    assert resolve_adapter(str(folder)) == folder.resolve()


def test_weights_have_the_names_that_are_loaded(tmp_path: Path) -> None:
    folder = write(tmp_path, "decoy.safetensors")
    assert "decoy.safetensors, which is not loaded" in refusal(str(folder)).what
    (folder / "pytorch_model.bin").write_text("")
    assert "pytorch_model.bin only" in refusal(str(folder)).what
    hub = ["config.json", "onnx/model.safetensors", "pytorch_model.bin"]
    fault = fault_of_names(hub, is_adapter=False)
    assert fault is not None
    assert "pytorch_model.bin only" in fault[0]
    assert (
        fault_of_names(["model-00001-of-00002.safetensors", "model.safetensors.index.json"], is_adapter=False) is None
    )


@pytest.mark.parametrize(
    "names",
    [
        ["gptq_model-4bit-128g.safetensors"],
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "pytorch_model.bin"],
    ],
)
def test_a_generator_has_safetensors_of_any_name(names: list[str], tmp_path: Path) -> None:
    folder = write(tmp_path, *names)
    for key in ("samples.model", "samples.models.b.model", "judge.model", "model.teacher.generator.model"):
        assert resolve_model(str(folder), key=key) == folder.resolve()
    refusal(str(folder))
    for other in (["adapter_model.safetensors"], ["deep/model-1.safetensors"], ["pytorch_model.bin"]):
        assert fault_of_names(other, is_adapter=False, is_generator=True) is not None


def test_of_an_adapter_only_its_own_weights_are_looked_at(tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors"}}
    names = ("adapter_model.safetensors", "pytorch_model.bin")
    folder = write(tmp_path, *names, adapter_config__json={"r": 8}, model__safetensors__index__json=index)
    assert resolve_adapter(str(folder)) == folder.resolve()
    assert fault_of_names(["consolidated.safetensors"], is_adapter=True) is not None


def test_a_module_without_its_weights_is_refused(tmp_path: Path) -> None:
    """No pickle of a hub model is downloaded, so that its folder lacks what the module would be loaded from."""
    error = refusal(str(write(tmp_path, "model.safetensors", modules__json=MODULES)))
    assert "holds no 2_Dense/model.safetensors" in error.what
    assert "SentenceTransformer(MODEL).save" in error.remedy
    write(tmp_path, "2_Dense/model.safetensors")
    assert resolve_model(str(tmp_path), key="model.base") == tmp_path.resolve()


@pytest.mark.parametrize(
    "files",
    [
        {"config__json": {"transformers_weights": "adapter_model.bin"}},
        {"model__safetensors__index__json": {"weight_map": {"a": "adapter_model.bin"}}},
    ],
)
def test_no_config_names_a_pickle(files: dict[str, Any], tmp_path: Path) -> None:
    assert "adapter_model.bin only" in refusal(str(write(tmp_path, "model.safetensors", **files))).what


@pytest.mark.parametrize("modules", [[{"path": "../other"}], [{"path": "/etc"}], [{}], 3, ["a"], {"a": 1}])
def test_a_damaged_list_of_modules_is_one_line(modules: Any, tmp_path: Path) -> None:
    assert "damaged list of files" in refusal(str(write(tmp_path, "model.safetensors", modules__json=modules))).what


def test_modules_are_those_that_the_library_loads(tmp_path: Path) -> None:
    assert list(modules_of(write(tmp_path / "plain"))) == [Module("")]
    listed = list(modules_of(write(tmp_path / "listed", modules__json=MODULES)))
    assert listed == [Module(**each) for each in MODULES]


def test_what_is_refused_is_what_the_library_would_have_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names are those of the library that is installed: it reads the pickle, whatever it is told."""
    import torch
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    read: list[str] = []
    monkeypatch.setattr(torch, "load", lambda file, **_: read.append(Path(file).name) or SimpleNamespace())
    folder = write(tmp_path, "2_Dense/pytorch_model.bin")
    LayerNorm.load_torch_weights(str(folder), subfolder="2_Dense", local_files_only=True)
    assert read == ["pytorch_model.bin"]
