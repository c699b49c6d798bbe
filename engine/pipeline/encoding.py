"""What the terminal says of the model that a step encodes with, where the step does not say it itself.

In: a step and its place. Out: the place with a terminal on which passages are encoded by a model of a name. It is done
from outside of these steps (demonstrations, curation, training, teachers), because their results are costly: their
fingerprints cover what they import, and a word that is changed must make none of them again.
"""

from __future__ import annotations

from dataclasses import replace

from engine.examples.config import ExamplesConfig
from engine.models.names import public_name
from engine.prompts.config import PromptsConfig, RoundConfig
from engine.runtime.place import Place
from engine.runtime.step import Step
from engine.search.encoder import EncoderConfig
from engine.search.named_models import BASE
from eval.chunk_sizes.config import ChunkSizesPlan
from training.config import ModelConfig
from training.retriever import retriever_of
from training.teachers.settings import CandidatesConfig

ENCODING = "encoding"
"""The noun of all lines about encoding."""
_BASE_KEY = "model.base"
"""The key of the base: an encoder that follows it is the base."""


def naming_encoder(step: Step, place: Place) -> Place:
    """Returns the place of a step, on whose terminal lines about encoding say which model it is that encodes.

    It is the same place where the step encodes nothing, or says so itself as the report does.
    """
    name = encoder_name(step)
    return replace(place, console=place.console.naming(ENCODING, name)) if name else place


def encoder_name(step: Step) -> str:
    """Returns what the model is called that a step encodes with: `base`, or its own name; "" where there is none."""
    config = step.config
    if isinstance(config, ModelConfig):
        # From the second iteration of a training on, what was trained so far searches for hard negatives.
        return "tuned so far" if any(source.noun == "model" for source in step.inputs) else _name(retriever_of(config))
    match config:
        case ExamplesConfig() | CandidatesConfig():
            return _name(config.encoder)
        case PromptsConfig():
            return _name(config.demonstrations.encoder)
        case RoundConfig():
            return _name(config.prompts.demonstrations.encoder)
        case ChunkSizesPlan():
            return _name(config.report.encoder)
    return ""


def _name(encoder: EncoderConfig) -> str:
    return BASE if encoder.key("model") == _BASE_KEY else public_name(encoder.model)
