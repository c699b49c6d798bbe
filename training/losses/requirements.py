"""What a loss asks of the base and of the settings around it, found out before anything is computed.

In: a ModelConfig, the family, the form of the rows. Out: nothing, or a refusal. The base's files are read without any
library, since a run asks on every start.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.artifacts.forms import Form
from engine.errors import UserError
from engine.models.resolve import MODEL_CONFIG, resolve_model
from engine.search.usage import Similarity
from training.config import BASE_KEY, GUIDE_KEY, Family, ModelConfig
from training.losses.combinations import (
    LOSS_KEY,
    LOSSES,
    check_combination,
    fitting_losses,
    listed,
    meant_loss,
    remedy_for,
)
from training.losses.settings import Loss

_HAVE_VECTORS = frozenset({Family.bi_encoder, Family.adapter})
_HAVE_NEGATIVES = frozenset({Form.pairs, Form.triplets})
_DECODERS = frozenset(
    {
        "bert",
        "big_bird",
        "camembert",
        "data2vec-text",
        "electra",
        "ernie",
        "megatron-bert",
        "rembert",
        "roberta",
        "roberta-prelayernorm",
        "roformer",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
"""The kinds of encoders that transformers can run as a decoder that attends to a vector, with the same weights."""


def check_model(
    config: ModelConfig, family: Family, form: Form, *, has_teacher: bool = False, has_documents: bool = True
) -> None:
    """Refuses a loss, and settings of it, that do not fit the family, the rows or the base.

    Args:
        config: how the base is tuned.
        family: the kind of model.
        form: what the training rows are.
        has_teacher: whether each query has candidates with the scores of a teacher.
        has_documents: whether there is something to mine negatives from, and to have a teacher score.

    Raises:
        UserError: the training makes no sense; the remedy says which would.
    """
    check_combination(family, config.loss, form, has_documents=has_documents)
    loss = meant_loss(family, config.loss, form)
    if LOSSES[loss].needs_teacher and not has_teacher:
        what = f"the loss {loss.value} learns from what a teacher thinks of candidates, and there is no teacher"
        remedy = "set model.teacher.by=fused, or cross_encoder; or set it to auto"
        if not has_documents:
            remedy = remedy_for(family, form, has_documents=False)
        raise UserError(what, where=f"{LOSS_KEY}={loss.value}", remedy=remedy)
    _check_negatives(config, loss, form, has_documents=has_documents)
    if config.symmetric and not LOSSES[loss].both_ways:
        raise _one_way(family, loss, form, has_documents=has_documents)
    if config.guide and loss is not Loss.gist:
        what = f"a guide tells the loss gist which negatives are false, and the loss is {loss.value}"
        names = [other.value for other in fitting_losses(family, form, has_documents=has_documents)]
        remedy = f"leave it out, or set {LOSS_KEY}=gist" if Loss.gist.value in names else "leave it out"
        raise UserError(what, where=f"{GUIDE_KEY}={config.guide}", remedy=remedy)
    if config.matryoshka:
        _check_dimensions(config, family, loss)
    if loss is Loss.denoising:
        _check_decoder(config)
    if LOSSES[loss].by_cosine or config.matryoshka:
        _check_cosine(config, loss)


def _one_way(family: Family, loss: Loss, form: Form, *, has_documents: bool) -> UserError:
    """Returns the error for a loss that has no direction from passage to query."""
    both_ways = listed([other.value for other, traits in LOSSES.items() if traits.both_ways])
    what = f"the direction from passage to query is trained by {both_ways} only, and the loss is {loss.value}"
    fitting = fitting_losses(family, form, has_documents=has_documents)
    names = [other.value for other in fitting if LOSSES[other].both_ways]
    remedy = f"set it to false, or {LOSS_KEY} to {listed(names)}" if names else "set it to false"
    return UserError(what, where="model.symmetric=true", remedy=remedy)


def _check_negatives(config: ModelConfig, loss: Loss, form: Form, *, has_documents: bool) -> None:
    """Refuses more or fewer mined negatives than rows of the form and the loss can do with."""
    where, traits = f"model.num_hard_negatives={config.num_hard_negatives}", LOSSES[loss]
    if config.num_hard_negatives and form not in _HAVE_NEGATIVES:
        raise UserError(
            f"negatives are of queries, and the examples are {form.value}", where=where, remedy="set it to 0"
        )
    own = int(form is Form.triplets)
    negatives = own + config.num_hard_negatives
    if traits.needs_negatives and not negatives:
        remedy = "set it to 1"
        if not has_documents:  # they are what negatives are mined from
            where = f"{LOSS_KEY}={loss.value}"
            remedy = f"give triplets, or {remedy_for(config.family, form, has_documents=False)}"
        raise UserError(f"the loss {loss.value} needs a negative for each pair", where=where, remedy=remedy)
    if traits.most_negatives is not None and negatives > traits.most_negatives:
        what = f"the loss {loss.value} takes {traits.most_negatives} negative of a query, and {negatives} are asked for"
        raise UserError(what, where=where, remedy=f"set it to at most {traits.most_negatives - own}")


def _check_dimensions(config: ModelConfig, family: Family, loss: Loss) -> None:
    """Refuses parts of vectors where there are none, and numbers of dimensions beyond those of the base's vectors."""
    where = f"model.matryoshka={config.matryoshka}"
    if family not in _HAVE_VECTORS:
        raise UserError(f"{family.with_article} has no vectors to shorten", where=where, remedy="leave it empty")
    if loss is Loss.denoising:
        raise UserError("the loss denoising reads whole vectors only", where=where, remedy="leave it empty")
    size = _dimensions(resolve_model(config.base, key=BASE_KEY))
    if size is not None and max(config.matryoshka) > size:
        raise UserError(
            f"the vectors of {config.base} have {size} dimensions",
            where=where,
            remedy=f"set it to numbers up to {size}",
        )


