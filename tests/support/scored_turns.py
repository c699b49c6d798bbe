"""Scored turns on an engine that runs, against a plain forward pass."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.task.compiled import Prompts
from engine.task.config import ScoreKind, TaskConfig, TurnConfig
from tests.support.jobs import job_at, rows
from tests.support.models import Reference

PASSAGE = "Bees tell their sisters where flowers are by dancing on the comb. " * 12
QUESTIONS = [" how do bees find flowers", " why do bees dance", " what is a comb", f" who said: {PASSAGE}"]
CHOICES = [" yes", " no", " certainly not"]
LABELS = ["yes", "no", "certainly_not"]
_LONG_TOKENS, _LONG_TOLERANCE = 100, 1e-2
"""From so many tokens on the errors of single ones cancel, in bfloat16 too: nats per token that are left."""


def check_scored_turns(pool: EnginePool, folder: Path, *, model: str, weights: Path, tolerance: float) -> None:
    """Scores against a plain forward pass in float32.

    Every question stands there twice, so that the second time all of it is in the cache.

    Args:
        pool: engines that run.
        folder: of the samples.
        model: the name of the model that scores; "" for the main one.
        weights: its folder.
        tolerance: nats per token by which a text's log-probability may be off, where the text is short.
    """
    likely = TurnConfig(f"{PASSAGE}\nQ:", continuation="{{ passage.text }}", model=model, prompt_logprobs=True)
    about = TurnConfig(f"{PASSAGE}\nBees?", choice=CHOICES, score=ScoreKind.mean, model=model)
    task = TaskConfig(turns={"likely": likely, "about": about})
    work = rows(2 * len(QUESTIONS))
    work = work.set_column(work.column_names.index("text"), "text", [QUESTIONS * 2])
    pool.generate(*job_at(folder, Prompts(task, [])), [Unit(0, work)], lambda _: None)
    samples = SamplesFolder(folder).rows().to_pylist()
    assert {row["status"] for row in samples} == {"generated"}, samples[0]["error"]
    reference = Reference(weights)
    of_prompt = reference.prompt_logprobs(f"{PASSAGE}\nQ:")
    by_token = [reference.logprobs(f"{PASSAGE}\nBees?", choice) for choice in CHOICES]
    odds = [math.exp(sum(logprobs) / len(logprobs)) for logprobs in by_token]
    expected = {question: reference.logprobs(f"{PASSAGE}\nQ:", question) for question in QUESTIONS}
    for row, question in zip(samples, QUESTIONS * 2, strict=True):
        assert row["turn_likely"] == question
        assert row["score_likely_tokens"] == len(expected[question])
        mean = sum(expected[question]) / len(expected[question])
        assert row["score_likely_mean"] == pytest.approx(mean, abs=_allowed(expected[question], tolerance))
        first, *others = row["score_likely_prompt_logprobs"]
        assert first is None
        assert len(others) == len(of_prompt)
        allowed = _allowed(of_prompt, tolerance)
        assert sum(others) / len(others) == pytest.approx(sum(of_prompt) / len(of_prompt), abs=allowed)
        shares = [row[f"score_about_{label}"] for label in LABELS]
        assert shares == pytest.approx([each / sum(odds) for each in odds], abs=tolerance)
        assert row["text"] == CHOICES[shares.index(max(shares))].strip()
    assert sum(row["cached_tokens"] for row in samples) > 0, "prompts come from the cache"


def _allowed(logprobs: list[float], tolerance: float) -> float:
    return min(tolerance, _LONG_TOLERANCE) if len(logprobs) >= _LONG_TOKENS else tolerance
