"""What crosses Ray between driver and workers arrives as it was sent."""

from __future__ import annotations

from pathlib import Path

import ray

from tests.support.training import MEASURED
from training.config import ModelConfig
from training.workers.job import TrainingJob

JOB = TrainingJob(ModelConfig(seed=0), Path("base"), Path("output"), Path("logs"), total_steps=20, threads=2)


def test_a_job_and_its_measurements_cross_ray(ray_session: None) -> None:
    assert ray.get([ray.put(JOB), ray.put(MEASURED)]) == [JOB, MEASURED]


def test_each_rank_has_its_log() -> None:
    assert JOB.log_file(1) == Path("logs/training-1.log")
