"""The configs of a teacher's steps: what is in their fingerprints, and what is left where passages are few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.artifacts.judged import Criterion
from engine.errors import UserError
from engine.runtime.identity import identity_of
from engine.search.cross_encoder import CrossEncoderConfig
from engine.search.encoder import EncoderConfig
from tests.support.models import write_tiny_model
from training.teachers.config import TeacherConfig
from training.teachers.settings import CandidatesConfig, ScoringConfig

ENCODER = EncoderConfig("bundled:all-minilm-l6-v2", None, None, 64)
CONFIG = CandidatesConfig.of(TeacherConfig("fused"), ENCODER, "english", 0)


def test_few_passages_leave_the_top_before_deeper_ranks() -> None:
    assert (CONFIG.top, CONFIG.deeper, CONFIG.others) == (4, 3, 7)
    fitting = {others: CONFIG.fitting(others) for others in (9, 6, 2)}
    assert {others: (config.top, config.deeper) for others, config in fitting.items()} == {
        9: (4, 3),
        6: (4, 2),
        2: (2, 0),
    }


def test_the_language_counts_where_words_do() -> None:
    german, no_words = replace(CONFIG, language="german"), replace(CONFIG, words=0.0)
    assert identity_of(CONFIG) != identity_of(german)
    assert identity_of(no_words) == identity_of(replace(german, words=0.0))
    with pytest.raises(UserError, match="BM25 knows no such language"):
        identity_of(replace(CONFIG, language="germa"))


def test_a_cross_encoder_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    reader = CrossEncoderConfig(str(write_tiny_model(tmp_path)), key="model.teacher.cross_encoder")
    with pytest.raises(UserError, match=r"^model\.teacher\.cross_encoder=.*is no cross-encoder"):
        identity_of(ScoringConfig((), cross_encoder=reader))


def test_a_cross_encoder_of_the_run_counts_by_its_step() -> None:
    of_run = ScoringConfig((), cross_encoder=CrossEncoderConfig("", 64))
    assert identity_of(of_run) != identity_of(ScoringConfig((), cross_encoder=CrossEncoderConfig("", 128)))
    by_judge = ScoringConfig((), criterion=Criterion("relevance", "", "", ("score",), "", 0.0, 0.0))
    assert identity_of(of_run) != identity_of(by_judge)
