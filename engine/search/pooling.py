"""How the vectors of a text's tokens become one vector, and the modules that sentence-transformers runs for it.

In: a model's folder. Out: a SentenceTransformer: what the folder says where sentence-transformers saved it, and of a
plain language model, an encoder or a decoder, its layers with a pooling behind them. Searching and training load models
here and nowhere else, so that a plain model is measured as it is trained. The libraries are imported only when a model
is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.models.resolve import MODEL_CONFIG

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer

MODULES_FILE = "modules.json"
"""The file in which sentence-transformers lists the modules of a folder that it saved."""
_DECODER = "ForCausalLM"
"""The end of the names of architectures whose tokens see only those before them."""


class Pooling(Enum):
    """The way from the vectors of tokens to that of a text."""

    auto = "auto"
    """What the folder says; of a plain language model `mean` for an encoder and `last` for a decoder."""
    mean = "mean"
    """The mean over all tokens."""
    cls = "cls"
    """The first token, which encoders put before a text for it."""
    last = "last"
    """The last token, the only one of a decoder that has seen the whole text."""


_MODES = {Pooling.mean: "mean", Pooling.cls: "cls", Pooling.last: "lasttoken"}
"""The names that sentence-transformers has for them."""


def module_types(folder: Path) -> list[str]:
    """Returns the classes of a folder's modules, such as `Pooling`; none of a model that is a plain one."""
    file = folder / MODULES_FILE
    modules = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return [str(module["type"]).rpartition(".")[2] for module in modules]


def is_decoder(folder: Path) -> bool:
    """Tells whether a model's config names an architecture that reads from left to right."""
    config = json.loads((folder / MODEL_CONFIG).read_text(encoding="utf-8"))
    architectures = config.get("architectures") or [""]
    return str(architectures[0]).endswith(_DECODER) and config.get("is_causal", True)


def load_sentence_transformer(
    folder: Path, pooling: Pooling = Pooling.auto, *, model_kwargs: Mapping[str, Any], **settings: Any
) -> SentenceTransformer:
    """Loads a text encoder; no code of the folder is run.

    Args:
        folder: of sentence-transformers, or of a plain language model.
        pooling: replaces what the folder says, unless it is `auto`.
        model_kwargs: what the layers are loaded with, such as `dtype`.
        settings: what SentenceTransformer takes besides, such as `device` or `prompts`.

    Raises:
        OSError: a file is missing or damaged.
        ValueError: the folder is of no model that loads without code of its own, or has no pooling to replace.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling as PoolingModule

    if not module_types(folder):
        layers = load_layers(folder, "feature-extraction", model_kwargs=model_kwargs)
        if pooling is Pooling.auto:
            pooling = Pooling.last if is_decoder(folder) else Pooling.mean
        pool = PoolingModule(layers.get_embedding_dimension(), _MODES[pooling])
        return SentenceTransformer(modules=[layers, pool], **settings)
    options = dict(model_kwargs)
    model = SentenceTransformer(
        str(folder), local_files_only=True, trust_remote_code=False, model_kwargs=options, **settings
    )
    if pooling is not Pooling.auto:
        places = [number for number, module in enumerate(model) if isinstance(module, PoolingModule)]
        if not places:
            raise ValueError(f"no pooling among the modules {', '.join(module_types(folder))}")
        model[places[0]] = PoolingModule(model[places[0]].embedding_dimension, _MODES[pooling])
    return model


def load_layers(
    folder: Path, task: str, *, model_kwargs: Mapping[str, Any], config_kwargs: Mapping[str, Any] | None = None
) -> Transformer:
    """Loads the layers of a language model and its tokenizer as the first module of a sentence-transformers model.

    Texts are read as they are, whether or not the tokenizer has a template for chats. A decoder is padded on the right,
    with its end token where it has no token for that.

    Args:
        folder: of a language model, or of sentence-transformers with such a model at its root.
        task: "feature-extraction" for vectors, or "sequence-classification" for scores.
        model_kwargs: what the layers are loaded with, such as `dtype`.
        config_kwargs: what their config is loaded with, such as `num_labels`.

    Raises:
        OSError: a file is missing or damaged.
        ValueError: the layers do not load without code of their own, or the tokenizer has nothing to pad with.
    """
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.base.modules.transformer import TRANSFORMER_TASK_DEFAULTS

    local = {"local_files_only": True, "trust_remote_code": False}
    modality_config, output_name = TRANSFORMER_TASK_DEFAULTS[task]
    layers = Transformer(
        str(folder),
        transformer_task=task,
        model_kwargs={**local, **model_kwargs},
        processor_kwargs=dict(local),
        config_kwargs={**local, **(config_kwargs or {})},
        modality_config=modality_config,
        module_output_name=output_name,
    )
    tokenizer = layers.tokenizer
    if is_decoder(folder):
        tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ValueError("the tokenizer has neither a token for padding nor one for the end of a text")
        tokenizer.pad_token = tokenizer.eos_token
    if layers.config.pad_token_id is None:
        layers.config.pad_token_id = tokenizer.pad_token_id
    return layers
