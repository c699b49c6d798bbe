"""One engine actor: loads, answers, says why it cannot load, and sends its prints to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.generation.actor import EngineActor
from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.fake_generator import MEMORY_BYTES, fake_environment
from engine.generation.generator import Weights
from engine.generation.totals import EngineTotals
from tests.support.waiting import PATIENCE_SECONDS


def start(config: GeneratorConfig, log: Path) -> Any:
    import ray

    actor_class: Any = ray.remote(EngineActor)
    options = actor_class.options(num_cpus=0.1, max_concurrency=4, runtime_env={"env_vars": fake_environment()})
    return options.remote(config, {"": Weights("", "")}, 0, 77, log)


def test_a_loaded_engine_stops_in_good_order(tmp_path: Path, ray_session: None) -> None:
    import ray

    actor = start(GeneratorConfig(generator=GeneratorKind.fake, seed=0), tmp_path / "engine.log")
    loaded = ray.get(actor.ready.remote())
    assert loaded.seconds >= 0
    assert loaded.cache_tokens == 0, "the fake generator has no cache"
    assert "python_info" in ray.get(actor.metrics.remote()), "what libraries count is told as text"
    totals = ray.get(actor.stop.remote(), timeout=PATIENCE_SECONDS)
    assert totals == EngineTotals()
    ray.kill(actor)
    assert "engine 0: seed 77\n" in (tmp_path / "engine.log").read_text(), "a log says where the draws began"


def test_an_engine_that_cannot_load_says_why(
    tmp_path: Path, ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setenv(MEMORY_BYTES, "1000")
    log = tmp_path / "engine.log"
    actor = start(GeneratorConfig(generator=GeneratorKind.fake, seed=0, kv_cache_bytes=2000), log)
    with pytest.raises(ray.exceptions.RayTaskError, match="2000 bytes for the KV cache"):
        ray.get(actor.ready.remote())
    assert "2000 bytes for the KV cache" in log.read_text(), "the traceback is in the engine's log"
    ray.kill(actor)
