"""The tuned model is read with the base's settings but for what it says itself, or what a report wrote down of it."""

from __future__ import annotations

from pathlib import Path

from engine.search.encoder import EncoderConfig
from engine.search.pooling import Pooling
from engine.search.tuned import reported_tuned_encoder, tuned_encoder
from engine.search.usage import Similarity, Usage

BASE = EncoderConfig("some/base", "query: ", "passage: ", 256, "fp32", pooling=Pooling.cls)
MODEL = Path("/some/model")


def test_by_its_config_it_has_the_settings_of_the_base() -> None:
    expected = EncoderConfig(str(MODEL), "query: ", "passage: ", 256, "fp32", pooling=Pooling.auto)
    assert tuned_encoder(BASE, MODEL) == expected


def test_by_a_report_it_has_the_prefixes_that_it_was_measured_with() -> None:
    tuned = reported_tuned_encoder(BASE, Usage("", "text: ", Similarity.cosine), MODEL)
    assert tuned == EncoderConfig(str(MODEL), "", "text: ", 256, "fp32", pooling=Pooling.auto)


def test_a_report_from_before_prefixes_of_the_tuned_model_were_written_down_has_those_of_the_base() -> None:
    assert reported_tuned_encoder(BASE, None, MODEL) == tuned_encoder(BASE, MODEL)
