"""One engine actor: loads, answers, says why it cannot load, and sends its prints to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.generation.actor import EngineActor
from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.generator import Weights
from engine.generation.totals import EngineTotals


def start(config: GeneratorConfig, model: str, log: Path) -> Any:
    import ray

    actor_class: Any = ray.remote(EngineActor)
    return actor_class.options(num_cpus=0.1, max_concurrency=4).remote(config, {"": Weights(model, "")}, 0, 77, log)


def test_a_loaded_engine_stops_in_good_order(tmp_path: Path, ray_session: None) -> None:
    import ray

    actor = start(GeneratorConfig(generator=GeneratorKind.fake, seed=0), "", tmp_path / "engine.log")
    loaded = ray.get(actor.ready.remote())
    assert loaded.seconds >= 0
    assert loaded.cache_tokens == 0, "the fake generator has no cache"
    totals = ray.get(actor.stop.remote(), timeout=20)
    assert totals == EngineTotals()
    ray.kill(actor)
    assert "engine 0: seed 77\n" in (tmp_path / "engine.log").read_text(), "a log says where the draws began"


@pytest.mark.slow
def test_an_engine_that_cannot_load_says_why(tmp_path: Path, ray_session: None) -> None:
    import ray

    log = tmp_path / "engine.log"
    actor = start(GeneratorConfig(seed=0), str(tmp_path / "no-model"), log)
    with pytest.raises(ray.exceptions.RayTaskError, match="no-model"):
        ray.get(actor.ready.remote())
    assert "no-model" in log.read_text(), "the traceback is in the engine's log"
    ray.kill(actor)
