"""What tests of losses share: the small BERT without dropout, batches of every form, and gradients."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.training import WORDS, load, make_config
from training.config import ModelConfig
from training.losses.settings import Loss

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

ROWS = 6
QUERIES = [" ".join(WORDS[number : number + 3]) for number in range(ROWS)]
PASSAGES = [" ".join(WORDS[number : number + 2 + 4 * number]) for number in range(ROWS)]
NEGATIVES = [" ".join(WORDS[100 + number : 103 + 2 * number]) for number in range(ROWS)]
OTHERS = [" ".join(WORDS[50 + 3 * number : 55 + 3 * number]) for number in range(ROWS)]
SCORES = [0.1, 0.9, 0.5, 0.5, 1.0, 0.0]
TEACHER_SCORES = [
    [2.0, 1.0, -1.0],
    [0.5, 0.7, 0.1],
    [3.0, 0.0, 0.0],
    [1.0, 1.5, -2.0],
    [0.0, 0.0, 0.0],
    [4.0, 2.0, 1.0],
]

BATCHES: Mapping[Loss, tuple[Sequence[Sequence[str]], Any]] = {
    Loss.mnrl: ((QUERIES, PASSAGES, NEGATIVES), None),
    Loss.cached_mnrl: ((QUERIES, PASSAGES, NEGATIVES), None),
    Loss.gist: ((QUERIES, PASSAGES, NEGATIVES), None),
    Loss.triplet: ((QUERIES, PASSAGES, NEGATIVES, OTHERS), None),
    Loss.contrastive: ((QUERIES, PASSAGES), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]),
    Loss.cosine: ((QUERIES, PASSAGES), SCORES),
    Loss.cosent: ((QUERIES, PASSAGES), SCORES),
    Loss.denoising: ((OTHERS, PASSAGES), None),
    Loss.margin_mse: ((QUERIES, PASSAGES, NEGATIVES, OTHERS), TEACHER_SCORES),
    Loss.kl: ((QUERIES, PASSAGES, NEGATIVES, OTHERS), TEACHER_SCORES),
}
"""Columns of texts and labels, for each loss of a bi-encoder."""


def without_dropout(base: Path, folder: Path) -> Path:
    """A copy of a base that has no dropout, so that a batch has one loss."""
    copy = Path(shutil.copytree(base, folder))
    settings = json.loads((copy / "config.json").read_text())
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (copy / "config.json").write_text(json.dumps(settings | off))
    return copy


def training_model(config: ModelConfig) -> SentenceTransformer:
    """The base of a config, in training mode on a CPU."""
    return load(config).to("cpu").train()


def loss_and_gradients(
    model: SentenceTransformer, loss: torch.nn.Module, columns: Sequence[Sequence[str]], labels: Any
) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss of a batch, and the gradient of each weight of the model that has one."""
    import torch

    model.zero_grad()
    tokenized = [dict(model.preprocess(list(column))) for column in columns]
    value = loss(tokenized, None if labels is None else torch.tensor(labels))
    value.backward()
    gradients = {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None}
    return value.item(), gradients


def gradients_over_workers(folder: Path, rank: int, world_size: int) -> None:
    """Writes the mean gradient of each loss over the workers of a gloo group, of which this process becomes one.

    Args:
        folder: holds `base`, the model; rank 0 writes LOSS-False.pt, and LOSS-True.pt of the loss in pieces, and every
            rank own-RANK.pt, gradients of the decoder.
        rank: which part of each batch is this process's.
        world_size: the number of workers.
    """
    import torch
    from torch import distributed

    from training.losses.build import build_loss

    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world_size)
    config = make_config(folder / "base", num_workers=world_size, mini_batch_size=2)
    share = ROWS // world_size
    for kind, in_pieces in itertools.product(BATCHES, (False, True)):
        columns, labels = BATCHES[kind]
        model = training_model(config)
        loss = build_loss(kind, config, model, world_size=world_size, on_cpu=True, in_pieces=in_pieces)
        part = slice(rank * share, (rank + 1) * share)
        own = [column[part] for column in columns], labels and labels[part]
        _, gradients = loss_and_gradients(model, loss, *own)
        for gradient in gradients.values():
            distributed.all_reduce(gradient)
            gradient.div_(world_size)
        if rank == 0:
            torch.save(gradients, folder / f"{kind.value}-{in_pieces}.pt")
        if kind is Loss.denoising:
            weights: dict[str, Any] = loss.own_weights()
            torch.save({name: value.grad for name, value in weights.items()}, folder / f"own-{rank}.pt")
    distributed.destroy_process_group()
