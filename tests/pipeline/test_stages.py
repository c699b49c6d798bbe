"""Several models in one run: the steps of both tutorials, what is refused before anything runs, and small runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.artifacts.forms import Form
from engine.artifacts.sweeps import SweepFolder
from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.given.config import GivenConfig
from engine.pipeline.config import RunConfig, kinds_of, nouns_of
from engine.pipeline.given import check_given
from engine.pipeline.stages import check_sets, stages
from engine.pipeline.steps import steps
from engine.run import run, run_folder, wanted_steps
from engine.runtime.step import Step, make
from engine.storage.digests import content_digest
from engine.storage.store import Store
from eval.stages.config import SetConfig, StageConfig
from eval.stages.figures import HELD_OUT, TRAIN, read_stages
from tests.support.command_line import CommandLineHere
from tests.support.given import graded_rows, pair_rows
from tests.support.places import quiet_place
from tests.support.training import write_base

RETRIEVER, QUESTIONS = "experiment=language_model_to_retriever", "experiment=korean_questions"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base, graded pairs in the form of KLUE-STS, and questions in that of KorQuAD."""
    home = tmp_path_factory.mktemp("data")
    write_base(home / "base")
    pairs = [
        {
            "guid": f"p{number}",
            "sentence1": row["query"],
            "sentence2": row["passage"],
            "labels": {"label": row["score"]},
        }
        for number, row in enumerate(graded_rows(60))
    ]
    (home / "sts.json").write_text(json.dumps(pairs))
    articles: dict[str, list[str]] = {}
    for row in pair_rows(80):
        articles.setdefault(row["passage"], []).append(row["query"])
    data = [
        {"title": f"t{number}", "paragraphs": [{"context": text, "qas": [{"question": query} for query in asked]}]}
        for number, (text, asked) in enumerate(articles.items())
    ]
    (home / "questions.json").write_text(json.dumps({"data": data}))
    return home


def arguments(data: Path, experiment: str, *more: str) -> list[str]:
    """A tutorial on these data, as a person starts it."""
    files = [f"stages.sets.questions.path={data / 'questions.json'}", "examples.validation_share=0.5"]
    if experiment == RETRIEVER:
        files.append(f"stages.sets.sts.path={data / 'sts.json'}")
    small = ["model.max_tokens=32", "report.resamples=50", "tracking=off"]
    return [experiment, f"model.base={data / 'base' / 'encoder'}", *files, *small, *more]


def composed(data: Path, experiment: str, *more: str) -> RunConfig:
    return load_config(arguments(data, experiment, *more))[0]


def with_stage(config: RunConfig, stage: StageConfig) -> RunConfig:
    """The same run with one more stage, called `more`."""
    return replace(config, stages=replace(config.stages, models={**config.stages.models, "more": stage}))


def by_entry(config: RunConfig) -> dict[str, Step]:
    return {step.entry: step for step in steps(config)}


def test_a_language_model_becomes_a_retriever_in_three_trainings(data: Path) -> None:
    config = composed(data, RETRIEVER)
    made = by_entry(config)
    assert list(made) == [
        *(f"given/{name}/examples" for name in ("sts", "questions", "hard_negatives")),
        "measured/base/scores",
        *(
            f"{part}"
            for name in ("cosine", "ranking", "reranked")
            for part in (f"stage/{name}/model", f"measured/{name}/scores")
        ),
        "stages",
    ]
    assert [step.entry for step in stages(config)] == list(made) == [step.entry for step in wanted_steps(config)]
    assert made["stage/ranking/model"].inputs == (made["given/questions/examples"], made["stage/cosine/model"])
    keys = [step.key for step in made["measured/reranked/scores"].inputs]
    assert keys == ["sts", "questions", "first", "model"]
    assert (kinds_of(config), nouns_of(config)) == (["stages.models"], ("stages",))
    assert run_folder(config).name == "language_model_to_retriever"


