"""What is published of finished folders: what loads and explains a model, and nothing that training left beside it.

In: the folder of a model, and that of a system. Out: files with their paths in the repository. Of a model its card
and what `engine.models.files` says that a model is are taken, and of what else a system has, files of known kinds: so
that neither a checkpoint, an optimizer's state, a pickle nor the record of a step, which knows paths of this machine,
can go along, and the terms of the weights do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.models.files import model_files as files_of_model
from engine.storage.store import RECORD

CARD = "README.md"
"""The model card."""
SYSTEM = "system"
"""The folder of the search within the repository."""
WEIGHTS = ".safetensors"
"""The one kind of weights that is published."""
_FOLDER_IN_CARD = "path/to/this/folder"
"""What stands in the card where a reader puts the model's place; in a repository that is its name."""
_SYSTEM_KINDS = frozenset({".json", ".jsonl", ".md", ".txt", ".npz", ".npy", ".index", ".py"})
"""The kinds of files of a system, but for those of its models."""
_MATRICES = "adapter_config.json"
"""The file in which peft says which base a model's matrices belong to."""
_MODELS_OF_SYSTEM = ("encoder", "reranker")
"""The folders of a search that hold a model each."""
_NOT_PUBLISHED = frozenset({"checkpoints", "__pycache__"})
"""Folders that hold nothing of a finished model."""


@dataclass(frozen=True)
class File:
    """A file to publish."""

    path: str
    """Its place in the repository."""
    content: Path | bytes

    @property
    def size(self) -> int:
        """Returns the number of bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def sha256(self) -> str:
        """Returns the hash by which a hub knows the content of a large file."""
        return self._hashed(hashlib.sha256())

    def git_blob(self) -> str:
        """Returns the hash by which a hub knows that of any other file: git's."""
        return self._hashed(hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False))

    def _hashed(self, state: hashlib._Hash) -> str:
        if isinstance(self.content, bytes):
            state.update(self.content)
        else:
            with self.content.open("rb") as stream:
                while piece := stream.read(1 << 20):
                    state.update(piece)
        return state.hexdigest()


def model_files(folder: Path, repo: str) -> list[File]:
    """Lists what is published of a model.

    Args:
        folder: the finished folder.
        repo: `OWNER/NAME`, which the card's code then loads.

    Raises:
        UserError: it has no weights in safetensors, or stands by itself in one folder only.
    """
    files = _of_model(folder)
    if any(file.path == _MATRICES for file in files):
        what = "holds matrices beside its weights, with the path of a base on this machine"
        raise UserError(what, where=str(folder), remedy="train the model with model.lora.merge=true")
    if not any(file.path.endswith(WEIGHTS) for file in files):
        what, remedy = f"has no weights in {WEIGHTS[1:]}, and others are not published", "train the model again"
        raise UserError(what, where=str(folder), remedy=remedy)
    return [_with_name(file, repo) if file.path == CARD else file for file in files]


def system_files(folder: Path) -> list[File]:
    """Lists what is published of a search, below `system/`; passages are a part of it.

    Of its models only what a model is: they may have been copied from a user's folder.
    """
    inside = [path.relative_to(folder) for path in folder.rglob("*")]
    beside = [path for path in inside if path.suffix in _SYSTEM_KINDS and path.parts[0] not in _MODELS_OF_SYSTEM]
    parts = [Path(part, path) for part in _MODELS_OF_SYSTEM for path in files_of_model(folder / part)]
    return [File(f"{SYSTEM}/{file.path}", file.content) for file in _files(folder, [*beside, *parts])]


def _of_model(folder: Path) -> list[File]:
    return _files(folder, [Path(CARD), *files_of_model(folder)])


def _files(folder: Path, paths: Iterable[Path]) -> list[File]:
    """Takes those paths in a folder that are files of its own and hold something of what was finished."""
    root = folder.resolve()
    named = [(path, root / path) for path in sorted(paths) if _NOT_PUBLISHED.isdisjoint(path.parts)]
    return [
        File(path.as_posix(), file)
        for path, file in named
        if file.is_file() and not file.is_symlink() and path != Path(RECORD)
    ]


def _with_name(card: File, repo: str) -> File:
    assert isinstance(card.content, Path), "the card is a file of the model"
    return File(card.path, card.content.read_text(encoding="utf-8").replace(_FOLDER_IN_CARD, repo).encode())
