"""The collections of benchmarks/recipes.py as files that a machine with a GPU can read alone, and training by a recipe.

In: a packed collection and a recipe. Out: models, and what each reaches alone and together with words. It needs torch,
sentence-transformers and numpy, and nothing of synthmill, so that hundreds of models are trained where only these are
installed. Passages, queries and BM25's weights of words lie in one file; scores of words are a product of matrices.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

POOL = 100
"""Passages that each of words and meaning adds to a search by both."""
WEIGHTS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
"""Weights of words that every model is measured at."""
CUTOFF = 10
_CLIPPED_NORM = 1.0
_WARMUP = 0.1
_COSINE_SCALE = 20.0
_TRAINED_TOKENS = 192
_VARIANTS = 4
_DEEPEST_NEGATIVE = 50
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Sparse:
    """A matrix of few numbers, (rows, columns), in rows."""

    starts: Rows
    columns: Rows
    values: Floats
    width: int

    def dense(self, device: str) -> Any:
        """Returns it as a torch tensor, float32."""
        import torch

        rows = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        matrix = torch.zeros((len(self.starts) - 1, self.width), device=device)
        at = (torch.from_numpy(rows).to(device), torch.from_numpy(self.columns).to(device))
        matrix.index_put_(at, torch.from_numpy(self.values).to(device), accumulate=True)
        return matrix


@dataclass(frozen=True)
class Queries:
    """Queries with the words of each, counted."""

    texts: list[str]
    words: Sparse


@dataclass(frozen=True)
class Packed:
    """A collection with what a generator wrote about it.

    Attributes:
        name: as tables have it.
        titles: of the n passages, possibly empty.
        passages: their texts without titles.
        documents: number of the document of each passage, (n,).
        words: what BM25 counts of each word in each passage.
        written: synthetic queries that passed the filters of rows, about any passage.
        sources: the passage that each was written from.
        kept: which of them the round trip kept.
        held_out: which of them are about documents that nothing is trained on.
        information: what the passage tells about the query, in nats; NaN where it was not asked.
        judged: queries of people.
        qrels: for each of them, number of a document -> grade.
    """

    name: str
    titles: list[str]
    passages: list[str]
    documents: Rows
    words: Sparse
    written: Queries
    sources: Rows
    kept: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    information: Floats
    judged: Queries
    qrels: list[dict[int, int]]

    @cached_property
    def texts(self) -> list[str]:
        """Returns what encoders read of each passage."""
        return [f"{title}\n{text}" if title else text for title, text in zip(self.titles, self.passages, strict=True)]


_MATRICES = ("words", "written", "judged")


def save(packed: Packed, file: Path) -> None:
    """Writes a collection as one compressed file of numpy."""
    arrays: dict[str, Any] = {name: getattr(packed, name) for name in ("documents", "sources", "kept", "held_out")}
    arrays["information"] = packed.information
    matrices = dict(zip(_MATRICES, (packed.words, packed.written.words, packed.judged.words), strict=True))
    for name, matrix in matrices.items():
        arrays |= {f"{name}_starts": matrix.starts, f"{name}_columns": matrix.columns.astype(np.int32)}
        arrays[f"{name}_values"] = matrix.values
    texts = {
        "name": packed.name,
        "titles": packed.titles,
        "passages": packed.passages,
        "written": packed.written.texts,
        "judged": packed.judged.texts,
        "qrels": [list(judged.items()) for judged in packed.qrels],
        "width": packed.words.width,
    }
    arrays["texts"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
    np.savez_compressed(file, **arrays)


def load(file: Path) -> Packed:
    """Reads a collection that `save` wrote."""
    with np.load(file) as arrays:
        texts = json.loads(arrays["texts"].tobytes())
        matrices = [
            Sparse(
                arrays[f"{name}_starts"],
                arrays[f"{name}_columns"].astype(np.int64),
                arrays[f"{name}_values"],
                texts["width"],
            )
            for name in _MATRICES
        ]
        return Packed(
            name=texts["name"],
            titles=texts["titles"],
            passages=texts["passages"],
            documents=arrays["documents"],
            words=matrices[0],
            written=Queries(texts["written"], matrices[1]),
            sources=arrays["sources"],
            kept=arrays["kept"],
            held_out=arrays["held_out"],
            information=arrays["information"],
            judged=Queries(texts["judged"], matrices[2]),
            qrels=[{int(document): grade for document, grade in judged} for judged in texts["qrels"]],
        )


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


@dataclass
class Lab:
    """A collection on a device, with what all recipes share.

    Attributes:
        packed: the collection.
        base: the folder of the base encoder.
        device: `cuda` or `cpu`.
        max_tokens: what encoders read of a text when they are measured.
    """

    packed: Packed
    base: Path
    device: str
    max_tokens: int = 256
    _tokens: dict[str, list[list[int]]] = field(default_factory=dict)

    def model(self) -> Any:
        """Loads the base in fp32."""
        import torch
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(self.base), local_files_only=True, device=self.device)
        model.max_seq_length = self.max_tokens
        return model.to(torch.float32)

    def tokens(self, kind: str, texts: Sequence[str]) -> list[list[int]]:
        """Returns the tokens of texts, computed once for each kind."""
        if kind not in self._tokens:
            tokenizer = self.model().tokenizer
            found = tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"] if texts else []
            self._tokens[kind] = found
        return self._tokens[kind]

    @cached_property
    def word_scores(self) -> tuple[Any, Any]:
        """Returns BM25 of all passages for the written and for the judged queries, (queries, passages) each."""
        words = self.packed.words.dense(self.device)
        written, judged = (queries.words.dense(self.device) for queries in (self.packed.written, self.packed.judged))
        return written @ words.T, judged @ words.T

    @cached_property
    def base_vectors(self) -> tuple[Any, Any, Any]:
        """Returns the base's vectors of passages, written and judged queries."""
        model, packed = self.model(), self.packed
        return (
            self.encode(model, "passages", packed.texts),
            self.encode(model, "written", packed.written.texts),
            self.encode(model, "judged", packed.judged.texts),
        )

    def encode(self, model: Any, kind: str, texts: Sequence[str], size: int = 256) -> Any:
        """Returns unit vectors, float32 (texts, width)."""
        import torch

        model.eval()
        tokens = self.tokens(kind, texts)
        order = np.argsort([-len(one) for one in tokens], kind="stable")
        vectors: Any = None
        with torch.inference_mode(), self.autocast():
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                found = embed(model, [tokens[row] for row in rows], self.device).float()
                vectors = torch.empty((len(tokens), found.shape[1]), device=self.device) if vectors is None else vectors
                vectors[torch.from_numpy(rows).to(self.device)] = found
        return vectors.clone()

    def autocast(self) -> Any:
        """Returns the context in which models compute: bf16 on a GPU."""
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda")

    @cached_property
    def teacher(self) -> Any:
        """Returns the scores of words and base together, half and half, (written, passages)."""
        passages, written, _ = self.base_vectors
        return 0.5 * standardised(self.word_scores[0]) + 0.5 * standardised(written @ passages.T)

    @cached_property
    def ranks(self) -> Any:
        """Returns the rank of each written query's document by words and base together, from 1 on, (written,)."""
        import torch

        documents = torch.from_numpy(self.packed.documents).to(self.device)
        sources = torch.from_numpy(self.packed.sources).to(self.device)
        is_own = documents[None, :] == documents[sources][:, None]
        best = torch.where(is_own, self.teacher, torch.full_like(self.teacher, -1.0)).amax(1, keepdim=True)
        return 1 + ((self.teacher > best) & ~is_own).sum(1)


