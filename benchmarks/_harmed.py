"""The models of benchmarks/harm.py: plain trainings with usual settings, and models made worse in known ways.

In: a recipe, the examples of a finished run, a base encoder. Out: a SentenceTransformer. Training is one process with
the batch plan, the loss, the precision and the schedule of the model step, but without Ray and without a trainer, so
that dozens of models take minutes on a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

GOOD = "good"
"""The kind of a model that is trained as anybody would."""
_CLIPPED_NORM = 1.0
"""Longest gradient, as in the trainer of transformers."""


@dataclass(frozen=True)
class Training:
    """How a model is trained on pairs of a query and its passage."""

    learning_rate: float = 4e-5
    epochs: int = 3
    batch_size: int = 128
    pairs: str = "own"
    """Where pairs are from: `own`, the run's examples; `shuffled`, with passages dealt anew; `language`, the questions
    of another language; `few`, the first sixteen of the run's."""
    share: float = 1.0
    """Share of the pairs whose passages are dealt anew."""


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    Attributes:
        kind: `good`, or the way in which the model is made worse.
        setting: the strength of it, or the setting of a good one, as the table shows it.
        seed: seed of the training and of what is drawn at random.
        training: how it is trained before anything is done to its weights.
    """

    kind: str
    setting: str
    seed: int
    training: Training

    @property
    def name(self) -> str:
        """Returns the name in the table."""
        return f"{self.kind}.{self.setting}.{self.seed}"


def good_recipes() -> Iterator[Recipe]:
    """Yields six settings that a person might choose, three seeds each."""
    usual = Training()
    settings = {
        "default": usual,
        "rate_2e-5": replace(usual, learning_rate=2e-5),
        "rate_8e-5": replace(usual, learning_rate=8e-5),
        "epochs_2": replace(usual, epochs=2),
        "epochs_6": replace(usual, epochs=6),
        "batches_of_32": replace(usual, batch_size=32),
    }
    for name, training in settings.items():
        yield from (Recipe(GOOD, name, seed, training) for seed in range(3))


def harmed_recipes() -> Iterator[Recipe]:
    """Yields eight ways to make a model worse, each from little to much.

    What is done to weights or to reading is done to a model that was trained well before.
    """
    usual = Training()
    for rate in ("3e-4", "5e-4", "1e-3", "2e-3"):
        yield Recipe("rate", rate, 0, replace(usual, learning_rate=float(rate), epochs=1))
    for share, rate in ((0.5, "1e-4"), (1.0, "2e-5"), (1.0, "4e-5"), (1.0, "1e-4")):
        shuffled = Training(float(rate), pairs="shuffled", share=share)
        yield Recipe("shuffled", f"{share:g}_at_{rate}", 0, shuffled)
    for rate in ("1e-4", "3e-4", "1e-3"):
        yield Recipe("language", rate, 0, replace(usual, learning_rate=float(rate), pairs="language"))
    for rate in ("1e-4", "3e-4", "1e-3"):
        yield Recipe("few", rate, 0, replace(usual, learning_rate=float(rate), epochs=60, batch_size=16, pairs="few"))
    damages = {
        "noise": ("0.1", "0.2", "0.3", "0.4", "0.6"),
        "truncated": ("8", "16", "32"),
        "pooling": ("cls", "max"),
        "layers": ("1", "2", "3"),
    }
    for kind, settings in damages.items():
        yield from (Recipe(kind, setting, 0, usual) for setting in settings)


def make_model(recipe: Recipe, rows: pa.Table, base: Path, language: Path | None) -> Any:
    """Trains the model of a recipe, and does to it what makes it worse.

    Args:
        recipe: which model.
        rows: the run's training examples: query, passage, passage_id, document_id.
        base: the folder of the base encoder.
        language: a file of questions in the form of SQuAD, for recipes that are trained on it.
    """
    from training.config import ModelConfig
    from training.families.bi_encoder import is_sound, load_base

    training, rng = recipe.training, np.random.default_rng(recipe.seed)
    config = ModelConfig(
        base=str(base),
        learning_rate=training.learning_rate,
        epochs=training.epochs,
        batch_size=training.batch_size,
        seed=recipe.seed,
    )
    model = load_base(config, config.usage(), base)
    train(model, pairs_for(training, rows, language, rng), config)
    damage(model, recipe, rng)
    assert is_sound(model), f"{recipe.name} diverged; the model step would have refused it"
    return model


def pairs_for(training: Training, rows: pa.Table, language: Path | None, rng: np.random.Generator) -> pa.Table:
    """Returns the pairs that a model is trained on."""
    if training.pairs == "language":
        assert language, "no file of another language was given"
        return squad_rows(language, rows.num_rows, rng)
    if training.pairs == "few":
        return rows.slice(0, 16)
    if training.pairs == "own":
        return rows
    assert training.pairs == "shuffled", training.pairs
    drawn = rng.permutation(rows.num_rows)[: round(training.share * rows.num_rows)]
    order = np.arange(rows.num_rows)
    order[drawn] = np.roll(drawn, 1)
    dealt = rows.take(pa.array(order))
    return dealt.set_column(0, "query", rows["query"])


def squad_rows(file: Path, count: int, rng: np.random.Generator) -> pa.Table:
    """Reads so many questions of a file in the form of SQuAD, each with its paragraph."""
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    pairs = [
        {"query": asked["question"], "passage": paragraph["context"], "passage_id": str(number)}
        for number, paragraph in enumerate(paragraphs)
        for asked in paragraph["qas"]
    ]
    chosen = rng.permutation(len(pairs))[:count]
    return pa.Table.from_pylist([pairs[row] | {"document_id": pairs[row]["passage_id"]} for row in chosen])


def train(model: Any, rows: pa.Table, config: Any) -> None:
    """Trains a model in place: the plan, the loss and the schedule are those of the model step."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    from engine.models.precision import uses_bf16
    from training.batches.plan import fitting_batch_size, plan_epochs, preferred_batch_size
    from training.families.reading import reading_at_most
    from training.negatives import NO_NEGATIVES
    from training.rows import row_keys

    keys, device = row_keys(rows, NO_NEGATIVES), "cuda" if torch.cuda.is_available() else "cpu"
    preferred = preferred_batch_size(rows.num_rows, config.batch_size)
    size = fitting_batch_size(keys, batch_size=preferred, world_size=1, seed=config.seed)
    plan = plan_epochs(keys, batch_size=size, world_size=1, seed=config.seed, epochs=config.epochs)
    config = config.with_batch_size(size)
    torch.manual_seed(config.seed)
    model.to(device).train()
    with reading_at_most(model, config.train_max_tokens):
        loss = _loss(model, config, size, bf16=uses_bf16(config.precision, "cuda" if device == "cuda" else "cpu"))
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        warmup = round(config.warmup_share * len(plan))
        schedule = get_linear_schedule_with_warmup(optimizer, warmup, len(plan))
        for numbers in plan:
            batch = rows.take(pa.array(numbers))
            loss(batch["query"].to_pylist(), batch["passage"].to_pylist()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIPPED_NORM)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()


