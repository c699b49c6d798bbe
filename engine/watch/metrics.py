"""Metrics of a run and its engines, for Prometheus: one text endpoint, on loopback unless told otherwise.

In: what the terminal of the run knows, its engines, and the counters that vLLM keeps in each of them. Out:
`http://HOST:PORT/metrics`, for as long as the run lasts. Everything is gathered when somebody asks; an engine that does
not answer in time is left out. Each of vLLM's metrics has the number of its engine as the label `synthmill_engine`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from engine.errors import UserError
from engine.generation.endings import EngineEndedError, answer_of, wait_for
from engine.generation.engine import EngineState
from engine.generation.totals import EngineTotals
from engine.watch.engines import engines_of, run_totals_of

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector

    from engine.runtime.activity import Count
    from engine.runtime.place import Place
    from engine.watch.config import WatchConfig

_ANSWER_SECONDS = 2.0
_OF_VLLM = "vllm:"
_ENGINE_LABEL = "synthmill_engine"
_COUNTERS = {
    "samples_generated": "Samples that the engines of this run generated, in all rounds and for judges too.",
    "samples_failed": "Samples that failed, likewise.",
    "requests": "Requests to engines.",
    "prompt_tokens": "Prompt tokens that engines read.",
    "output_tokens": "Tokens that engines wrote.",
}


@contextlib.contextmanager
def serving_metrics(config: WatchConfig, place: Place) -> Iterator[None]:
    """Serves metrics for as long as the block lasts, where a port is set.

    Raises:
        UserError: the port is taken, or the address is none of this machine.
    """
    if not config.metrics_port:
        yield
        return
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(cast("Collector", _Collector(place)))  # its class would have to be imported with this module
    where = f"watch.metrics_port={config.metrics_port}"
    try:
        server, thread = start_http_server(config.metrics_port, addr=config.metrics_host, registry=registry)
    except OSError as error:
        remedy = "name another port, or another watch.metrics_host"
        raise UserError(f"nothing can listen at {config.metrics_host} ({error})", where=where, remedy=remedy) from error
    place.console.step("metrics", f"http://{config.metrics_host}:{config.metrics_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Collector:
    """Gathers metrics when Prometheus asks."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._highest = HighestCounts()

    def collect(self) -> Iterator[Metric]:
        moment = self._place.console.activity.moment()
        yield from progress_metrics(moment.counts)
        counts = counts_of(run_totals_of(self._place.engines))
        states = [engine.state for engine in engines_of(self._place.engines)]
        yield from engine_metrics(states, self._highest.of(counts))
        yield from with_engine_label(self._texts())

    def _texts(self) -> dict[str, str]:
        """Asks every engine that works for what its libraries count."""
        asked = {
            engine.index: engine.actor.metrics.remote()
            for engine in engines_of(self._place.engines)
            if engine.state is EngineState.working
        }
        answered = wait_for(asked.values(), _ANSWER_SECONDS, every=True)
        texts = {}
        for index, call in asked.items():
            with contextlib.suppress(EngineEndedError):  # the pool finds out by itself, and replaces the engine
                if call in answered:
                    texts[str(index)] = answer_of(call)
        return texts


class HighestCounts:
    """The highest values of the counters of a run.

    What an engine that dies had not committed is done again and no longer counted, and a counter that falls passes for
    one that began anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._highest: dict[str, int] = {}

    def of(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Takes note of the counters; returns the highest of each so far."""
        with self._lock:
            for name, value in counts.items():
                self._highest[name] = max(value, self._highest.get(name, 0))
            return dict(self._highest)


def counts_of(totals: EngineTotals) -> dict[str, int]:
    """Returns what engines did, by the names of the counters, and the generator's own counters."""
    values = {"samples_generated": totals.generated, "samples_failed": totals.failed, "requests": totals.requests}
    values |= {"prompt_tokens": totals.prompt_tokens, "output_tokens": totals.output_tokens}
    return {**values, **totals.counters}


def progress_metrics(counts: Sequence[Count]) -> Iterator[Metric]:
    """Makes metrics of what a run counts."""
    from prometheus_client.core import GaugeMetricFamily

    labels = ["noun", "unit"]
    done = GaugeMetricFamily("synthmill_done", "What a phase of the run has done.", labels=labels)
    total = GaugeMetricFamily("synthmill_total", "What a phase of the run has to do in all.", labels=labels)
    for count in counts:
        done.add_metric([count.noun, count.unit], count.done)
        total.add_metric([count.noun, count.unit], count.total)
    yield from (done, total)


def engine_metrics(states: Sequence[EngineState], counts: Mapping[str, int]) -> Iterator[Metric]:
    """Makes metrics of the engines: how many are in each state, and what they did so far."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    engines = GaugeMetricFamily("synthmill_engines", "Engines by state.", labels=["state"])
    for state in EngineState:
        engines.add_metric([state.value], states.count(state))
    yield engines
    for name, value in counts.items():
        about = _COUNTERS.get(name, "A counter of the generator, in tokens.")
        yield CounterMetricFamily(f"synthmill_{name}", about, value=value)


def with_engine_label(texts: Mapping[str, str]) -> Iterable[Metric]:
    """Puts vLLM's metrics of several engines together, each sample with the number of its engine.

    Args:
        texts: what each engine's process counts, by the number of the engine.
    """
    from prometheus_client.metrics_core import Metric
    from prometheus_client.parser import text_string_to_metric_families

    families: dict[str, Metric] = {}
    for index, text in texts.items():
        for family in text_string_to_metric_families(text):
            if not family.name.startswith(_OF_VLLM):
                continue
            of_all = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                of_all.samples.append(sample._replace(labels={**sample.labels, _ENGINE_LABEL: index}))
    return families.values()