def _check_decoder(config: ModelConfig) -> None:
    """Refuses a base that cannot be its own decoder, and matrices beside weights that the decoder shares."""
    if config.lora.rank:
        what = "the loss denoising trains the weights that encoder and decoder share, and lora leaves these as they are"
        raise UserError(what, where=f"model.lora.rank={config.lora.rank}", remedy="set it to 0")
    folder = resolve_model(config.base, key=BASE_KEY)
    settings = _read(folder / MODEL_CONFIG)
    kind = settings.get("model_type")
    if kind not in _DECODERS:
        raise UserError(
            f"a model of type {kind} cannot be a decoder of its own vectors, as the loss denoising asks",
            where=f"{BASE_KEY}={config.base}",
            remedy=f"name a model of one of these types: {', '.join(sorted(_DECODERS))}",
        )
    if _dimensions(folder) != settings.get("hidden_size"):
        raise UserError(
            f"its vectors have {_dimensions(folder)} dimensions and its layers {settings.get('hidden_size')}",
            where=f"{BASE_KEY}={config.base}",
            remedy="the loss denoising needs a model without a layer behind the pooling",
        )


def _check_cosine(config: ModelConfig, loss: Loss) -> None:
    """Refuses to train by cosine what is searched by dot products of vectors of any length."""
    if config.usage().similarity is Similarity.cosine:
        return
    types = [str(module.get("type", "")) for module in _modules(resolve_model(config.base, key=BASE_KEY))]
    if types and types[-1].endswith("Normalize"):
        return
    compared = f"the loss {loss.value}" if LOSSES[loss].by_cosine else "model.matryoshka"
    raise UserError(
        f"{config.base} compares vectors by dot products, and {compared} trains cosines",
        where=f"{LOSS_KEY}={config.loss.value}",
        remedy="take another loss without model.matryoshka, or a base that compares by cosine",
    )


def _dimensions(folder: Path) -> int | None:
    """Returns the length of a model's vectors, that of its last dense layer or of its hidden states; None: unknown."""
    settings = _read(folder / MODEL_CONFIG)
    size = next((settings[name] for name in ("hidden_size", "d_model", "dim") if name in settings), None)
    for module in _modules(folder):
        if str(module.get("type", "")).endswith("Dense"):
            size = _read(folder / module["path"] / MODEL_CONFIG).get("out_features", size)
    return size


def _modules(folder: Path) -> list[dict[str, Any]]:
    """Returns the modules that sentence-transformers runs in turn; none in a folder that it did not write."""
    file = folder / "modules.json"
    modules: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return modules


def _read(file: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return settings
