"""What crosses Ray between driver and workers arrives as it was sent."""

from __future__ import annotations

from pathlib import Path

import ray

from tests.support.training import MEASURED, make_job
from training.config import ModelConfig
from training.workers.job import Diverged

JOB = make_job(ModelConfig(seed=0))


def test_a_job_and_what_comes_back_cross_ray(ray_session: None) -> None:
    sent = [JOB, MEASURED, Diverged(3, float("inf"))]
    assert ray.get([ray.put(value) for value in sent]) == sent


def test_each_rank_has_its_log() -> None:
    assert JOB.log_file(1) == Path("logs/training-1.log")
