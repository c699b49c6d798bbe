"""Which files of a folder are a model: weights, settings, tokenizer, and the terms that they come with.

In: a folder that a user, a hub or a training wrote. Out: the files that whoever loads the model elsewhere needs. The
rest stays where it is, since people keep their data and notes beside a model, and a training keeps its own files there:
a model is told by what it has, and not by what it may not have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from engine.models.weights import modules_of

_NAMES = (
    *("*.safetensors", "*.safetensors.index.json"),
    *("config.json", "modules.json", "config_sentence_transformers.json", "sentence_*_config.json"),
    *(f"{part}_config.json" for part in ("adapter", "generation", "preprocessor", "processor", "quantize", "router")),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "*vocab.json", "merges.txt", "bpe.codes", "*.model", "*.spm", "*.tiktoken", "tekken.json"),
    *("chat_template.json", "*.jinja", "LICENSE*", "NOTICE*"),
)
"""The names that transformers and sentence-transformers read, but for pickles, and the terms of the weights."""
_NAMES_OF_MODULES = (*_NAMES, "*_config.json")
"""The names in the folder of one module, each of which calls its settings by its own name."""
_TEMPLATES = "additional_chat_templates"
"""The folder in which transformers keeps a tokenizer's further templates."""


def model_files(folder: Path) -> Iterator[Path]:
    """Gives the files of a model, relative to its folder, in an order that is the same everywhere.

    Of folders within it, those are a part of it that its list of modules names, with all that is in them.

    Args:
        folder: of transformers or sentence-transformers; files may be links.
    """
    modules = {part for module in modules_of(folder) for part in Path(module.path).parts[:1]}
    for parent, folders, names in os.walk(folder):
        here = Path(parent).relative_to(folder)
        folders[:] = sorted(name for name in folders if here.parts or name in {*modules, _TEMPLATES})
        patterns = _NAMES_OF_MODULES if here.parts else _NAMES
        for name in sorted(names):
            if any(fnmatch(name, pattern) for pattern in patterns):
                yield here / name
