"""Several models in one engine: who answers which turn, what they sample with, and mistakes that are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.samples import SamplesFolder
from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.generation.config import GeneratorConfig, GeneratorKind, model_configs
from engine.generation.fake_generator import FakeGenerator
from engine.generation.generator import Finished, Request, Weights
from engine.generation.jobs import Unit
from engine.generation.load import Ensemble, make_generator
from engine.generation.pool import EnginePool
from engine.generation.vllm_generator import engine_arguments
from engine.run import check_models
from engine.runtime.identity import identity_of
from engine.runtime.place import Place
from engine.task.compiled import Prompts
from engine.task.config import TaskConfig, TurnConfig
from engine.task.sampling import Sampling
from tests.support.adapters import write_adapter
from tests.support.jobs import job_at, rows
from tests.support.loops import CONFIG, Start, Watched, row
from tests.support.models import write_tiny_llama
from tests.support.scored_turns import check_scored_turns

JUDGED = TaskConfig(
    turns={
        "query": TurnConfig("Q {{ passage.text }}"),
        "verdict": TurnConfig("{{ turns.query.text }}: good?", model="judge", choice=["yes", "no"]),
    }
)
JUDGE = replace(CONFIG, models={"judge": {"temperature": 0.0, "max_tokens": 3}})


def test_a_turn_is_answered_by_the_model_it_names(start: Start) -> None:
    main, judge = Watched(JUDGE), Watched(JUDGE)
    ensemble = Ensemble({"": main, "judge": judge})
    written = start(JUDGE, generator=ensemble, prompts=Prompts(JUDGED, [])).write([row(i) for i in range(20)])
    assert {r["status"] for r in written} == {"generated"}
    assert {str(request.prompt)[:2] for request in main.requests()} == {"Q "}
    asked = {str(request.prompt) for request in judge.requests()}
    assert asked == {f"{r['turn_query']}: good?" for r in written}
    assert {(r.sampling.temperature, r.sampling.max_tokens) for r in judge.requests()} == {(0.0, 3)}
    assert {r.sampling.max_tokens for r in main.requests()} == {CONFIG.max_tokens}
    assert ensemble.num_unfinished() == 0
    assert ensemble.counters() == {name: value + judge.counters()[name] for name, value in main.counters().items()}


class Caching(FakeGenerator):
    """A generator whose prefix cache answers all but one token of a prompt."""

    def step(self) -> list[Finished]:
        return [replace(finished, cached_tokens=finished.prompt_tokens - 1) for finished in super().step()]


def test_the_prefix_caches_of_all_models_are_counted_from_their_requests() -> None:
    """Of a prompt with several samples it is not known for which of them the cache answered."""
    ensemble = Ensemble({"": Caching(CONFIG), "judge": FakeGenerator(CONFIG)})
    for number, (model, n) in enumerate([("", 1), ("judge", 1), ("", 2)]):
        ensemble.add(Request(str(number), "three words here", n, Sampling(1.0, 1.0, 5), model))
    while ensemble.num_unfinished():
        ensemble.step()
    assert ensemble.counters() == {"prefix_cache_queries": 6, "prefix_cache_hits": 2}


def test_a_model_has_the_settings_of_the_step_but_for_its_own() -> None:
    configs = model_configs(JUDGE)
    assert configs == {"": JUDGE, "judge": replace(JUDGE, temperature=0.0, max_tokens=3)}
    assert isinstance(make_generator(JUDGE, {}, 0), Ensemble)
    assert not isinstance(make_generator(CONFIG, {}, 0), Ensemble)


def test_each_model_of_an_engine_has_its_own_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def load(config: GeneratorConfig, weights: Weights, seed: int) -> FakeGenerator:
        seeds.append(seed)
        return FakeGenerator(config)

    monkeypatch.setattr("engine.generation.load.VllmGenerator", load)
    config = replace(JUDGE, generator=GeneratorKind.vllm, models={"a": {}, "b": {}})
    make_generator(config, dict.fromkeys(("", "a", "b"), Weights("", "")), 5)
    assert seeds[0] == 5, "that of the engine"
    assert len(set(seeds)) == 3


def test_on_gpu_the_models_share_the_memory() -> None:
    gpu = replace(JUDGE, gpus_per_engine=1)
    assert engine_arguments(gpu, 0)["gpu_memory_utilization"] == 0.46
    assert "gpu_memory_utilization" not in engine_arguments(replace(gpu, models={}), 0)
    own = replace(gpu, engine_args={"gpu_memory_utilization": 0.7})
    assert engine_arguments(own, 0)["gpu_memory_utilization"] == 0.7


@pytest.mark.parametrize(
    ("settings", "where", "what"),
    [
        ({"temprature": 1.0}, "samples.models.judge", "'temprature' is no setting"),
        ({"num_engines": 2}, "samples.models.judge", "'num_engines' is no setting"),
        ({"temperature": "hot"}, "samples.models.judge.temperature", "'hot' is of the wrong type"),
        ({"max_tokens": 0}, "samples.models.judge.max_tokens=0", "0 is out of range"),
        ("Qwen/Qwen3-8B", "samples.models.judge", "'Qwen/Qwen3-8B' is no mapping"),
    ],
)
def test_mistakes_are_named(settings: Any, where: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        model_configs(replace(CONFIG, models={"judge": settings}))
    assert caught.value.where == where


def test_turns_and_models_are_held_against_each_other() -> None:
    check_models(JUDGED, JUDGE)
    with pytest.raises(UserError, match="there is no model 'judge'") as caught:
        check_models(JUDGED, CONFIG)
    assert caught.value.where == "task.turns.verdict.model"
    with pytest.raises(UserError, match="there is no model 'judge'") as caught:
        check_models(JUDGED, replace(CONFIG, models={"jugde": {}}))
    assert "jugde" in caught.value.remedy
    with pytest.raises(UserError, match="no turn names the model 'judge'") as caught:
        check_models(TaskConfig(prompt="{{ passage.text }}"), JUDGE)
    assert caught.value.where == "samples.models.judge"


def test_the_models_are_part_of_what_is_made() -> None:
    changed = replace(JUDGE, models={"judge": {"temperature": 0.5}})
    smaller = replace(JUDGE, models={"judge": {"temperature": 0.0, "max_tokens": 3, "max_num_seqs": 2}})
    assert len({repr(identity_of(config)) for config in (CONFIG, JUDGE, changed)}) == 3
    assert repr(identity_of(smaller)) == repr(identity_of(JUDGE)), "limits are not"


def test_a_judge_is_configured_from_the_command_line(tmp_path: Path) -> None:
    overrides = ["experiment=adapt", f"documents.path={tmp_path}", "samples.models={judge: {temperature: 0.0}}"]
    config, _ = load_config([*overrides, "task.prompt=", "task.turns={a: {prompt: x}, b: {prompt: y, model: judge}}"])
    check_models(config.task, config.samples)
    assert model_configs(config.samples)["judge"].temperature == 0.0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_models_with_an_adapter_each_write_in_one_engine(tmp_path: Path, place: Place) -> None:
    """On vLLM: the same prompt, greedily, to the model as it is and to the same model changed by an adapter.

    A third one, and turns that are scored, use the same engine, since loading one takes long. All are a tiny model.
    """
    tiny = write_tiny_llama(tmp_path / "tiny")
    none, strong = (
        write_adapter(tmp_path / name, model=str(tiny), scale=scale) for name, scale in (("none", 0.0), ("strong", 1.0))
    )
    config = GeneratorConfig(seed=0, temperature=0.0, max_tokens=8, context_tokens=1024, max_num_seqs=4)
    in_float32 = {"lora": "", "engine_args": {"dtype": "float32"}}
    models = {"other": {"lora": str(strong)}, "scoring": in_float32}
    config = replace(config, model=str(tiny), kv_cache_bytes=2**27, cpus_per_engine=1, lora=str(none), models=models)
    ask = "Bees dance {{ passage.text }}"
    task = TaskConfig(turns={"one": TurnConfig(ask), "two": TurnConfig(ask, model="other")})
    folder = tmp_path / "samples"
    try:
        pool = place.engines.start(config, place)
        assert isinstance(pool, EnginePool)
        pool.generate(*job_at(folder, Prompts(task, [])), [Unit(0, rows(3))], lambda _: None)
        check_scored_turns(pool, tmp_path / "scores", model="scoring", weights=tiny, tolerance=1e-3)
    finally:
        place.engines.stop()
    table = SamplesFolder(folder).rows()
    assert set(table["status"].to_pylist()) == {"generated"}
    assert set(table["model"].to_pylist()) == {f"{tiny}+{none}"}
    assert table["turn_one"].to_pylist() != table["text"].to_pylist(), "the adapter changes what is written"


class Sleeper(FakeGenerator):
    """A generator that may not be able to sleep, and says what it was told."""

    def __init__(self, can_sleep: bool, told: list[str]) -> None:
        super().__init__(CONFIG)
        self.can_sleep, self.told = can_sleep, told

    def sleep(self) -> None:
        super().sleep()
        self.told.append("sleep")

    def wake(self) -> None:
        super().wake()
        self.told.append("wake")


def test_models_of_an_engine_sleep_and_wake_together() -> None:
    told: list[str] = []
    assert not Ensemble({"": Sleeper(True, told), "judge": Sleeper(False, told)}).can_sleep
    both = Ensemble({"": Sleeper(True, told), "judge": Sleeper(True, told)})
    assert both.can_sleep
    both.sleep()
    both.wake()
    assert told == ["sleep", "sleep", "wake", "wake"]