def embed(model: Any, tokens: Sequence[Sequence[int]], device: str) -> Any:
    """Embeds tokenized texts in one pass, as unit vectors."""
    import torch

    width = max(map(len, tokens))
    ids = np.zeros((len(tokens), width), np.int64)
    mask = np.zeros((len(tokens), width), np.int64)
    for row, one in enumerate(tokens):
        ids[row, : len(one)], mask[row, : len(one)] = one, 1
    pinned = [torch.from_numpy(array).to(device, non_blocking=True) for array in (ids, mask)]
    features = {"input_ids": pinned[0], "attention_mask": pinned[1], "token_type_ids": torch.zeros_like(pinned[0])}
    return torch.nn.functional.normalize(model(features)["sentence_embedding"].float(), dim=1)


def standardised(scores: Any) -> Any:
    """Returns the scores of the first `POOL` passages above the last of them, in deviations; 0 elsewhere."""
    import torch

    best, rows = scores.topk(min(POOL, scores.shape[1]), dim=1)
    spread = best.std(1, correction=0, keepdim=True)
    above = (best - best[:, -1:]) / torch.where(spread > 0, spread, torch.ones_like(spread))
    return torch.zeros_like(scores).scatter_(1, rows, above)


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
        rows = lab.teacher[_tensor(numbers, lab.device)].argmax(1).cpu().numpy()
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
    numbers = _tensor([pair.number for pair in batch], device)
    if recipe.fixed_passages:
        if recipe.adapter:
            queries = torch.nn.functional.normalize(model.adapter(queries), dim=1)
        vectors = lab.base_vectors[0]
        rows = torch.arange(len(vectors), device=device)
        targets = _tensor([pair.row for pair in batch], device)
    else:
        further = further_rows(lab, recipe, numbers, rng)
        tokens = lab.tokens("passages", lab.packed.texts)
        texts = [pair.passage for pair in batch] + [tokens[row][:_TRAINED_TOKENS] for row in further]
        vectors = embed(model, texts, device)
        rows = _tensor([*(pair.row for pair in batch), *further], device)
        targets = torch.arange(len(batch), device=device)
    scores = _COSINE_SCALE * queries.float() @ vectors.float().T
    documents = _tensor(lab.packed.documents, device)
    own = _tensor([pair.document for pair in batch], device)
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


