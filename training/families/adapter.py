"""The adapter: a linear layer over the vectors of queries alone.

In: a sentence-transformers folder. Out: the same with one layer more, which only queries pass. It is the identity
before training, and the base's own weights are never changed, so that passages which were encoded with the base stay
encoded. sentence-transformers calls such a part a Router; `encode_query` and `encode_document` choose the way.
"""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Router

from engine.models.resolve import model_digest, resolve_model
from engine.search.passage_model import write_passage_model
from engine.search.usage import has_unit_vectors
from training.config import BASE_KEY
from training.families.bi_encoder import BiEncoder, load_base
from training.losses.settings import Loss
from training.workers.job import Figures, TrainingJob

_QUERY, _DOCUMENT = "query", "document"


class Adapter(BiEncoder):
    """The family `adapter`; see `training.families.family.ModelFamily`."""

    def loss(self, job: TrainingJob) -> Loss:
        """Returns the loss of the config; nothing of the base's layers is kept for a backward pass, so `mnrl` fits."""
        return Loss.mnrl if job.config.loss is Loss.auto else job.config.loss

    def splits_batches(self, _: Loss) -> bool:
        """Tells that none is split: nothing of the base's layers is kept for a backward pass."""
        return False

    def load(self, job: TrainingJob) -> SentenceTransformer:
        """Loads the base, frozen and without dropout, and puts the layer for queries behind its pooling."""
        model = load_base(job.config, job.usage, job.base)
        for module in model.children():
            _freeze(module)
        return _with_query_layer(model)

    def text_arguments(self, job: TrainingJob) -> dict[str, Any]:
        """Returns the prefix of each column of a batch, and the way that it goes."""
        arguments = super().text_arguments(job)
        ways = {name: _QUERY if name == "query" else _DOCUMENT for name in arguments["prompts"]}
        return {**arguments, "router_mapping": ways}

    def save(self, job: TrainingJob, model: SentenceTransformer) -> Figures:
        """Writes the model, and which model's passages it shares."""
        figures = super().save(job, model)
        is_base = job.base.resolve() == resolve_model(job.config.base, key=BASE_KEY)
        below = job.config.base if is_base else str(job.base)  # of a stage, what an earlier one made of the base
        write_passage_model(job.output, model_digest(below, key=BASE_KEY))
        return figures


def _freeze(module: torch.nn.Module) -> None:
    """Keeps a module as it is: its weights, and without dropout, whatever the trainer asks of the model around it."""
    module.requires_grad_(False).eval()
    module.train = lambda mode=True: module  # type: ignore[method-assign]  # noqa: ARG005


def _with_query_layer(model: SentenceTransformer) -> SentenceTransformer:
    """Puts a linear layer behind the pooling, and in front of what divides vectors by their length."""
    size = model.get_embedding_dimension()
    assert size, "the base does not say how long its vectors are"
    layer = Dense(size, size, bias=False, activation_function=torch.nn.Identity(), init_weight=torch.eye(size))
    place = len(model) - 1 if has_unit_vectors(model) else len(model)
    model.insert(place, Router({_QUERY: [layer], _DOCUMENT: []}, default_route=_DOCUMENT))
    return model
