"""Which bases each family of models can be trained from, told by the files of the folder alone.

In: the base's folder, and what the config says of it. Out: nothing, or the refusal of a base that could only fail in a
training process, after everything else was made.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.errors import UserError
from engine.models.resolve import MODEL_CONFIG
from engine.search.pooling import Pooling, module_types
from engine.search.usage import model_type

_NAME_AN_ENCODER = "name a sentence-transformers folder or a plain language model"


def check_encoder(folder: Path, pooling: Pooling, where: str, *, plain: bool) -> None:
    """Refuses a base whose texts do not become vectors that can be trained.

    Args:
        folder: the base.
        pooling: what is asked for.
        where: the base as the user wrote it.
        plain: whether a plain language model will do.

    Raises:
        UserError: the base is of another kind, or has no pooling to replace.
    """
    modules = module_types(folder)
    if model_type(folder) == "CrossEncoder":
        raise UserError("is a cross-encoder and has no vectors", where=where, remedy=_NAME_AN_ENCODER)
    if "Router" in modules:
        what = "has a layer for queries alone already"
        raise UserError(what, where=where, remedy="name the model that it was trained from")
    if not modules and not plain:
        what = "is a plain language model, and a layer over its vectors makes no encoder of it"
        remedy = "name a sentence-transformers folder, or train the whole model with model.family=bi_encoder"
        raise UserError(what, where=where, remedy=remedy)
    if modules and pooling is not Pooling.auto and "Pooling" not in modules:
        remedy = f"set it to {Pooling.auto.value}: {folder.name} has the modules {', '.join(modules)}"
        raise UserError("there is no pooling to replace", where=f"model.pooling={pooling.value}", remedy=remedy)


def check_classifier(folder: Path, where: str) -> None:
    """Refuses a base that transformers cannot put a head for scores on.

    Raises:
        UserError: the base's type is not among those that it can.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as HEADS

    kind = json.loads((folder / MODEL_CONFIG).read_text(encoding="utf-8")).get("model_type")
    if kind not in HEADS:
        what = f"transformers has no head for scores on a model of type {kind}"
        raise UserError(what, where=where, remedy="name a language model such as BERT, ModernBERT, Llama or Qwen3")
