"""The bi-encoder: queries and passages become vectors of one space, each by itself.

In: a sentence-transformers folder, or a plain language model, encoder or decoder. Out: a SentenceTransformer in fp32,
and later a folder that `SentenceTransformer(folder)` loads. It reads shorter texts while it trains than afterwards, so
both lengths are decided here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from engine.search.pooling import load_sentence_transformer
from engine.search.usage import PASSAGE_PROMPTS, Usage, length_limit
from training.batches.columns import prefixes
from training.config import ModelConfig
from training.families.lora import add_lora, merge_lora, write_weights
from training.families.reading import has_finite_weights, options_for_training
from training.losses.build import build_loss
from training.losses.settings import Loss
from training.scale import softmax_scale
from training.workers.job import Figures, TrainingJob
from training.workers.trainer import StreamTrainer


class BiEncoder:
    """The family `bi_encoder`; see `training.families.family.ModelFamily`."""

    trainer = StreamTrainer

    def loss(self, job: TrainingJob) -> Loss:
        """Returns the loss of the config; `auto` is decided in the workers, by their memory."""
        return job.config.loss

    def splits_batches(self, kind: Loss) -> bool:
        """Tells so of all losses but the denoising one, whose decoder holds more than vectors."""
        return kind is not Loss.denoising

    def load(self, job: TrainingJob) -> SentenceTransformer:
        """Loads the base, with low-rank matrices where the config asks for them."""
        model = load_base(job.config, job.usage, job.base)
        add_lora(job.config.lora, model.transformers_model)
        return model

    def text_arguments(self, job: TrainingJob) -> dict[str, Any]:
        """Returns the prefix of each column of a batch."""
        return {"prompts": prefixes(job.columns, job.usage)}

    def collator(self, job: TrainingJob, model: SentenceTransformer) -> None:
        """Leaves the making of batches to sentence-transformers: one tokenized column for each column of texts."""

    def build_loss(
        self,
        kind: Loss,
        job: TrainingJob,
        model: SentenceTransformer,
        *,
        world_size: int,
        on_cpu: bool,
        in_pieces: bool = False,
    ) -> torch.nn.Module:
        """Builds the loss of a kind; see `training.losses.build`."""
        return build_loss(kind, job.config, model, world_size=world_size, on_cpu=on_cpu, in_pieces=in_pieces)

    def is_sound(self, model: SentenceTransformer) -> bool:
        """Tells whether all weights and a vector are finite numbers."""
        return is_sound(model)

    def save(self, job: TrainingJob, model: SentenceTransformer) -> Figures:
        """Writes the model, its low-rank matrices merged unless the config keeps them apart."""
        layers = model.transformers_model
        merge_lora(job.config.lora, layers)
        save_model(model, job.output)
        write_weights(job.config.lora, layers, job.output)
        return Figures(scale=softmax_scale(job.config, model), dimensions=model.get_embedding_dimension() or 0)


def load_base(config: ModelConfig, usage: Usage, folder: Path) -> SentenceTransformer:
    """Loads the base in fp32, with the reading length and the prompts of the finished model.

    Args:
        config: the model's config.
        usage: the prefixes, which become its prompts, and the similarity that it keeps.
        folder: the base model; no code in it is run.
    """
    model = load_sentence_transformer(
        folder,
        config.pooling,
        model_kwargs=options_for_training(),
        prompts={"query": usage.query_prefix, **dict.fromkeys(PASSAGE_PROMPTS, usage.passage_prefix)},
        similarity_fn_name=usage.similarity.value,
    )
    model.default_prompt_name = None
    model.max_seq_length = length_limit(model, config.max_tokens)
    return model


def is_sound(model: SentenceTransformer) -> bool:
    """Tells whether all weights and a vector are finite numbers, since very large weights make vectors overflow."""
    vectors = model.encode(["a text"], convert_to_tensor=True, show_progress_bar=False)
    return has_finite_weights(model) and bool(torch.isfinite(vectors).all())


def save_model(model: SentenceTransformer, folder: Path) -> None:
    """Writes the model as safetensors; `training.card` writes the card."""
    model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
