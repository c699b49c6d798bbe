"""Secrets that a test puts into the environment, and the search for them in everything that a run left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

SECRETS = {
    "HF_TOKEN": "hf_plantedTokenOfTheHub000000000001",
    "HUGGING_FACE_HUB_TOKEN": "hf_plantedTokenOfTheHub000000000002",
    "WANDB_API_KEY": "b1a27ed0000000000000000000000000000000f3",
    "AWS_ACCESS_KEY_ID": "AKIAPLANTED000000004",
    "AWS_SECRET_ACCESS_KEY": "plantedSecretOfTheBucket/0000000000000005",
    "AWS_SESSION_TOKEN": "plantedSessionOfTheBucket6",
    "OPENAI_API_KEY": "sk-planted0000000000000007",
    "DATABASE_PASSWORD": "planted-password-0008",
}
"""Variables that hold a secret, by name."""


def files_of(folder: Path) -> Iterator[Path]:
    """Gives every file of a folder, behind its links too, and each folder once."""
    seen: set[Path] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        inside = {(Path(parent) / name).resolve(): name for name in folders}
        folders[:] = [name for path, name in inside.items() if path not in seen]
        seen |= set(inside)
        yield from (Path(parent) / name for name in files)


def found_in(file: Path) -> set[str]:
    """Returns the names of the secrets that a file holds; the values of Parquet are read, since they are compressed."""
    content = file.read_bytes()
    if file.suffix == ".parquet":
        content += repr(pq.read_table(file).to_pydict()).encode()
    return {name for name, secret in SECRETS.items() if secret.encode() in content}


def leaks(folder: Path) -> list[str]:
    """Returns a line for each file that holds a secret."""
    regular = (file for file in files_of(folder) if file.is_file())
    return [f"{file}: {', '.join(sorted(names))}" for file in regular if (names := found_in(file))]