def _tensor(values: Any, device: str) -> Any:
    import torch

    return torch.as_tensor(np.asarray(values), device=device)


def measure(lab: Lab, model: Any, recipe: Recipe) -> dict[str, dict[str, list[float]]]:
    """Returns the nDCG@10 of each judged and each held-out query, by set of queries and weight of words."""
    import torch

    packed = lab.packed
    passages = lab.base_vectors[0] if recipe.fixed_passages else lab.encode(model, "passages", packed.texts)
    held_out = np.flatnonzero(packed.held_out)
    found = {}
    for kind, texts in (("judged", packed.judged.texts), ("written", packed.written.texts)):
        vectors = lab.encode(model, kind, texts)
        if recipe.adapter:
            with torch.inference_mode():
                vectors = torch.nn.functional.normalize(model.adapter(vectors), dim=1)
        if kind == "written":
            at = _tensor(held_out, lab.device)
            vectors, words = vectors[at], lab.word_scores[0][at]
            qrels = [{int(packed.documents[row]): 1} for row in packed.sources[held_out]]
        else:
            words, qrels = lab.word_scores[1], packed.qrels
        found["judged" if kind == "judged" else "held_out"] = by_weight(packed, vectors @ passages.T, words, qrels)
    return found


def by_weight(packed: Packed, dense: Any, words: Any, qrels: Sequence[dict[int, int]]) -> dict[str, list[float]]:
    """Returns nDCG@10 of each query for each weight of words."""
    both = standardised(words), standardised(dense)
    found = {}
    for weight in WEIGHTS:
        fused = {0.0: dense, 1.0: words}.get(weight, weight * both[0] + (1 - weight) * both[1])
        rows = fused.topk(min(POOL, fused.shape[1]), dim=1).indices.cpu().numpy()
        found[f"{weight:g}"] = [ndcg(packed.documents[best], judged) for best, judged in zip(rows, qrels, strict=True)]
    return found


def ndcg(documents: Rows, judged: dict[int, int]) -> float:
    """Returns nDCG@10 of a ranking of passages, each given by its document; a document counts where it comes first."""
    ranked = list(dict.fromkeys(documents.tolist()))[:CUTOFF]
    discounts = 1 / np.log2(np.arange(2, CUTOFF + 2))
    gained = sum(judged.get(document, 0) * discount for document, discount in zip(ranked, discounts, strict=False))
    ideal = sorted((grade for grade in judged.values() if grade > 0), reverse=True)[:CUTOFF]
    best = sum(grade * discount for grade, discount in zip(ideal, discounts, strict=False))
    return float(gained / best) if best else 0.0


def averaged(lab: Lab, models: Sequence[Any], share: float) -> Any:
    """Returns the base with `share` of the way to the mean of the models' weights."""
    import torch

    result = lab.model()
    states = [dict(model.named_parameters()) for model in models]
    with torch.no_grad():
        for name, weights in result.named_parameters():
            mean = torch.stack([state[name] for state in states]).mean(0)
            weights.lerp_(mean, share)
    return result.eval()
