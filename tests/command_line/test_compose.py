"""From overrides to a typed config: what composes, and every mistake as one line with key, place and remedy."""

from pathlib import Path

import pytest
import yaml

from engine.command_line.compose import load_config
from engine.command_line.groups import choices, groups
from engine.errors import UserError
from engine.generation.config import GeneratorKind
from engine.pipeline.addressed import addressed
from engine.run import wanted_steps
from engine.runtime.identity import identity_of
from engine.runtime.tracking import Mode
from engine.samples.config import SamplesConfig
from engine.task.config import AttributeConfig, QueryTrait, RangeConfig


def refused(*overrides: str) -> UserError:
    with pytest.raises(UserError) as caught:
        load_config(overrides)
    assert "\n" not in str(caught.value)
    return caught.value


def test_composes_the_demo() -> None:
    config, text = load_config(["experiment=demo"])
    assert (config.name, config.until, config.seed) == ("demo", "system", 0)
    assert config.prompts.max_samples == 400
    assert config.report.benchmark == "python_docs"
    assert config.tracking.mode is Mode.offline
    assert isinstance(config.samples, SamplesConfig)
    assert "learning_rate: 4.0e-05" in text


def test_values_that_belong_together_are_given_once() -> None:
    config, _ = load_config(
        ["experiment=adapt", "collection=some/dir", "seed=7", "samples.max_tokens=9", "model.base=x"]
    )
    assert config.documents.path == config.report.benchmark == config.demonstrations.collection == "some/dir"
    assert {config.samples.seed, config.prompts.seed, config.demonstrations.seed, config.examples.seed} == {7}
    assert config.prompts.max_tokens == 9
    assert config.examples.encoder.model == config.report.encoder.model == "x"
    assert load_config(["collection=a", "documents.path=b"])[0].documents.path == "b"


def test_a_setting_knows_which_key_the_user_wrote() -> None:
    config, text = load_config(["collection=a"])
    assert (config.documents.key("path"), config.documents.key("tokenizer")) == ("collection", "model.base")
    assert config.documents.one_blank().key("tokenizer") == "model.base"
    assert config.report.benchmark_key() == "collection"
    assert "origins" not in text
    same = load_config(["collection=a", "documents.path=a", "report.benchmark=a", "documents.tokenizer=x"])[0]
    assert (same.documents.key("path"), same.documents.key("tokenizer")) == ("documents.path", "documents.tokenizer")
    assert same.report.benchmark_key() == "report.benchmark"


def test_an_encoder_knows_which_of_its_settings_the_user_wrote() -> None:
    config, _ = load_config(["report.encoder.model=x", "demonstrations.encoder.max_tokens=9"])
    keys = [config.report.encoder.key("model"), config.report.encoder.key("max_tokens")]
    assert keys == ["report.encoder.model", "model.max_tokens"]
    assert config.examples.encoder.key("model") == "model.base"
    assert config.prompts.demonstrations.encoder.key("max_tokens") == "demonstrations.encoder.max_tokens"
    with pytest.raises(UserError, match=r"^report.encoder.model=x: there is no such model"):
        config.report.encoder.identity()


@pytest.mark.parametrize("setting", ["precision=fp16", "max_tokens=4"])
@pytest.mark.parametrize("group", ["examples", "report"])
def test_an_encoder_that_cannot_work_is_refused_by_the_key_that_the_user_wrote(group: str, setting: str) -> None:
    config, _ = load_config([f"{group}.encoder.{setting}"])
    with pytest.raises(UserError, match=rf"^{group}.encoder.{setting}: "):
        identity_of(getattr(config, group))


def test_the_text_has_every_value_and_no_reference() -> None:
    _, text = load_config(["collection=here"])
    assert text.count("here") >= 4
    assert "${" not in text


@pytest.mark.parametrize(
    ("group", "choice"), [(group, choice) for group in groups() if group != "experiment" for choice in choices(group)]
)
def test_every_choice_composes(group: str, choice: str) -> None:
    config, _ = load_config([f"{group}={choice}"])
    assert getattr(config, {"expand": "report"}.get(group, group))