def test_a_longer_curve_shares_the_models_of_a_shorter_one(data: Path) -> None:
    made = by_entry(composed(data, QUESTIONS))
    models = [entry for entry in made if entry.startswith("stage/")]
    curve = [f"ranking_{size}-{epochs}" for size in (8, 16) for epochs in (1, 3, 10, 20, 30)]
    assert models == [f"stage/{name}/model" for name in ("denoising", "triplet_1", "triplet_2", *curve)]
    assert len({made[entry].fingerprint for entry in models}) == 13
    shorter = by_entry(composed(data, QUESTIONS, "stages.models.ranking_8.epochs=[1,3]"))
    assert shorter["stage/ranking_8-3/model"].fingerprint == made["stage/ranking_8-3/model"].fingerprint
    assert shorter["measured/triplet_1/scores"].fingerprint == made["measured/triplet_1/scores"].fingerprint
    assert shorter["stages"].fingerprint != made["stages"].fingerprint


def test_a_limit_is_before_all_that_is_made_of_a_set(data: Path) -> None:
    made = by_entry(composed(data, QUESTIONS, "stages.sets.questions.limit=20"))
    assert list(made)[:2] == ["given/questions-all/examples", "given/questions/examples"]
    assert made["given/two_random/examples"].inputs == (made["given/questions/examples"],)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "stages.sets.questions.path=no.json",
            r"stages.sets.questions.path=no.json: does not exist.*questions with their passages",
        ),
        ("stages.models.ranking.model.epocs=1", r"stages.models.ranking.model: 'epocs' is no setting.*'epochs'"),
        ("stages.models.ranking.model.epochs=many", r"stages.models.ranking.model: cannot be read"),
        (
            "stages.models.ranking.model.loss=cosine",
            r"model.loss=cosine: no bi_encoder is trained by cosine on .*; set .* to auto, mnrl, cached_mnrl or gist$",
        ),
        (
            "stages.models.ranking.model={loss: gist, symmetric: true}",
            r"stages.models.ranking.model.symmetric=true: the direction from passage to query is trained by mnrl or",
        ),
        ("stages.models.ranking.model.family=classifier", r"no classifier is trained"),
        ("stages.models.ranking.reranks=cosine", r"reranks=cosine: only a cross_encoder reranks"),
        ("stages.models.reranked.reranks=''", r"reranks=: a cross_encoder orders what another stage finds"),
        ("stages.models.ranking.model.iterations=2", r"stages.models.ranking.model.iterations=2: "),
        ("stages.models.ranking.model.num_hard_negatives=1", r"hard negatives are mined from documents"),
        ("stages.models.ranking.model.base=bundled:all-minilm-l6-v2", r"goes on from cosine, which was made of"),
        ("collection=x", r"stages.models: models are compared on sets of examples"),
        (
            "stages.models.ranking.model.teacher={by: fused}",
            r"stages.models.ranking.model.teacher.by=fused: a teacher scores passages",
        ),
        (
            "report.similarity=sts.json",
            r"report.similarity=sts.json: is measured in a report, and a comparison of several",
        ),
        ("report.labelled=x.csv", r"report.labelled=x.csv: is measured in a report"),
        (
            "stages.models.ranking.model.validation={every: 5, keep: best}",
            r"stages.models.ranking.model.validation.keep=best: chooses a model by held-out examples",
        ),
        (
            "stages.models.ranking.model.validation={every: 5, patience: 2}",
            r"stages.models.ranking.model.validation.patience: chooses a model by held-out examples",
        ),
        ("preview=3", r"preview=3: shows prompts"),
        ("until=report", r"until=report: no step is called 'report'"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(data: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wanted_steps(composed(data, RETRIEVER, override))


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        (
            "pairs.jsonl",
            {"models": {"x": StageConfig("questions"), "y": StageConfig("open", model={"loss": "cosine"})}},
            r"stages.models.y.model.loss=cosine: no bi_encoder is trained by cosine on examples that are pairs",
        ),
        (
            "graded.jsonl",
            {"sets": {"made": SetConfig(of="open", form=Form.triplets)}},
            r"stages.sets.made.of=open: is made of pairs, and the rows of open are graded",
        ),
    ],
)
def test_a_set_whose_form_is_not_named_is_looked_at_before_anything_is_trained(
    data: Path, tmp_path: Path, file: str, settings: dict[str, Any], message: str
) -> None:
    row = {"query": "q", "passage": "p"} | ({"score": 0.0} if file == "graded.jsonl" else {})
    (tmp_path / file).write_text(json.dumps(row) + "\n")
    config = composed(data, QUESTIONS)
    sets = {**config.stages.sets, "open": SetConfig(path=str(tmp_path / file)), **settings.get("sets", {})}
    models = settings.get("models", {"x": StageConfig("questions")})
    config = replace(config, stages=replace(config.stages, sets=sets, models=models))
    wanted_steps(config)
    with pytest.raises(UserError, match=message):
        check_given(config)
    check_given(composed(data, QUESTIONS))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"lora": {"rank": 8, "merge": False}}, "goes on from whole weights, and more.* keeps its matrices apart"),
        ({"family": "adapter"}, "an adapter is one layer over its base"),
    ],
)
def test_what_would_get_a_second_layer_is_no_start(data: Path, model: dict[str, Any], message: str) -> None:
    config = composed(data, QUESTIONS)
    steps(with_stage(config, StageConfig("questions", model=model)))
    with pytest.raises(UserError, match=rf"stages.models.more.epochs: {message}"):
        steps(with_stage(config, StageConfig("questions", model=model, epochs=[1, 3])))
    chain = {"more": StageConfig("questions", model=model), "next": StageConfig("questions", start="more", model=model)}
    with pytest.raises(UserError, match=rf"stages.models.next.start=more: {message}"):
        steps(replace(config, stages=replace(config.stages, models=chain)))


