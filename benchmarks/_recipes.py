"""The training of benchmarks/recipes.py: which pairs a recipe takes, how a batch is dealt, and what is minimised.

In: a lab and a recipe. Out: a tuned model. It needs torch, sentence-transformers and numpy, and nothing of synthmill,
so that hundreds of models are trained where only these are installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._recipe_collections import Rows
from benchmarks._recipe_lab import Lab, embed, on_device, standardised

_CLIPPED_NORM = 1.0
_WARMUP = 0.1
_COSINE_SCALE = 20.0
_TRAINED_TOKENS = 192
_VARIANTS = 4
_DEEPEST_NEGATIVE = 50
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; the defaults are those of the model step.

    Attributes:
        queries: `kept` by the round trip; `all` that passed the filters of rows; `fused`, those whose document is
            among the first three of words and meaning together; `fused10`, the same of ten; `information`, as many of
            the most informed ones as are kept.
        loss: `ranking`; `teacher`, listwise KL towards the ranking of words and base over the passages of the batch.
        positive: `source`, or `teacher`: the first of words and base together.
        negatives: hard ones for each query, drawn from ranks 10 to 50 of words and base.
        words: how much the score by words counts beside the model's in the softmax of `ranking`, in deviations.
        temperature: of the teacher's softmax over standardised scores.
        ranking_share: share of the ranking loss beside the teacher's.
        free: further pairs that no generator wrote: `titles`, `sentences` (the first one with the rest), `both`.
        candidates: passages of the teacher's ranking that each query adds to the batch.
        badly: whether queries about passages that words and base find badly are taken more often.
        fixed_passages: only queries are encoded by the tuned model, passages by the base; the softmax is over all.
        adapter: with fixed passages, a linear map of the query's vector in place of all weights.
        thinned: share of the words in common with its passage that a query is shown without, three times of four.
    """

    queries: str = "kept"
    loss: str = "ranking"
    positive: str = "source"
    negatives: int = 0
    words: float = 0.0
    temperature: float = 0.5
    ranking_share: float = 0.1
    free: str = ""
    candidates: int = 0
    badly: bool = False
    fixed_passages: bool = False
    adapter: bool = False
    thinned: float = 0.0
    epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 4e-5
    weight_decay: float = 0.01

    def name(self) -> str:
        """Returns what differs from the defaults."""
        usual = Recipe()
        changed = {name: value for name, value in vars(self).items() if value != getattr(usual, name)}
        return " ".join(f"{name}={value}" for name, value in changed.items()) or "default"


def chosen_queries(lab: Lab, recipe: Recipe) -> Rows:
    """Returns the numbers of the written queries that a recipe trains on."""
    packed = lab.packed
    may = ~packed.held_out
    if recipe.queries == "kept":
        may &= packed.kept
    elif recipe.queries == "information":
        assert not np.isnan(packed.information).all(), "no information was packed"
        count = int((may & packed.kept).sum())
        order = np.argsort(-np.where(may, np.nan_to_num(packed.information, nan=-np.inf), -np.inf), kind="stable")
        return np.sort(order[:count])
    elif recipe.queries.startswith("fused"):
        may &= lab.ranks.cpu().numpy() <= int(recipe.queries.removeprefix("fused") or 3)
    else:
        assert recipe.queries == "all", recipe.queries
    return np.flatnonzero(may)


@dataclass(frozen=True)
class Pair:
    """A row that is trained on: tokens of a query and of its passage."""

    number: int
    """The number of the written query; -1 of a free pair."""
    passage: Sequence[int]
    document: int
    row: int
    """The number of the passage."""
    free_query: Sequence[int]
    """The query of a free pair."""


