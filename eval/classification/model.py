"""A classifier of texts that is loaded: a folder of transformers with its labels, and a temperature for its logits.

In: the folder of a tuned model, texts. Out: a logit for each text and label. The libraries are imported when the model
is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.models.resolve import MODEL_CONFIG
from engine.search.encoder import encoding_device
from eval.retrieval.metrics import Floats

if TYPE_CHECKING:
    from engine.models.precision import Device
    from engine.runtime.place import Place

_SEVERAL = "multi_label_classification"
"""The problem type by which transformers tells that a text may have several labels."""
_BATCH = 32
"""The texts of a forward pass."""


class Classifier:
    """A classifier that is loaded, in float32.

    Its attribute `labels` has the names of the labels in the order of the logits, `several` tells whether a text may
    have several of them, `temperature` is what logits are divided by for calibrated probabilities.

    Args:
        folder: as `save_pretrained` of transformers writes it.
        max_tokens: a text is cut after so many tokens, or fewer where the model has no more positions.
        device: where it computes.
    """

    def __init__(self, folder: Path, max_tokens: int, device: Device = "cpu") -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # it would be drawn over the console's own
        known = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **known)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **known
        )
        self._model = model.to(device).eval()
        config = model.config
        positions = getattr(config, "max_position_embeddings", None) or max_tokens
        self._max_tokens = int(min(max_tokens, positions, self._tokenizer.model_max_length))
        self.labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        self.several = config.problem_type == _SEVERAL
        # transformers takes the name for a setting of generation, so that it is read from the file.
        self.temperature = float(
            json.loads((folder / MODEL_CONFIG).read_text(encoding="utf-8")).get("temperature", 1.0)
        )

    def logits(self, texts: Sequence[str]) -> Floats:
        """Computes the logits of texts, float64 (texts, labels), the longest texts first."""
        import torch

        logits = np.empty((len(texts), len(self.labels)))
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]), reverse=True)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            tokens = self._tokenizer(
                [texts[row] for row in rows],
                truncation=True,
                max_length=self._max_tokens,
                padding=True,
                return_tensors="pt",
            )
            with torch.inference_mode():
                output = self._model(**tokens.to(self._model.device)).logits
            logits[rows] = output.float().cpu().numpy()
        assert np.isfinite(logits).all(), "the classifier gave logits that are not numbers"
        return logits


def load_classifier(folder: Path, max_tokens: int, place: Place) -> Classifier:
    """Loads the classifier of a step, on the device that is its to use; see `encoding_device`."""
    with place.console.waiting("report", "loading the classifier"):
        return Classifier(folder, max_tokens, encoding_device(place))
