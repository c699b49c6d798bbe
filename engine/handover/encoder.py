"""The model of a system folder: a sentence-transformers folder, complete and nothing more.

In: the folder of the base or the tuned model. Out: a folder that `SentenceTransformer(folder)` loads anywhere. Weights
are linked where the disk allows it, so that they are there once; small files are copied, because people edit those.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.storage.store import DONE, RECORD

_LINKED_BYTES = 1 << 20
"""A file is linked from this size on."""
_LEFT_OUT_ENDINGS = {".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".lock", ".tmp"}
"""Endings of weights in forms that sentence-transformers does not read, and of what is no part of a model."""
_PICKLED, _SAFE = ".bin", ".safetensors"
"""Weights in both forms are the same; a module behind the transformer, such as a dense layer, may have one only."""
_LEFT_OUT_FOLDERS = {"onnx", "openvino", "checkpoints"}


def write_encoder(model: Path, folder: Path) -> None:
    """Writes a model's folder once more, without the store's own files and without weights in other forms.

    Args:
        model: a folder, or a snapshot of a hub model, whose files are links.
        folder: where to; it does not exist yet.
    """
    for parent, names, files in os.walk(model):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in _LEFT_OUT_FOLDERS)
        target = folder / Path(parent).relative_to(model)
        target.mkdir(parents=True)
        has_safe = any(name.endswith(_SAFE) for name in files)
        left_out = _LEFT_OUT_ENDINGS | ({_PICKLED} if has_safe else set())
        for name in files:
            is_own = name in {DONE, RECORD} or name.startswith(".")
            if not is_own and Path(name).suffix not in left_out:
                _place_file(Path(parent, name).resolve(), target / name)


def _place_file(source: Path, target: Path) -> None:
    """Links a large file, or copies it where it is small or lies on another disk or belongs to somebody else."""
    if source.stat().st_size >= _LINKED_BYTES:
        try:
            os.link(source, target)
        except OSError:  # every disk may refuse links, in its own words
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)