@pytest.mark.parametrize(
    ("override", "what", "remedy"),
    [
        (
            "model.learning_rat=1",
            "there is no key or group 'model.learning_rat'",
            "did you mean 'model.learning_rate'?",
        ),
        ("modl.base=x", "there is no key or group 'modl.base'", "did you mean 'model.base'?"),
        ("sampels=fake", "there is no key or group 'sampels'", "did you mean 'samples'?"),
        ("foo=bar", "there is no key or group 'foo'", "valid are: chunk_sizes, cluster, collection, demonstrations"),
        (
            "task.max_tokens=9",
            "there is no key or group 'task.max_tokens'",
            "are: task.turns.NAME.max_tokens, documents.",
        ),
        ("model.num_engines=2", "there is no key or group 'model.num_engines'", "are: samples.num_engines"),
        ("samples.temperature=hot", "'hot' is not a number", "give a number"),
        ("prompts.per_passage=1.5", "'1.5' is not a whole number", "give a whole number"),
        ("samples.generator=gpt", "Invalid value 'gpt', expected one of [vllm, fake]", "--cfg job"),
        ("seed=null", "field 'seed' is not Optional", "--cfg job"),
        ("samples=smolm2", "there is no samples called 'smolm2'", "did you mean 'smollm2'? valid are: fake, "),
        ("experiment=dem", "there is no experiment called 'dem'", "did you mean 'demo'?"),
        (
            "tracking=nowhere",
            "there is no tracking called 'nowhere'",
            "valid are: mlflow, off, offline, online, tensorboard",
        ),
        ("model.learning_rate=1e-5,3e-5", "is several values", "synthmill -m"),
    ],
)
def test_a_wrong_override_is_its_own_place(override: str, what: str, remedy: str) -> None:
    error = refused("seed=3", override)
    assert error.where == override
    assert what in error.what
    assert remedy in error.remedy


def test_a_wrong_key_that_begins_a_right_one_is_named_itself() -> None:
    with pytest.raises(UserError) as caught:
        load_config(["prompts.max_samples=60", "prompts.max_sample=61"])
    assert caught.value.where == "prompts.max_sample=61"


@pytest.mark.parametrize(
    ("override", "key", "remedy"),
    [
        ("+foo=1", "foo", "valid are: chunk_sizes, cluster"),
        ("+samples.temprature=1", "samples.temprature", "'samples.temperature'?"),
    ],
)
def test_a_plus_does_not_get_past_the_schema(override: str, key: str, remedy: str) -> None:
    error = refused(override)
    assert (error.where, error.what) == (key, f"there is no key '{key}'")
    assert remedy in error.remedy
    assert len(error.remedy) < 1000, "the neighbours are listed, not all there is"


@pytest.mark.parametrize("override", ["a b", "model.base", "collection=[a", "collection=a=b", "=x"])
def test_what_is_no_override_is_refused_by_name(override: str) -> None:
    assert refused("seed=1", override, "seed=2").where == override


def test_a_group_is_not_left_out_by_null() -> None:
    assert refused("model=null").where == "command line"


def test_a_list_in_the_place_of_text_is_quoted() -> None:
    error = refused("collection=[x]")
    assert (error.where, error.remedy) == (
        "collection=[x]",
        """if it is a name, quote it: 'collection="[x]"'""",
    )