def _loss(model: Any, config: Any, size: int, *, bf16: bool) -> Any:
    """Returns a function of queries and passages, as texts, whose value is to be differentiated."""
    import torch

    from training.losses.auto import choose_loss, fits_into_memory
    from training.losses.build import build_loss
    from training.losses.settings import Loss

    device, shape = model.device, model[0].auto_model.config
    fits = fits_into_memory(shape, rows=size, tokens=model.max_seq_length, bf16=bf16, processes=1)
    kind = choose_loss(Loss.auto, fits=fits)
    ranking = build_loss(kind, config, model, world_size=1, on_cpu=device.type == "cpu")
    usage = config.usage()

    def features(texts: list[str], prefix: str) -> dict[str, Any]:
        tokens = model.preprocess(texts, prompt=prefix or None)
        return {name: value.to(device) if torch.is_tensor(value) else value for name, value in tokens.items()}

    def loss(queries: list[str], passages: list[str]) -> Any:
        columns = [features(queries, usage.query_prefix), features(passages, usage.passage_prefix)]
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            return ranking(columns, None)

    return loss


def damage(model: Any, recipe: Recipe, rng: np.random.Generator) -> None:
    """Makes a trained model worse in the way of its recipe; those whose training is the harm are left as they are."""
    if recipe.kind == "noise":
        add_noise(model, float(recipe.setting), rng)
    elif recipe.kind == "truncated":
        model.max_seq_length = int(recipe.setting)
    elif recipe.kind == "pooling":
        model[1].pooling_mode = recipe.setting
    elif recipe.kind == "layers":
        encoder = model[0].auto_model
        encoder.encoder.layer = encoder.encoder.layer[: -int(recipe.setting)]
        encoder.config.num_hidden_layers = len(encoder.encoder.layer)


def add_noise(model: Any, scale: float, rng: np.random.Generator) -> None:
    """Adds normal noise to every matrix, `scale` times as large as the spread of its numbers."""
    import torch

    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                drawn = torch.from_numpy(rng.standard_normal(tuple(weights.shape), dtype=np.float32))
                weights.add_(scale * weights.std() * drawn.to(weights.device))
