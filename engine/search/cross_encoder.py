"""Scores pairs of a query and a passage by a cross-encoder of sentence-transformers.

In: a `CrossEncoderConfig` and pairs of texts. Out: one float32 per pair, the logit of the model: a sigmoid over it
would change no order and make ties of large ones. A model is loaded where it
is needed, because every run reads the config.

Weights are in float32 unless the config says otherwise: in bfloat16 a logit has three digits, so that many passages of
a query have the same score.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import UserError, check_setting
from engine.models.bundled import BUNDLED
from engine.models.precision import PRECISIONS, Precision, uses_bf16
from engine.models.resolve import MODEL_CONFIG, model_digest, resolve_model
from engine.runtime.identity import fields_of, placement
from engine.search.encoder import MIN_TOKENS, encoding_device
from engine.search.loading import Kind, load_model
from engine.search.usage import length_limit

if TYPE_CHECKING:
    from engine.models.precision import Device
    from engine.runtime.place import Place
    from engine.search.order import Scores

TRAINED = "trained"
"""The name of the cross-encoder that a run trained itself, as a teacher, among those that rerank."""
TRAINED_INPUT = "cross_encoder"
"""The name under which steps find its folder."""
_CLASSIFIER, _LANGUAGE_MODEL = "ForSequenceClassification", "ForCausalLM"
"""The ends of the architectures that score a text as a whole, and of those that write."""
_SETTINGS_FILE = "config_sentence_transformers.json"
_REMEDY = (
    "name the folder of a cross-encoder with one score for a pair, or one of a hub that can be reached, such as "
    "cross-encoder/ms-marco-MiniLM-L6-v2; report.rerank_by=likelihood needs none"
)


@dataclass(frozen=True)
class CrossEncoderConfig:
    """The settings of a cross-encoder: which model it is, and how it reads pairs."""

    model: str
    """The model: a local folder or a hub id."""
    max_tokens: int = 512
    """A pair is cut after so many tokens, or fewer where the model itself has a lower limit."""
    precision: str = "fp32"
    """The precision of the weights, one of `PRECISIONS`."""
    batch_size: int = placement(32)
    """The pairs of a forward pass."""
    key: str = placement("report.rerankers")
    """The config key that named it, for messages."""

    def identity(self) -> dict[str, object]:
        """Returns the fields, with the model's content in place of its name.

        Raises:
            UserError: a setting cannot work, or there is no such model, or it scores no pairs; a run asks this before
                it starts anything.
        """
        self.check()
        return {**fields_of(self), "model": model_digest(self.model, key=self.key)}

    def check(self) -> None:
        """Refuses what could only fail later, by the files beside the weights.

        Raises:
            UserError: with the key that the user wrote.
        """
        key = self.key
        check_setting(self.max_tokens >= MIN_TOKENS, f"{key}.max_tokens", self.max_tokens, f"{MIN_TOKENS} or more")
        check_setting(self.batch_size >= 1, f"{key}.batch_size", self.batch_size, "1 or more")
        known = self.precision in PRECISIONS
        check_setting(known, f"{key}.precision", self.precision, f"one of {', '.join(PRECISIONS)}", fault="is unknown")
        if fault := _fault(self.folder()):
            raise UserError(fault, where=f"{key}={self.model}", remedy=_REMEDY)

    def folder(self) -> Path:
        """Finds the folder of the model.

        Raises:
            UserError: as `resolve_model`; no remedy names a bundled model, since none of them scores pairs.
        """
        try:
            return resolve_model(self.model, key=self.key)
        except UserError as error:
            if not any(name in error.remedy for name in BUNDLED):
                raise
            raise UserError(error.what, where=error.where, remedy=_REMEDY) from error


class CrossEncoder:
    """A cross-encoder that is loaded; its attribute `max_tokens` says how much of a pair it reads.

    Args:
        config: which model, and how it reads.
        device: where it computes.

    Raises:
        UserError: a setting cannot work, or it is no cross-encoder that loads without code of its own.
    """

    def __init__(self, config: CrossEncoderConfig, device: Device = "cpu") -> None:
        config.check()
        self.config = config
        bf16 = uses_bf16(Precision(config.precision), device)
        self._model = load_model(Kind.CrossEncoder, config.model, key=config.key, bf16=bf16, device=device)
        self.max_tokens = length_limit(self._model, config.max_tokens)
        self._model.max_seq_length = self.max_tokens

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> Scores:
        """Scores the passage beside each query, more being better: float32 (pairs,)."""
        import torch

        pairs = list(zip(queries, passages, strict=True))
        identity, size = torch.nn.Identity(), self.config.batch_size
        scores = self._model.predict(pairs, batch_size=size, activation_fn=identity, show_progress_bar=False)
        assert np.isfinite(scores).all(), f"{self.config.model} gave scores that are not numbers"
        return np.asarray(scores, np.float32).reshape(len(pairs))


def load_cross_encoder(config: CrossEncoderConfig, place: Place) -> CrossEncoder:
    """Loads the cross-encoder of a step, on the device that is its to use; see `encoding_device`."""
    return CrossEncoder(config, encoding_device(place))


def _fault(folder: Path) -> str:
    """Tells why a model gives no score for a pair; "" where it does.

    A model without a head for it would be given one with random weights. Of a language model any text has a score, by
    its tokens for yes and no; it is one for a pair only where somebody made a cross-encoder of it.
    """
    config = _json(folder / MODEL_CONFIG)
    is_made_one = _json(folder / _SETTINGS_FILE).get("model_type") == "CrossEncoder"
    architecture = str(next(iter(config.get("architectures") or ["no architecture"])))
    if architecture.endswith(_CLASSIFIER):
        labels = len(config.get("id2label") or ("no", "yes"))  # what transformers takes it for where nothing is said
        return "" if labels == 1 else f"has {labels} scores for a pair"
    if is_made_one:
        return ""
    kind = "is a language model" if architecture.endswith(_LANGUAGE_MODEL) else "is no cross-encoder"
    return f"{kind}: its {MODEL_CONFIG} names {architecture}"


def _json(file: Path) -> dict[str, Any]:
    values = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return values if isinstance(values, dict) else {}
