"""Loads models and encodes passages as others do, and says on the terminal which model it is that works.

In: which model of the run it is, and its config. Out: what `encoder.py`, `embeddings.py` and `cross_encoder.py` give.
The words are here because fingerprints and the key of the embedding cache cover those files: a word that is changed
must encode nothing again. So steps whose results are costly (training, the round trip) call those files themselves.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.models.names import public_name
from engine.search.cross_encoder import CrossEncoder, CrossEncoderConfig, load_cross_encoder
from engine.search.embeddings import PassageEmbeddings, encode_passages_cached
from engine.search.encoder import Encoder, EncoderConfig, load_encoder

if TYPE_CHECKING:
    from engine.runtime.place import Place

BASE, TUNED = "base", "tuned"
"""The models of a run, as its systems are named."""


def vectors_by(model: str, config: EncoderConfig, documents_folder: Path, place: Place) -> PassageEmbeddings:
    """Returns the passages of a finished documents step as vectors, as `encode_passages_cached` does.

    Args:
        model: which model of the run it is: base, tuned, another name, or "" for one that goes by its own.
        config: the encoder.
        documents_folder: the step's folder in the store, or a run's link to it.
        place: where the cache and the console are.

    Raises:
        UserError: the model cannot be loaded, or the disk has no room for the vectors.
    """
    text = f"looking for vectors of {called(model, config)}, or loading it"
    with place.console.waiting_until_counted("encoding", text, short_name(model, config)) as console:
        return encode_passages_cached(config, documents_folder, replace(place, console=console))


def load_named_encoder(model: str, config: EncoderConfig, place: Place) -> Encoder:
    """Loads the encoder of a step, as `load_encoder` does; `model` is as for `vectors_by`."""
    with place.console.waiting("encoding", f"loading {called(model, config)}"):
        return load_encoder(config, place)


def load_named_cross_encoder(config: CrossEncoderConfig, place: Place) -> CrossEncoder:
    """Loads the cross-encoder of a step, as `load_cross_encoder` does."""
    with place.console.waiting("reranking", f"loading the cross-encoder {public_name(config.model)}"):
        return load_cross_encoder(config, place)


def called(model: str, config: EncoderConfig) -> str:
    """Says which model encodes: `the tuned model`, or the name of one that the run has for nothing else."""
    return f"the {model} model" if model in (BASE, TUNED) else short_name(model, config)


def short_name(model: str, config: EncoderConfig) -> str:
    """Says which model encodes where there is little room: `tuned`, or a name as `called` gives it."""
    return model or public_name(config.model)
