"""What stood idle is said where it was measured, with its share and what was waited for; all else is None."""

from dataclasses import replace

from engine.artifacts.samples import EngineTime
from eval.times import PhaseTimes, idle_sentence, phase_times
from tests.support.small_run import MODEL_RECORD, RECORDS, SAMPLES_RECORD

SECONDS = {"samples": 40.0, "examples": 75.0, "model": 6.0}


def times(samples: object = SAMPLES_RECORD, model: object = MODEL_RECORD) -> dict[str, PhaseTimes]:
    return phase_times(SECONDS, samples, RECORDS["examples"], model)


def test_shares_are_of_what_was_held() -> None:
    found = times()
    assert found["generation"] == PhaseTimes(40.0, "core", 2.3, 0.2, {"engine_load": 31.0})
    assert found["curation"] == PhaseTimes(75.0, waits={"row_filters": 0.2})
    waits = {"prepare": 1.0, "start": 0.25, "load": 0.5, "save": 0.25}
    assert found["training"] == PhaseTimes(6.0, "worker", 1.0, 0.25, waits)
    on_gpus = replace(SAMPLES_RECORD, cost=EngineTime(9.0, 30.0), idle=EngineTime(3.0, 10.0))
    assert times(on_gpus)["generation"] == PhaseTimes(40.0, "GPU", 10.0, 0.25, {"engine_load": 31.0})
    assert times(model=replace(MODEL_RECORD, world_size=4))["training"].idle_seconds == 4.0


def test_earlier_attempts_are_no_idle_time() -> None:
    model = replace(MODEL_RECORD, seconds={**MODEL_RECORD.seconds, "earlier": 60.0, "total": 65.0})
    found = times(model=model)["training"]
    assert (found.idle_seconds, found.idle_share) == (1.0, 0.25)
    assert "earlier attempts 1 min 0 s" in idle_sentence("training", found)


def test_what_nobody_measured_is_not_known_and_what_did_not_work_is_said() -> None:
    assert times(replace(SAMPLES_RECORD, idle=None))["generation"].idle_share is None
    carried = replace(SAMPLES_RECORD, cost=EngineTime(0.0, 0.0), idle=EngineTime(0.0, 0.0))
    assert times(carried)["generation"].idle_share is None, "no engine worked at all"
    said = "Generation took 40 s; no engine worked. It waited for the slowest engine to load 31 s."
    assert idle_sentence("generation", times(carried)["generation"]) == said
    assert times(model=replace(MODEL_RECORD, seconds={"loop": 3.0}))["training"] == PhaseTimes(6.0)


def test_sentences_say_cores_where_there_are_no_gpus() -> None:
    generation, curation, training = (idle_sentence(name, each) for name, each in times().items())
    assert generation == (
        "Generation took 40 s; 20 % of the time that its engines held cores they stood idle (2 core-seconds). "
        "It waited for the slowest engine to load 31 s."
    )
    assert curation == (
        "Curation took 1 min 15 s; how long engines stood idle meanwhile is not measured. "
        "It was spent on filters that judge one sample at a time 0.2 s."
    )
    assert "25 % of the time that its workers were held they stood idle (1 worker-seconds)" in training
    on_gpus = replace(SAMPLES_RECORD, cost=EngineTime(9.0, 30.0), idle=EngineTime(3.0, 10.0))
    sentence = idle_sentence("generation", times(on_gpus)["generation"])
    assert "that its engines held GPUs they stood idle (10 GPU-seconds)" in sentence
