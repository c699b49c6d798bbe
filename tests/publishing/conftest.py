"""The stand-in for the hub that tests of this room share, and a model to publish."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.hub import Hub, running_hub, use_hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with nothing in it, which this process takes for the one that there is, logged in as `me`."""
    with running_hub() as hub:
        use_hub(hub, tmp_path, monkeypatch)
        yield hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A finished model folder, with everything beside the model that training could leave there."""
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "checkpoints" / "checkpoint-5").mkdir(parents=True)
    save_file({"weights": np.arange(64, dtype=np.float32)}, folder / "model.safetensors")
    save_file({"weights": np.zeros(4, np.float32)}, folder / "checkpoints" / "checkpoint-5" / "model.safetensors")
    card = '---\ntags:\n- synthmill\n---\n\nmodel = SentenceTransformer("path/to/this/folder")\n'
    modules = '[{"path": ""}, {"path": "1_Pooling"}]'
    settings = {"config.json": "{}", "modules.json": modules, "1_Pooling/config.json": '{"mean": true}'}
    texts = {"README.md": card, **settings}
    left = {"record.json": '{"config": "/home/me"}', "_DONE": "", "checkpoints/checkpoint-5/trainer_state.json": "{}"}
    pickles = dict.fromkeys(
        ("optimizer.pt", "scheduler.pt", "rng_state.pth", "pytorch_model.bin", "negatives.npy"), "x"
    )
    for path, text in {**texts, **left, **pickles}.items():
        (folder / path).write_text(text)
    return folder