def test_a_reranker_reorders_an_encoder(data: Path) -> None:
    config = composed(data, RETRIEVER)
    twice = StageConfig("hard_negatives", reranks="reranked", model={"family": "cross_encoder"})
    with pytest.raises(UserError, match=r"more.reranks=reranked: is a cross_encoder itself"):
        steps(with_stage(config, twice))
    with pytest.raises(UserError, match=r"more.start=reranked: a bi_encoder cannot go on from a cross_encoder"):
        steps(with_stage(config, StageConfig("questions", start="reranked")))


def test_sets_of_which_nothing_is_held_out_are_refused_before_anything_is_made(data: Path, tmp_path: Path) -> None:
    for experiment in (QUESTIONS, RETRIEVER):
        config, text = load_config(
            arguments(data, experiment, "examples.validation_share=0", f"runs_dir={tmp_path / 'runs'}")
        )
        with pytest.raises(UserError, match=r"stages\.sets\.\w+\.path=.*: nothing is held out to measure on"):
            run(config, text)
        assert not (tmp_path / "runs").exists()
    with_split = data / "with-split.jsonl"
    rows = [{"query": "q", "passage": "p", "split": "validation"}, {"query": "other", "passage": "d", "split": "train"}]
    with_split.write_text("".join(json.dumps(row) + "\n" for row in rows))
    check_sets(composed(data, QUESTIONS, "examples.validation_share=0", f"stages.sets.questions.path={with_split}"))


def test_one_set_that_is_too_small_to_hold_something_out_leaves_no_run_folder(data: Path, tmp_path: Path) -> None:
    few = data / "few.jsonl"
    few.write_text(json.dumps({"query": "what do bees do", "passage": "Bees dance."}) + "\n")
    files = [f"stages.sets.questions.path={few}", f"runs_dir={tmp_path / 'runs'}"]
    config, text = load_config(arguments(data, QUESTIONS, *files))
    with pytest.raises(UserError, match=r"few\.jsonl: nothing is held out to measure on"):
        run(config, text)
    assert not list((tmp_path / "runs").glob("korean*"))
    assert not list((tmp_path / "runs" / "store").glob("examples/*/_DONE"))


def test_a_set_that_another_run_made_is_refused_as_early(data: Path, tmp_path: Path) -> None:
    few = data / "found.jsonl"
    few.write_text(json.dumps({"query": "what do bees do", "passage": "Bees dance."}) + "\n")
    config, text = load_config(
        arguments(data, QUESTIONS, f"stages.sets.questions.path={few}", f"runs_dir={tmp_path / 'runs'}")
    )
    read = steps(config)[0]
    assert isinstance(read.config, GivenConfig)
    store, place = Store(tmp_path / "runs" / "store"), quiet_place(tmp_path)
    found = make(replace(read, config=replace(read.config, holds_out=False)), store, place)
    assert found == store.folder("examples", read.fingerprint), "a run that does not measure on it makes the same"
    with pytest.raises(UserError, match=r"found\.jsonl: nothing is held out to measure on"):
        run(config, text)
    assert not list((tmp_path / "runs").glob("korean*")), "nothing of the run folder has changed"


