"""What all recipes of benchmarks/recipes.py share on a device: encoding, searching by words and meaning, and measuring.

In: a packed collection, and the folder of the base encoder. Out: vectors, scores of words, the ranking of both together
as a teacher, and the nDCG@10 of a model alone and together with words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._recipe_collections import Packed, Rows

POOL = 100
"""Passages that each of words and meaning adds to a search by both."""
WEIGHTS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
"""Weights of words that every model is measured at."""
CUTOFF = 10


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


def on_device(values: Any, device: str) -> Any:
    import torch

    return torch.as_tensor(np.asarray(values), device=device)


def measure(lab: Lab, model: Any, *, fixed_passages: bool, adapter: Any) -> dict[str, dict[str, list[float]]]:
    """Returns the nDCG@10 of each judged and each held-out query, by set of queries and weight of words."""
    import torch

    packed = lab.packed
    passages = lab.base_vectors[0] if fixed_passages else lab.encode(model, "passages", packed.texts)
    held_out = np.flatnonzero(packed.held_out)
    found = {}
    for kind, texts in (("judged", packed.judged.texts), ("written", packed.written.texts)):
        vectors = lab.encode(model, kind, texts)
        if adapter is not None:
            with torch.inference_mode():
                vectors = torch.nn.functional.normalize(adapter(vectors), dim=1)
        if kind == "written":
            at = on_device(held_out, lab.device)
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
