"""Scored turns on an engine that runs, against a plain forward pass."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.generation.jobs import Unit
from engine.generation.pool import EnginePool
from engine.models.resolve import resolve_model
from engine.task.compiled import Prompts
from engine.task.config import ScoreKind, TaskConfig, TurnConfig
from tests.support.jobs import job_at, rows
from tests.support.models import LANGUAGE_MODEL, Reference

PASSAGE = "Bees tell their sisters where flowers are by dancing on the comb. " * 12
QUESTIONS = [" how do bees find flowers", " why do bees dance", " what is a comb", f" who said: {PASSAGE}"]
CHOICES = [" yes", " no", " certainly not"]
SCORED = TaskConfig(
    turns={
        "likely": TurnConfig(f"{PASSAGE}\nQ:", continuation="{{ passage.text }}"),
        "tiny": TurnConfig(f"{PASSAGE}\nQ:", continuation="{{ passage.text }}", model="tiny", prompt_logprobs=True),
        "about": TurnConfig(f"{PASSAGE}\nBees?", choice=CHOICES, score=ScoreKind.mean, model="tiny"),
    }
)


def check_scored_turns(pool: EnginePool, folder: Path, tiny: Path) -> None:
    """Scores against a plain forward pass: in float32 closely, in bfloat16 as closely as that is to float32.

    Every question stands there twice, so that the second time all of it is in the cache.

    Args:
        pool: engines with the bundled model in bfloat16, and the model `tiny` in float32.
        folder: of the samples.
        tiny: the folder of that model.
    """
    work = rows(2 * len(QUESTIONS))
    work = work.set_column(work.column_names.index("text"), "text", [QUESTIONS * 2])
    pool.generate(*job_at(folder, Prompts(SCORED, [])), [Unit(0, work)], lambda _: None)
    samples = SamplesFolder(folder).rows().to_pylist()
    assert {row["status"] for row in samples} == {"generated"}, samples[0]["error"]
    exact, bundled = Reference(tiny), Reference(resolve_model(LANGUAGE_MODEL, key="test"))
    prompt = f"{PASSAGE}\nQ:"
    of_prompt = exact.prompt_logprobs(prompt)
    by_token = [exact.logprobs(f"{PASSAGE}\nBees?", choice) for choice in CHOICES]
    odds = [math.exp(sum(logprobs) / len(logprobs)) for logprobs in by_token]
    for row, question in zip(samples, QUESTIONS * 2, strict=True):
        expected = exact.logprobs(prompt, question)
        assert row["score_tiny_tokens"] == row["score_likely_tokens"] == len(expected)
        assert row["score_tiny_logprob"] == pytest.approx(sum(expected), abs=1e-3 * len(expected))
        first, *others = row["score_tiny_prompt_logprobs"]
        assert first is None
        assert others == pytest.approx(of_prompt, abs=1e-3)
        shares = [row[f"score_about_{name}"] for name in ("yes", "no", "certainly_not")]
        assert shares == pytest.approx([each / sum(odds) for each in odds], abs=1e-3)
        assert row["text"] == CHOICES[odds.index(max(odds))].strip()
        mean = sum(bundled.logprobs(prompt, question)) / len(expected)
        assert row["score_likely_mean"] == pytest.approx(mean, abs=0.15), "bfloat16 is as far from float32"
        assert row["turn_likely"] == row["turn_tiny"] == question
    computed = [row["prompt_tokens"] - row["cached_tokens"] for row in samples]
    assert sum(row["cached_tokens"] for row in samples) > 0, "prompts come from the cache"
    assert all(count > 0 for count in computed)