def pairs_of(lab: Lab, recipe: Recipe) -> list[Pair]:
    """Returns all rows of one epoch of a recipe."""
    packed = lab.packed
    numbers = chosen_queries(lab, recipe)
    rows = packed.sources[numbers]
    if recipe.positive == "teacher":
        rows = lab.teacher[on_device(numbers, lab.device)].argmax(1).cpu().numpy()
    passages = lab.tokens("passages", packed.texts)
    pairs = [
        Pair(int(number), passages[row][:_TRAINED_TOKENS], int(packed.documents[row]), int(row), ())
        for number, row in zip(numbers, rows, strict=True)
    ]
    return pairs + list(free_pairs(lab, recipe.free))


def query_tokens(lab: Lab, recipe: Recipe, pair: Pair, rng: np.random.Generator) -> Sequence[int]:
    """Returns the tokens of a pair's query, now and then without some words that its passage has."""
    if pair.number < 0:
        return pair.free_query
    variant = int(rng.integers(_VARIANTS)) if recipe.thinned else 0
    if not variant:
        return lab.tokens("written", lab.packed.written.texts)[pair.number]
    kind = f"thinned {recipe.thinned} {variant}"
    if kind not in lab._tokens:
        draws = np.random.default_rng(variant)
        packed = lab.packed
        pairs = zip(packed.written.texts, packed.sources, strict=True)
        lab.tokens(kind, [without_words(query, packed.texts[row], recipe.thinned, draws) for query, row in pairs])
    return lab.tokens(kind, [])[pair.number]


def without_words(query: str, passage: str, share: float, draws: np.random.Generator) -> str:
    """Returns a query without a share of the words that its passage has, told by their first five letters."""
    known = {word.lower()[:5] for word in _WORD.findall(passage)}
    words = query.split()
    left = [word for word in words if word.lower()[:5] not in known or draws.random() >= share]
    return " ".join(left) if len(left) > 1 else query


def free_pairs(lab: Lab, kind: str) -> Iterator[Pair]:
    """Yields pairs out of the documents alone: a title with its text, a first sentence with what follows."""
    packed = lab.packed
    held_out = set(packed.documents[packed.sources[packed.held_out]].tolist())
    found = []
    for row, (title, text) in enumerate(zip(packed.titles, packed.passages, strict=True)):
        if int(packed.documents[row]) in held_out:
            continue
        sentence, _, rest = text.partition(". ")
        if kind in {"titles", "both"} and title and len(text) > 2 * len(title):
            found.append((title, text, row))
        if kind in {"sentences", "both"} and len(rest) > len(sentence) > 20:
            found.append((sentence, f"{title}\n{rest}" if title else rest, row))
    if not found:
        return
    queries, passages, rows = zip(*found, strict=True)
    tokens = lab.tokens(f"free queries {kind}", queries), lab.tokens(f"free passages {kind}", passages)
    for query, passage, row in zip(*tokens, rows, strict=True):
        yield Pair(-1, passage[:_TRAINED_TOKENS], int(packed.documents[row]), row, query)


