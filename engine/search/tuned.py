"""How the tuned model of a run is read, by whoever measures it and by whoever searches with it afterwards.

In: the settings of the base encoder, and the folder of the tuned model. Out: the settings of the tuned encoder. Where a
config names no prefix, each of the two models reads with its own. A report writes down what its base read with, which
is not what its tuned model read with; so it writes that down as well, and all who search by a report ask here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.search.encoder import EncoderConfig
from engine.search.pooling import Pooling
from engine.search.usage import Usage


def tuned_encoder(base: EncoderConfig, model: Path) -> EncoderConfig:
    """Returns the settings of the base encoder with the folder of the tuned model, which says its pooling itself.

    Args:
        base: as it is configured: a prefix of null stands for the own one of each model.
        model: the finished folder.
    """
    return replace(base, model=str(model), pooling=Pooling.auto)


def reported_tuned_encoder(base: EncoderConfig, usage: Usage | None, model: Path) -> EncoderConfig:
    """Returns the settings of the tuned encoder as a report measured it.

    Args:
        base: the encoder settings of the report, with the prefixes that its base read with.
        usage: how its tuned model read; None in reports from before that was written down, where it is the prefixes of
            the base, as it was taken to be then.
        model: the finished folder of the tuned model.
    """
    tuned = tuned_encoder(base, model)
    if usage is None:
        return tuned
    return replace(tuned, query_prefix=usage.query_prefix, passage_prefix=usage.passage_prefix)
