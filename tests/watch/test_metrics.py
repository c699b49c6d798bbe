"""Metrics of a run and its engines, as Prometheus reads them."""

from __future__ import annotations

import socket
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from engine.errors import UserError
from engine.generation.config import GeneratorConfig
from engine.generation.engine import EngineState
from engine.generation.pools import EnginePools
from engine.generation.totals import EngineTotals
from engine.runtime.place import Place
from engine.watch.config import WatchConfig
from engine.watch.metrics import HighestCounts, counts_of, engine_metrics, serving_metrics, with_engine_label
from tests.support.engines import StubPool
from tests.support.jobs import FAKE, job_at, units
from tests.support.places import printed, quiet_place


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def samples_of(text: str) -> dict[tuple[str, str], float]:
    """The values of a text by name and last label."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, next(reversed(sample.labels.values()), "")): sample.value
        for family in families
        for sample in family.samples
    }


def shown(collect: Any) -> str:
    """What Prometheus reads of metrics that are gathered when it asks."""
    registry, collector = CollectorRegistry(), type("Collector", (), {"collect": lambda _: collect()})
    registry.register(collector())
    return generate_latest(registry).decode()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return quiet_place(tmp_path)


def test_what_a_run_counts_is_served_while_it_lasts(place: Place) -> None:
    config = WatchConfig(metrics_port=free_port())
    address = f"http://127.0.0.1:{config.metrics_port}/metrics"
    with serving_metrics(config, place), place.console.progress("samples", 90, "samples") as bar:
        bar.reach(30)
        with urllib.request.urlopen(address) as answer:
            values = samples_of(answer.read().decode())
        with pytest.raises(UserError, match="nothing can listen") as caught, serving_metrics(config, place):
            raise AssertionError("the port is taken")
    assert caught.value.where == f"watch.metrics_port={config.metrics_port}"
    assert values["synthmill_done", "samples"] == 30
    assert values["synthmill_total", "samples"] == 90
    assert values["synthmill_engines", "working"] == 0
    assert address in printed(place)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", config.metrics_port), timeout=5)


def test_without_a_port_nothing_listens(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prometheus_client.start_http_server", lambda *_, **__: pytest.fail("it listens"))
    with serving_metrics(WatchConfig(), place):
        assert printed(place) == ""


def test_the_metrics_of_a_library_are_told_apart_by_engine() -> None:
    texts = {}
    for index in ("0", "3"):
        registry = CollectorRegistry()
        Counter("vllm:prompt_tokens", "Tokens.", ["engine"], registry=registry).labels("0").inc(10 + int(index))
        Histogram("vllm:e2e_request_latency_seconds", "Seconds.", registry=registry).observe(0.2)
        Counter("python_gc", "Not of vLLM.", registry=registry).inc()
        texts[index] = generate_latest(registry).decode()
    values = samples_of(shown(lambda: with_engine_label(texts)))
    assert values["vllm:prompt_tokens_total", "0"] == 10
    assert values["vllm:prompt_tokens_total", "3"] == 13
    assert values["vllm:e2e_request_latency_seconds_count", "3"] == 1
    assert not any(name.startswith("python") for name, _ in values)


def test_engines_are_counted_by_state_and_what_they_did_is_added_up() -> None:
    states = [EngineState.working, EngineState.working, EngineState.loading]
    totals = EngineTotals(generated=5, failed=1, output_tokens=60, counters={"prefix_cache_hits": 8})
    values = samples_of(shown(lambda: engine_metrics(states, counts_of(totals))))
    assert (values["synthmill_engines", "working"], values["synthmill_engines", "loading"]) == (2, 1)
    assert values["synthmill_samples_generated_total", ""] == 5
    assert values["synthmill_output_tokens_total", ""] == 60
    assert values["synthmill_prefix_cache_hits_total", ""] == 8


def test_no_counter_falls_when_an_engine_dies() -> None:
    highest = HighestCounts()
    assert highest.of({"requests": 9, "output_tokens": 60})["output_tokens"] == 60
    assert highest.of({"requests": 7, "output_tokens": 80}) == {"requests": 9, "output_tokens": 80}
    assert highest.of({}) == {"requests": 9, "output_tokens": 80}


def test_no_counter_falls_when_engines_end_or_are_asked_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.generation.pools.EnginePool", StubPool)
    monkeypatch.setattr("engine.generation.pools.settle_gpus", lambda config, _: config)
    pools, config = EnginePools(), WatchConfig(metrics_port=free_port())
    place, told = replace(quiet_place(tmp_path), engines=pools), []

    def look() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{config.metrics_port}/metrics") as answer:
            told.append(samples_of(answer.read().decode())["synthmill_samples_generated_total", ""])

    def generate(settings: GeneratorConfig, folder: str, rows: int) -> None:
        pools.start(settings, place).generate(*job_at(tmp_path / folder), units(rows, 5), print)
        look()

    with serving_metrics(config, place):
        look()
        generate(FAKE, "first", 40)
        generate(FAKE, "again", 10)
        generate(replace(FAKE, temperature=0.5), "judge", 20)
        generate(replace(FAKE, mix={"a": {"share": 1}, "b": {"share": 1}}), "mix", 40)
        pools.release(place, "so that the GPU is free")
        look()
        pools.stop()
        look()
    assert told == [0, 40, 50, 70, 110, 110, 110]