def train(lab: Lab, recipe: Recipe, seed: int) -> Any:
    """Trains a model by a recipe; the result is in evaluation mode."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = lab.model()
    pairs = pairs_of(lab, recipe)
    learned = list(model.parameters())
    if recipe.adapter:
        model.requires_grad_(False)
        # In the dictionary of the object, since a registered module would become a layer of the encoder.
        model.__dict__["adapter"] = adapter(lab.base_vectors[0].shape[1], lab.device)
        learned = list(model.__dict__["adapter"].parameters())
    batches = [batch for _ in range(recipe.epochs) for batch in deal(lab, recipe, pairs, rng)]
    optimizer = torch.optim.AdamW(learned, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = get_linear_schedule_with_warmup(optimizer, round(_WARMUP * len(batches)), len(batches))
    model.train()
    for batch in batches:
        with lab.autocast():
            loss = loss_of(lab, recipe, model, batch, rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, _CLIPPED_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return model.eval()


def adapter(width: int, device: str) -> Any:
    """Returns a linear map that changes nothing yet."""
    import torch

    layer = torch.nn.Linear(width, width, bias=False, device=device)
    torch.nn.init.eye_(layer.weight)
    return layer


def deal(lab: Lab, recipe: Recipe, pairs: Sequence[Pair], rng: np.random.Generator) -> Iterator[list[Pair]]:
    """Yields the batches of an epoch, all of one size; what is left over waits for the next epoch."""
    if recipe.badly:
        ranks = lab.ranks.cpu().numpy()
        weights = np.array([np.log2(1 + min(ranks[pair.number], 100)) if pair.number >= 0 else 1.0 for pair in pairs])
        order = rng.choice(len(pairs), len(pairs), p=weights / weights.sum())
    else:
        order = rng.permutation(len(pairs))
    size = min(recipe.batch_size, max(16, len(pairs) // 5))
    for start in range(0, len(order) - size + 1, size):
        yield [pairs[at] for at in order[start : start + size]]


def loss_of(lab: Lab, recipe: Recipe, model: Any, batch: Sequence[Pair], rng: np.random.Generator) -> Any:
    """Computes the loss of a batch."""
    import torch

    device = lab.device
    queries = embed(model, [query_tokens(lab, recipe, pair, rng) for pair in batch], device)
    numbers = on_device([pair.number for pair in batch], device)
    if recipe.fixed_passages:
        if recipe.adapter:
            queries = torch.nn.functional.normalize(model.adapter(queries), dim=1)
        vectors = lab.base_vectors[0]
        rows = torch.arange(len(vectors), device=device)
        targets = on_device([pair.row for pair in batch], device)
    else:
        further = further_rows(lab, recipe, numbers, rng)
        tokens = lab.tokens("passages", lab.packed.texts)
        texts = [pair.passage for pair in batch] + [tokens[row][:_TRAINED_TOKENS] for row in further]
        vectors = embed(model, texts, device)
        rows = on_device([*(pair.row for pair in batch), *further], device)
        targets = torch.arange(len(batch), device=device)
    scores = _COSINE_SCALE * queries.float() @ vectors.float().T
    documents = on_device(lab.packed.documents, device)
    own = on_device([pair.document for pair in batch], device)
    is_target = torch.nn.functional.one_hot(targets, len(rows)).bool()
    is_same = (documents[rows][None, :] == own[:, None]) & ~is_target
    is_written = numbers >= 0
    if recipe.words:
        words = standardised_rows(lab.word_scores[0], numbers.clamp(min=0), rows) * is_written[:, None]
        scores = scores + recipe.words * words
    ranking = torch.nn.functional.cross_entropy(scores.masked_fill(is_same, -1e4), targets)
    if recipe.loss == "ranking":
        return ranking
    teacher = lab.teacher[numbers.clamp(min=0)][:, rows] / recipe.temperature
    if recipe.words:
        teacher = teacher.masked_fill(is_same, -1e4)
    wanted = torch.softmax(teacher, 1)
    divergence = torch.nn.functional.kl_div(torch.log_softmax(scores, 1), wanted, reduction="none").sum(1)
    listwise = (divergence * is_written).sum() / is_written.sum().clamp(min=1)
    return recipe.ranking_share * ranking + (1 - recipe.ranking_share) * listwise


def further_rows(lab: Lab, recipe: Recipe, numbers: Any, rng: np.random.Generator) -> list[int]:
    """Returns passages that a batch has beside its own: hard negatives, and candidates of the teacher."""
    chosen: list[int] = []
    written = numbers[numbers >= 0]
    if not len(written) or not (recipe.negatives or recipe.candidates):
        return chosen
    depth = min(_DEEPEST_NEGATIVE, len(lab.packed.texts))
    best = lab.teacher[written].topk(depth, dim=1).indices.cpu().numpy()
    for _ in range(recipe.negatives):
        places = rng.integers(min(10, depth - 1), depth, len(best))
        chosen += best[np.arange(len(best)), places].tolist()
    if recipe.candidates:
        chosen += best[:, : recipe.candidates].ravel().tolist()
    return sorted(set(chosen))


def standardised_rows(scores: Any, numbers: Any, rows: Any) -> Any:
    """Returns the standardised scores of some queries for some passages."""
    return standardised(scores[numbers])[:, rows]