def test_without_the_data_a_tutorial_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for experiment, name in ((RETRIEVER, "sts"), (QUESTIONS, "questions")):
        with pytest.raises(UserError, match=rf"stages.sets.{name}.path=../shared/data/.*: does not exist"):
            wanted_steps(load_config([experiment, "model.base=bundled:all-minilm-l6-v2"])[0])


@pytest.mark.slow
def test_one_stage_runs_small_and_again_for_free(data: Path, tmp_path: Path, local_training: None) -> None:
    config, text = load_config(arguments(data, QUESTIONS, f"runs_dir={tmp_path}", "stages.sets.questions.limit=30"))
    alone = {"hard": StageConfig("one_random", model={"loss": "triplet", "validation": {"every": 0}})}
    config = replace(config, stages=replace(config.stages, models=alone))
    folder = SweepFolder(run(config, text) / "stages", "stages")
    figures = read_stages(folder.figures_file)
    assert [(stage.name, stage.loss) for stage in figures.stages[2:]] == [("hard", "triplet")]
    assert figures.sets["questions"].passages == 30
    for side in (HELD_OUT, TRAIN):
        assert set(figures.sets["questions"].levels[side]) == {"bm25", "base", "hard"}
    made = folder.page_file.stat().st_mtime_ns
    assert folder.path.resolve() == (run(config, text) / "stages").resolve()
    assert folder.page_file.stat().st_mtime_ns == made


@pytest.mark.soak
def test_a_language_model_to_retriever_runs_small_and_again_for_free(
    data: Path, synthmill_here: CommandLineHere
) -> None:
    command = arguments(data, RETRIEVER, "run_dir=run", "model.epochs=1", "stages.models.reranked.depth=5")
    done = synthmill_here.run(*command)
    assert done.returncode == 0, done.stderr
    run_dir = synthmill_here.folder / "run"
    folder = SweepFolder(run_dir / "stages", "stages")
    figures = read_stages(folder.figures_file)
    assert [stage.name for stage in figures.stages] == ["bm25", "base", "cosine", "ranking", "reranked"]
    assert [stage.loss for stage in figures.stages[2:]] == ["cosine", "mnrl", "binary_cross_entropy"]
    assert set(figures.sets) == {"sts", "questions"}
    assert set(figures.sets["sts"].levels[HELD_OUT]) == {"base", "cosine", "ranking"}
    assert set(figures.sets["questions"].levels[HELD_OUT]) == {"bm25", "base", "cosine", "ranking", "reranked"}
    assert figures.sets["questions"].levels[HELD_OUT]["bm25"]["hit@10"].mean > 0.9
    weights = {
        name: content_digest(run_dir / "stage" / name / "model" / "model.safetensors") for name in ("cosine", "ranking")
    }
    assert len(set(weights.values())) == 2, "the second stage trained on"
    assert "run/stages/stages.html" in done.stdout
    assert folder.page_file.is_file()
    again = synthmill_here.run(*command)
    assert again.stdout.count("unchanged:") == 11


@pytest.mark.soak
def test_korean_questions_run_small(data: Path, tmp_path: Path, ray_session: None) -> None:
    curves = [f"stages.models.ranking_{size}.epochs=[1,2]" for size in (8, 16)]
    folder = run(*load_config(arguments(data, QUESTIONS, f"runs_dir={tmp_path}", *curves)))
    figures = read_stages(SweepFolder(folder / "stages", "stages").figures_file)
    names = [
        "bm25",
        "base",
        "denoising",
        "triplet_1",
        "triplet_2",
        "ranking_8-1",
        "ranking_8-2",
        "ranking_16-1",
        "ranking_16-2",
    ]
    assert [stage.name for stage in figures.stages] == names
    for side in (HELD_OUT, TRAIN):
        assert list(figures.sets["questions"].levels[side]) == ["base", "bm25", *names[2:]]
    assert (folder / "stages" / "stages.html").read_text().count('class="lines"') == 2
