"""The models of a system folder: sentence-transformers folders, complete and nothing more.

In: the folder of the base or the tuned model, or of a cross-encoder, and how it was used. Out: a folder that
`SentenceTransformer(folder)` or `CrossEncoder(folder)` loads anywhere, and that computes as was measured: its prompts,
similarity and length, or its activation, are in its files. Weights are
linked where the disk allows it, so that they are there once; small files are copied, because people edit those.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.models.files import model_files
from engine.models.resolve import MODEL_CONFIG
from engine.search.pooling import Pooling
from engine.storage.files import write_json

if TYPE_CHECKING:
    from engine.search.encoder import Encoder

_LINKED_BYTES = 1 << 20
"""A file is linked from this size on."""
_MODULES, _SETTINGS, _READER = "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"
"""The files of a sentence-transformers folder: what it is made of, how it is used, and how its transformer reads."""
_TOKENIZER = "tokenizer_config.json"


def write_encoder(model: Path, encoder: Encoder, folder: Path) -> None:
    """Writes an encoder as a folder that says itself how it is used.

    Args:
        model: its folder, or a snapshot of a hub model, whose files are links.
        encoder: the same, loaded.
        folder: where to; it does not exist yet.
    """
    if (model / _MODULES).is_file() and encoder.config.pooling is Pooling.auto:
        write_model(model, folder)
    else:  # what the folder does not say of the encoder, all modules or its pooling, is written down
        encoder.save(folder)
    usage = encoder.usage
    _update(
        folder / _SETTINGS,
        {
            "prompts": {"query": usage.query_prefix, "document": usage.passage_prefix},
            "default_prompt_name": None,
            "similarity_fn_name": usage.similarity.value,
        },
    )
    for reader in sorted(folder.rglob("sentence_*_config.json")) or [folder / _READER]:
        _update(reader, {"max_seq_length": encoder.max_tokens})


def write_cross_encoder(model: Path, max_tokens: int, folder: Path) -> None:
    """Writes a cross-encoder as a folder that says itself how it is used: logits are scores, of pairs cut to a length.

    Args:
        model: its folder, or a snapshot of a hub model, whose files are links.
        max_tokens: a pair is cut after so many tokens.
        folder: where to; it does not exist yet.
    """
    write_model(model, folder)
    logits = {"activation_fn": "torch.nn.modules.linear.Identity"}
    config = json.loads((folder / MODEL_CONFIG).read_text(encoding="utf-8"))
    _update(folder / MODEL_CONFIG, {"sentence_transformers": {**config.get("sentence_transformers", {}), **logits}})
    if (folder / _SETTINGS).is_file():  # sentence-transformers 6 wrote it, and asks it first
        _update(folder / _SETTINGS, logits)
    _update(folder / _TOKENIZER, {"model_max_length": max_tokens})
    for reader in folder.glob(_READER):
        if "max_seq_length" in json.loads(reader.read_text(encoding="utf-8")):
            _update(reader, {"max_seq_length": max_tokens})


def write_model(model: Path, folder: Path) -> None:
    """Writes a model's folder once more, without weights in other forms and without whatever else lies in it.

    Args:
        model: a folder, or a snapshot of a hub model, whose files are links.
        folder: where to; it does not exist yet.
    """
    for path in model_files(model):
        (folder / path.parent).mkdir(parents=True, exist_ok=True)
        _place_file((model / path).resolve(), folder / path)


def _place_file(source: Path, target: Path) -> None:
    """Links a large file, or copies it where it is small or lies on another disk or belongs to somebody else."""
    if source.stat().st_size >= _LINKED_BYTES:
        try:
            os.link(source, target)
        except OSError:  # every disk may refuse links, in its own words
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)


def _update(file: Path, values: dict[str, Any]) -> None:
    """Sets values of a JSON file, which may not be there yet."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    write_json(file, {**known, **values})