def test_the_text_that_is_kept_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted-in-the-environment")
    given = ["samples.engine_args={hf_token: planted-by-name, seen: [planted-by-name]}", "name=planted-by-name"]
    config, text = load_config([*given, "samples.engine_args.other='${oc.env:HF_TOKEN}'"])
    assert config.samples.engine_args["hf_token"] == "planted-by-name"
    assert config.samples.engine_args["other"] == "planted-in-the-environment"
    assert "planted" not in text
    assert yaml.safe_load(text)["samples"]["engine_args"] == {"hf_token": "***", "seen": ["***"], "other": "***"}
    assert yaml.safe_load(text)["samples"]["generator"] == "vllm"


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("prompts.per_passage=0", "prompts.per_passage=0"),
        ("task.attributes.form.values={a: x}", "task.attributes.form.values"),
        ("task.exclude=[{from: question}]", "task.exclude[0]"),
        ("task.quotas=[{where: {form: questions}, max: 3}]", "task.quotas[0].where"),
        ("samples.max_tokens=5000", "samples.max_tokens"),
        ("demonstrations.from_qrels=-2", "demonstrations.from_qrels=-2"),
        ("documents.overlap_tokens=600", "documents.overlap_tokens=600"),
    ],
)
def test_checks_of_the_dataclasses_run_at_once(override: str, where: str) -> None:
    assert refused(override).where == where


def test_a_reference_to_nothing_is_refused() -> None:
    assert "Interpolation key 'nope' not found" in refused("model.base=${nope}").what


@pytest.mark.parametrize(
    "override",
    ["samples.engine_args={dtype: float32}", "samples.engine_args.dtype=float32", "+samples.engine_args.dtype=float32"],
)
def test_free_mappings_take_any_key(override: str) -> None:
    assert load_config([override])[0].samples.engine_args == {"dtype": "float32"}


def test_conditions_are_given_on_the_command_line() -> None:
    config, _ = load_config(["task.attributes.form.values={claim: 2}"])
    weights = {"question": 0.5, "keywords": 0.5, "claim": 2.0}
    drawn = AttributeConfig(weights, from_demonstrations=True, from_queries=QueryTrait.form)
    assert config.task.attributes == {"form": drawn}


def test_attributes_of_every_kind_are_given_on_the_command_line() -> None:
    given = "size: {range: {low: 1, high: 3}}, tone: {values: [dry, warm], pick: [1, 2]}, "
    given += "topic: {taxonomy: {arts: [film]}}, part: {depends_on: form, by: {question: [a]}, values: [b]}"
    overrides = ["task.quotas=[{where: {form: question}, max: 3}]", "task.exclude=[{size: 1}]"]
    config, _ = load_config([f"task.attributes={{{given}}}", *overrides])
    assert list(config.task.attributes.values())[1:] == [
        AttributeConfig(range=RangeConfig(1, 3)),
        AttributeConfig(["dry", "warm"], pick=[1, 2]),
        AttributeConfig(taxonomy={"arts": ["film"]}),
        AttributeConfig(["b"], depends_on="form", by={"question": ["a"]}),
    ]
    assert config.task.quotas[0].max == 3
    assert config.task.exclude == [{"size": 1}]


def test_composes_many_times_in_one_process() -> None:
    assert load_config(["samples=fake"])[0].samples.generator is GeneratorKind.fake
    assert load_config([])[0].samples.generator is GeneratorKind.vllm


def test_paths_may_hold_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "my collection"
    assert load_config([f"collection={folder}"])[0].collection == str(folder)


def test_a_log_of_queries_weighs_the_conditions_that_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("how do bees dance\nbee dance\nhive\nqueen bee\n")
    overrides = ["experiment=adapt", f"documents.path={tmp_path}", f"queries.path={tmp_path / 'log.txt'}"]
    config, _ = load_config(overrides)
    assert config.report.queries == str(tmp_path / "log.txt")
    assert addressed(config).prompts.task.attributes["form"].values == {"question": 0.25, "keywords": 0.75}
    kept, _ = load_config([*overrides, "task.attributes.form.from_queries=null"])
    assert addressed(kept).task.attributes["form"].values == {"question": 0.5, "keywords": 0.5}
    beside, _ = load_config(["experiment=batch", f"prompts.path={tmp_path}", f"queries.path={tmp_path / 'log.txt'}"])
    with pytest.raises(UserError, match="is given beside prompts") as caught:
        wanted_steps(beside)
    assert caught.value.where == f"queries.path={tmp_path / 'log.txt'}"
