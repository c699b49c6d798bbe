"""The parts of benchmarks/ that can be wrong without a machine to measure: clocks, ratios, prompts, processes."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import (
    _gate,
    _plain,
    engine_start,
    generation_overhead,
    gpu,
    harm,
    intervals,
    planning,
    prefix_planning,
    resume,
    routing,
    scale,
    scoring,
)
from benchmarks._harmed import good_recipes, harmed_recipes
from benchmarks._measure import call_in_own_process, print_ratio, print_value, read_generated
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import SamplesFolder
from engine.command_line.compose import load_config
from engine.documents.readers.document import SourceDocument
from engine.models.tokenizer import load_tokenizer
from eval.report import Decision
from eval.significance import DifferenceFigures
from tests.support.command_line import FinishedRun
from tests.support.sides import describe_process, fail
from training.rows import held_out_documents


def test_a_side_runs_in_another_process_with_its_own_environment(tmp_path: Path) -> None:
    answer = call_in_own_process(describe_process, {"word": "Grüße"}, tmp_path / "side.log", {"OMP_NUM_THREADS": "7"})
    assert answer["word"] == "Grüße"
    assert answer["threads"] == "7"
    assert answer["pid"] != os.getpid()


def test_a_side_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"exit code 1(?s:.*)no such engine"):
        call_in_own_process(fail, {}, tmp_path / "side.log")


def test_lines_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_ratio("generation_overhead", [0.95, 1.01, 0.98]) == 0.98
    assert print_value("time_to_first_prompt", [3.0, 4.0], "s", 5) == 3.5
    assert print_value("prefix_planning_distinct2.planned", [0.5], "") == 0.5
    assert capsys.readouterr().out.splitlines() == [
        "generation_overhead ratio 0.980 (0.950..1.010 of 3 pairs)",
        "time_to_first_prompt value 3.500 s (budget 5)",
        "prefix_planning_distinct2.planned value 0.500",
    ]


def write_attempt(run: Path, number: int = 0, failed: int = 0) -> None:
    """A start of the samples step with two engines, as engine/samples/step.py records it."""
    counters = {"prefix_cache_queries": 100, "prefix_cache_hits": 40}
    own = {"generated": 20, "failed": failed, "output_tokens": 300, "counters": counters}
    engines = [
        own | {"first_admitted": 1010.0, "last_committed": 1018.0},
        own | {"first_admitted": 1009.0, "last_committed": 1019.0},
        dict.fromkeys(own, 0) | {"first_admitted": 0.0, "last_committed": 0.0, "counters": {}},  # it came too late
    ]
    folder = run / "samples" / f"attempt-{number:04d}"
    folder.mkdir(parents=True)
    (folder / "attempt.json").write_text(json.dumps({"engine_start_seconds": 6.0, "engines": engines}))


def test_the_clock_runs_from_the_first_admitted_to_the_last_committed(tmp_path: Path) -> None:
    write_attempt(tmp_path)
    generated = read_generated(tmp_path, started=1000.0)
    assert (generated.samples, generated.seconds, generated.per_second) == (40, 10.0, 4.0)
    assert generated.hit_rate == 0.4
    assert generated.first_prompt_seconds == 3.0  # nine seconds after the command, six of which the engine loaded


def test_a_run_with_failed_samples_or_two_starts_is_not_measured(tmp_path: Path) -> None:
    write_attempt(tmp_path / "failed", failed=1)
    with pytest.raises(AssertionError, match="samples failed"):
        read_generated(tmp_path / "failed", started=0.0)
    write_attempt(tmp_path / "two")
    write_attempt(tmp_path / "two", number=1)
    with pytest.raises(AssertionError, match="2 starts"):
        read_generated(tmp_path / "two", started=0.0)


def test_ratios_are_taken_pair_by_pair() -> None:
    ours = [SimpleNamespace(per_second=4.0), SimpleNamespace(per_second=3.0)]
    others = [{"samples": 10, "seconds": 5.0}]
    assert generation_overhead.ratios(ours, others) == [2.0]  # type: ignore[arg-type]  # the rate is all it reads
    pair = {"planned": SimpleNamespace(seconds=2.0), "random": {"seconds": 6.0}}
    assert prefix_planning.speed_ratio(pair) == 3.0


@pytest.fixture(scope="module")
def written_samples(finished_run: FinishedRun) -> list[str]:
    hashes: list[str] = SamplesFolder(finished_run.folder / "samples").rows()["prompt_hash"].to_pylist()
    return hashes


def test_the_other_side_is_asked_the_prompts_of_the_samples_step(
    finished_run: FinishedRun, written_samples: list[str]
) -> None:
    from engine.generation.generator import prompt_hash

    prompts = _plain.planned_prompts(finished_run.folder)
    hashes = [name for prompt in prompts for name in [prompt_hash(prompt.text)] * prompt.n]
    assert sorted(hashes) == sorted(written_samples)
    assert len({prompt.text for prompt in prompts}) == len(prompts), "replicates are one request"


def test_samples_are_found_where_their_parts_were_merged_to(
    finished_run: FinishedRun, written_samples: list[str], tmp_path: Path
) -> None:
    (tmp_path / "synthmill").mkdir()
    (tmp_path / "synthmill" / "run").symlink_to(finished_run.folder)
    assert list(finished_run.folder.glob("samples/attempt-0001/part-merged-*.parquet"))
    found = {"hashes": written_samples[::-1]}
    assert generation_overhead.checked(found, tmp_path) is found
    with pytest.raises(AssertionError, match="not asked the same prompts"):
        generation_overhead.checked({"hashes": written_samples[1:]}, tmp_path)
    assert len(prefix_planning.generated_texts(finished_run.folder)) == 200


def test_the_other_sides_prompts_come_prefix_by_prefix(finished_run: FinishedRun) -> None:
    renderer = PromptsFolder(finished_run.folder / "prompts").prompts().compile().first
    starts = {renderer.prefix(index, {}) for index in range(len(renderer.sets))}
    prompts = _plain.planned_prompts(finished_run.folder)
    seen = [next(start for start in starts if prompt.text.startswith(start)) for prompt in prompts]
    changes = sum(before != after for before, after in itertools.pairwise(seen))
    assert 1 <= changes == len(set(seen)) - 1


def test_random_prompts_have_the_planned_passages_and_demonstrations_of_their_own(finished_run: FinishedRun) -> None:
    from engine.prompts.demonstrations.pool import load_pool

    config, _ = load_config(["experiment=adapt", "collection=x", "demonstrations.per_prompt=5"])
    prompts = prefix_planning.random_prompts(config, finished_run.folder)
    assert len(prompts) == 200
    documents = {demonstration.document for demonstration in load_pool(config.demonstrations, {})}
    shown = {frozenset(document for document in documents if document in prompt.text) for prompt in prompts}
    assert len(shown) > 100, "drawn anew for every prompt"
    planned = _plain.planned_prompts(finished_run.folder)
    endings = sorted(prompt.text.rpartition("Passage:")[2] for prompt in prompts)
    assert endings == sorted(p.text.rpartition("Passage:")[2] for p in planned for _ in range(p.n))


def test_plain_vllm_as_it_comes_is_told_nothing_about_speed() -> None:
    config, _ = load_config(["experiment=demo", "samples.gpus_per_engine=0", "samples.cpus_per_engine=3"])
    assert set(_plain.llm_arguments(config, as_it_comes=True)) == {"max_model_len", "gpu_memory_utilization"}
    assert _plain.llm_arguments(config, as_it_comes=False)["max_num_seqs"] == config.samples.max_num_seqs
    assert _plain.environment(config)["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in _plain.default_environment()


def test_dispersion_is_the_mean_distance_of_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - float(vectors[i] @ vectors[j]) for i in range(30) for j in range(i)]
    assert prefix_planning.dispersion(vectors) == pytest.approx(np.mean(pairs), abs=1e-5)
    assert prefix_planning.dispersion(vectors[[0, 0, 0]]) == pytest.approx(0.0, abs=1e-6)


def test_the_collection_of_prefix_planning_has_the_lengths_it_claims(tmp_path: Path) -> None:
    model = "bundled:smollm2-135m-instruct"
    sizes = prefix_planning.write_collection(str(tmp_path), 480, model)
    assert 110 <= sizes["demonstration"] <= 130
    assert 60 <= sizes["passage"] <= 90
    rows = [json.loads(line) for line in (tmp_path / "demonstrations.jsonl").read_text().splitlines()]
    passages = [json.loads(line) for line in (tmp_path / "passages.jsonl").read_text().splitlines()]
    assert len(rows) == 40
    assert len({passage["_id"] for passage in passages}) == 480
    tokenizer = load_tokenizer(model, key="samples.model")
    lengths = [len(tokenizer.encode(row["document"], add_special_tokens=False)) for row in rows]
    assert min(lengths) >= 110
    assert max(lengths) <= 130
    assert all(row["query"].strip() for row in rows)


def test_a_collection_that_is_too_small_is_no_collection() -> None:
    document = SourceDocument(id="a", title="a", text="b")
    with pytest.raises(AssertionError, match="1 names at such length, 2 are wanted"):
        prefix_planning._spread([(60, document)], 2)


def test_settings_of_engine_start_change_one_thing_each() -> None:
    names = [setting.name for setting in engine_start.SETTINGS]
    assert len(set(names)) == len(names)
    first = engine_start.SETTINGS[0]
    assert not first.arguments
    assert not first.environment
    changed = [(str(setting.arguments), str(setting.environment)) for setting in engine_start.SETTINGS[1:-2]]
    assert len(set(changed)) == len(changed), "each is another change"


def test_an_engine_that_does_not_start_leaves_the_table_whole(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = {"import": 8.0, "load": 10.0, "first": 0.5}
    engine_start.report({"samples step": [seconds, seconds], "with compilation": []})
    lines = capsys.readouterr().out.splitlines()
    assert "engine_start.samples_step value 18.500 s" in lines
    assert not any(line.startswith("engine_start.with_compilation") for line in lines)


def call_here(function: Callable[..., dict[str, float]], arguments: Mapping[str, Any], log: Path) -> dict[str, float]:
    """Stands for `call_in_own_process` where many small parts are called."""
    log.parent.mkdir(parents=True, exist_ok=True)
    return function(**arguments)


def test_benchmarks_without_a_model_run_at_a_small_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "call_in_own_process", call_here)
    planning.main(["--documents", "200", "--prompts", "4000"])  # what it returns depends on the machine's speed
    resume.main(["0.1"])
    scale.main(["--samples", "3000", "--base", "3000", "--passages", "500", "--stages", *scale.STAGE_OF])
    assert names_of(capsys.readouterr().out) == [
        *("planning", "planning_with_counting", "planning_counting"),
        *("planning_memory_1000", "planning_memory_4000", "planning_memory", "planning_prefixes"),
        *("resume", "resume_memory", "resume_manifest"),
        *(f"scale.{stage}.3000" for stage in scale.STAGE_OF),
    ]
    assert routing.main([0]) == 0, "simulated: the same on every machine"
    assert len([name for name in names_of(capsys.readouterr().out) if name.startswith("routing_hit_rate")]) == 7


def test_chance_in_made_queries_is_called_a_difference_as_seldom_as_the_level_says() -> None:
    shares = intervals.wrong_shares(intervals.WAYS["swaps"], documents=10, per_document=3, runs=400)
    assert sum(shares["interval"]) < 5
    assert sum(shares["percentiles"]) > 8, "plain percentiles are too narrow with few documents"


def test_recipes_have_names_of_their_own_and_every_kind_of_harm_its_strengths() -> None:
    recipes = [*harmed_recipes(), *good_recipes()]
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    assert sum(recipe.kind == "good" for recipe in recipes) == 18
    kinds = [recipe.kind for recipe in recipes if recipe.kind != "good"]
    assert len(kinds) >= 20
    assert all(kinds.count(kind) >= 2 for kind in kinds)


def names_of(printed: str) -> list[str]:
    return [line.split()[0] for line in printed.splitlines() if " value " in line or " ratio " in line]


def test_what_is_measured_on_a_gpu_runs_small_on_whatever_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = gpu.write_base(tmp_path / "base", gpu.SMALL)
    gpu.encode(base, gpu.SMALL)
    gpu.gradcache(base, gpu.SMALL)
    gpu.search(gpu.SMALL)
    gpu.section("telepathy", ("no_such_library",), lambda: pytest.fail("its library is missing"))
    lines = capsys.readouterr().out.splitlines()
    names = {line.split()[0] for line in lines}
    assert names >= {"gpu.encode", "gpu.plain_8", "gpu.gradcache_16_by_4", "gpu.search"}
    assert "gpu.telepathy left out: no_such_library is not installed" in lines


def test_planted_harm_runs_small_and_goes_on_where_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.support.small_run import build_run, write_benchmark

    folders = build_run(tmp_path)
    for noun in ("documents", "prompts", "examples"):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / noun).symlink_to(folders[noun])
    base = gpu.write_base(tmp_path / "base", gpu.SMALL)
    judged = write_benchmark(tmp_path / "judged")
    setting = harm.Setting(
        run=str(tmp_path / "run"),
        examples=str(tmp_path / "run" / "examples"),
        fold=0,
        base=str(base),
        benchmark=str(judged),
        split="test",
        language="",
    )
    chosen = {"noise.0.6.0", "pooling.cls.0", "layers.1.0", "shuffled.1_at_4e-5.0", "good.default.0", "good.epochs_2.1"}
    recipes = [recipe for recipe in [*harmed_recipes(), *good_recipes()] if recipe.name in chosen]
    results = tmp_path / "harm.jsonl"
    assert len(harm.measured(setting, recipes[:2], results, processes=1)) == 2
    written = results.read_text()
    rows = harm.measured(setting, recipes, results, processes=1)
    assert results.read_text().startswith(written), "what was measured before is not made again"
    models = [_gate.judge(row) for row in rows]
    assert {model.name for model in models} == {f"0/{name}" for name in chosen}
    assert all((model.decision.queries, model.decision.documents) == (8, 5) for model in models)
    _gate.report(models)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if " true " in line and " gate " in line]) == len(chosen)


def test_planted_harm_as_a_command_takes_the_run_from_its_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.small_run import build_run, write_benchmark

    run, base = tmp_path / "run", gpu.write_base(tmp_path / "base", gpu.SMALL)
    run.mkdir()
    for noun, folder in build_run(tmp_path).items():
        (run / noun).symlink_to(folder)
    judged = write_benchmark(tmp_path / "judged")
    (run / "config.yaml").write_text(
        f"model: {{base: {base}, max_tokens: 64}}\nreport: {{benchmark: {judged}, split: test}}\n"
    )
    noise = [recipe for recipe in harmed_recipes() if recipe.kind == "noise"]
    usual = next(good_recipes())
    monkeypatch.setattr(harm, "harmed_recipes", lambda: iter(noise[-1:]))
    monkeypatch.setattr(harm, "good_recipes", lambda: iter([usual]))
    results = tmp_path / "results.jsonl"
    harm.main(["--run", str(run), "--results", str(results), "--folds", "2"])
    names = [json.loads(line)["name"] for line in results.read_text().splitlines()]
    assert names == ["0/noise.0.6.0", "0/good.default.0", "1/noise.0.6.0", "1/good.default.0"]
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)


def test_folds_hold_out_other_documents_each(tmp_path: Path) -> None:
    from tests.support.small_run import build_run

    examples = build_run(tmp_path)["examples"]
    held_out = [held_out_documents(ExamplesFolder(examples))]
    for fold in range(1, 10):
        folder = harm.hold_out_others(examples, fold, tmp_path / str(fold))
        held_out.append(held_out_documents(ExamplesFolder(folder)))
        assert folder.joinpath("kept.parquet").is_file()
    documents = [document for fold in held_out for document in fold]
    assert len(documents) == len(set(documents)) == 12, "each document is held out once"


def test_without_a_finished_run_planted_harm_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert harm.main(["--run", str(tmp_path / "none")]) == 0
    assert "left out" in capsys.readouterr().out


def test_shares_are_of_what_the_judged_questions_say(capsys: pytest.CaptureFixture[str]) -> None:
    def model(kind: str, true: tuple[float, float, float], chosen: str) -> _gate.Judged:
        figures = DifferenceFigures(true[1], (true[0], true[2]), 0.5)
        return _gate.Judged(f"{kind}.x.0", kind, figures, Decision(chosen, "", "ndcg@10", 9, figures, 9, figures))

    harmed, harmless = (-0.3, -0.2, -0.1), (-0.1, 0.0, 0.1)
    models = [model("noise", harmed, "base")] * 20
    models += [model("noise", harmless, "tuned"), model("good", (-0.1, 0.1, 0.3), "tuned")]
    assert _gate.report(models)
    assert "harm.refused value 1.000 of 20 harmed models (budget 0.95)" in capsys.readouterr().out
    assert not _gate.report([*models, *[model("rate", harmed, "tuned")] * 2])


def test_the_decision_on_stored_values_is_that_on_the_results(tmp_path: Path) -> None:
    from tests.support.small_run import build_run, small_evaluation

    evaluation = small_evaluation(build_run(tmp_path))
    stored = json.loads(json.dumps(_gate.per_query(evaluation.held_out)))
    judged = _gate.judge({"name": "", "kind": "good", "queries": {"judged": stored, "held_out": stored}})
    assert judged.decision.model == evaluation.decision.model
    assert judged.decision.difference.mean == pytest.approx(evaluation.decision.difference.mean, abs=1e-4)
    assert judged.decision.rank is not None
    assert evaluation.decision.rank is not None
    assert judged.decision.rank.mean == pytest.approx(evaluation.decision.rank.mean, abs=1e-3)


def test_scoring_asks_different_queries_of_passages_of_one_length() -> None:
    model = "bundled:smollm2-135m-instruct"
    tokenizer = load_tokenizer(model, key="samples.model")
    texts = scoring.passages_of(2, 100, model)
    assert len(set(texts)) == 2
    assert all(abs(len(tokenizer.encode(text).ids) - 100) <= 1 for text in texts)
    queries = scoring.queries_of(texts[0], 20)
    assert len(set(queries)) == 20
    assert all(query.startswith(" ") and len(query.split()) == scoring.WORDS for query in queries)
