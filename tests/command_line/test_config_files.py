"""Config files of the user's own: found by name, by path and by flag; a mistake in one is named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.command_line.config_files import Chosen, chosen_files, find_mistake, find_user_conf
from engine.command_line.groups import CONF, groups
from engine.command_line.main import main
from engine.errors import UserError

TASK = """\
name: tickets
attributes:
  mood: {values: {calm: 2, cross: 1}}
turns:
  ticket: {prompt: "A {{ condition.mood }} ticket:", stop: ["\\n"], max_tokens: 9}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with conf/task/tickets.yaml, from which synthmill is started."""
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "conf" / "task" / "tickets.yaml").write_text(TASK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(home: Path, old: str, new: str) -> None:
    assert old in TASK
    (home / "conf" / "task" / "tickets.yaml").write_text(TASK.replace(old, new))


def test_a_file_under_conf_is_found_by_name(home: Path) -> None:
    config, _ = load_config(["task=tickets", "task.turns.ticket.max_tokens=7"])
    assert (config.task.name, config.task.turns["ticket"].max_tokens) == ("tickets", 7)
    assert find_user_conf() == home / "conf"
    with pytest.raises(UserError, match="did you mean 'tickets'"):
        load_config(["task=ticket"])


@pytest.mark.parametrize("path", ["conf/task/tickets.yaml", "elsewhere/t.yml", "{home}/elsewhere/t.yml"])
def test_a_file_is_found_by_its_path(home: Path, path: str) -> None:
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "t.yml").write_text(TASK)
    config, _ = load_config([f"task={path.format(home=home)}", "seed=4"])
    assert (config.task.name, config.seed) == ("tickets", 4)


def test_an_experiment_of_ones_own_sets_keys_of_the_run(home: Path) -> None:
    (home / "conf" / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /task: tickets\nname: own\nprompts: {per_passage: 5}\n"
    (home / "conf" / "experiment" / "own.yaml").write_text(text)
    config, _ = load_config(["experiment=own"])
    assert (config.name, config.task.name, config.prompts.per_passage) == ("own", "tickets", 5)
    (home / "conf" / "experiment" / "own.yaml").write_text(text.replace("per_passage", "per_pasage"))
    with pytest.raises(UserError) as caught:
        load_config(["experiment=own"])
    assert caught.value.where == "conf/experiment/own.yaml: prompts.per_pasage"


@pytest.mark.parametrize("flag", ["--config-dir={}", "--config-dir {}", "-cd {}"])
def test_a_folder_is_named_by_a_flag(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setattr("sys.argv", ["synthmill"])
    assert main([*flag.format(home / "conf").split(), "task=tickets", "--cfg", "job"]) == 0
    assert "A {{ condition.mood }} ticket:" in capsys.readouterr().out
    assert main(["-c", "job", "seed=4", "task=stories"]) == 0, "-c is --cfg"
    assert "seed: 4" in capsys.readouterr().out
    assert main([*flag.format(home / "nothing").split(), "task=tickets", "--cfg", "job"]) == 2
    assert "there is no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--config-dir", "-cd"])
def test_a_flag_without_its_folder_is_refused(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main(["task=stories", flag]) == 2
    assert f"{flag}: names no folder; write {flag} FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize("override", ["task={}", 'task="{}"', "task='{}'"])
def test_a_path_may_hold_blanks_and_signs(home: Path, override: str) -> None:
    folder = home / "my (own) [tasks] = good"
    folder.mkdir()
    (folder / "tickets.yaml").write_text(TASK)
    assert load_config([override.format(folder / "tickets.yaml")])[0].task.name == "tickets"


def test_a_name_that_ships_is_not_taken_over(home: Path) -> None:
    (home / "conf" / "task" / "queries.yaml").write_text(TASK)
    with pytest.raises(UserError) as caught:
        load_config(["task=queries"])
    assert caught.value.where == "conf/task/queries.yaml"
    assert "task=conf/task/queries.yaml" in caught.value.remedy
    assert load_config(["task=conf/task/queries.yaml"])[0].task.name == "tickets"
    assert load_config(["task=tickets"])[0].task.name == "tickets", "others are found as ever"


def test_no_folder_of_ones_own_is_searched_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_user_conf() is None
    monkeypatch.chdir(CONF.parent)
    assert find_user_conf() is None, "the files that ship are searched anyway"
    assert [chosen.file for chosen in chosen_files(["task=queries", "seed=3"])] == [CONF / "task" / "queries.yaml"]


@pytest.mark.parametrize("by_path", [False, True])
@pytest.mark.parametrize(
    ("old", "new", "key", "what", "remedy"),
    [
        ("max_tokens: 9", "max_token: 9", "turns.ticket.max_token", "there is no key 'max_token'", "'max_tokens'?"),
        ("attributes:", "atributes:", "atributes", "there is no key 'atributes'", "did you mean 'attributes'?"),
        (
            "max_tokens: 9",
            "max_tokens: many",
            "turns.ticket.max_tokens",
            "'many' is not a whole number",
            "write a whole",
        ),
        ("max_tokens: 9", "temperature: hot", "turns.ticket.temperature", "'hot' is not a number", "write a number"),
        ("max_tokens: 9", "kind: chatty", "turns.ticket.kind", "'chatty' is none of its values", "'chat'?"),
        ('stop: ["\\n"]', "stop: 5", "turns.ticket.stop", "is 5, not a list", "write [5]"),
        (
            "mood: {values: {calm: 2, cross: 1}}",
            "mood: [calm]",
            "attributes.mood",
            "is a list, not a mapping",
            "values",
        ),
        ("mood: {values: {calm: 2, cross: 1}}", "[mood]", "attributes", "is a list, not a mapping", "name: value"),
        ("{calm: 2, cross: 1}}", "{calm: 2}, range: {low: a}}", "attributes.mood.range.low", "'a' is not a number", ""),
        ("{calm: 2, cross: 1}}", "{calm: 2}, range: 5}", "attributes.mood.range", "is 5, not a mapping", "low, high"),
        ("max_tokens: 9", "max_tokens: [9]", "turns.ticket.max_tokens", "[9] is not a whole number", "write a whole"),
        ("max_tokens: 9", "parser: null", "turns.ticket.parser", "None is none of its values", "valid are: json"),
        ("name: tickets", "name: null", "name", "None is not text", "write text"),
        (
            "name: tickets",
            "quotas: [{where: {mood: calm}, max: 1}, {wher: {mood: cross}}]",
            "quotas[1].wher",
            "there is no key 'wher'",
            "did you mean 'where'?",
        ),
        ("name: tickets", "quotas: [{max: few}]", "quotas[0].max", "'few' is not a whole number", "write a whole"),
        ("name: tickets", "exclude: [calm]", "exclude[0]", "is 'calm', not a mapping", "name: value"),
        ("name: tickets", "exclude: {mood: calm}", "exclude", "is a mapping, not a list", "write [{'mood': 'calm'}]"),
        ('stop: ["\\n"]', "messages: [{role: [a]}]", "turns.ticket.messages[0].role", "['a'] is not text", "text"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(
    home: Path, by_path: bool, old: str, new: str, key: str, what: str, remedy: str
) -> None:
    write(home, old, new)
    with pytest.raises(UserError) as caught:
        load_config(["task=conf/task/tickets.yaml" if by_path else "task=tickets"])
    assert caught.value.where == f"conf/task/tickets.yaml: task.{key}"
    assert caught.value.what == what
    assert remedy in caught.value.remedy


def test_the_first_of_several_mistakes_is_named_and_references_are_none(home: Path) -> None:
    (home / "conf" / "task" / "tickets.yaml").write_text(
        'name: ${name}\nstop: ${nothing.of.the.kind}\nturns:\n  a: {max_tokens: "${seed}"}\n  b: {top_k: x, top_p: y}\n'
    )
    with pytest.raises(UserError) as caught:
        load_config(["task=tickets"])
    assert caught.value.where == "conf/task/tickets.yaml: task.turns.b.top_k"


def test_every_file_that_ships_fits_the_schema() -> None:
    for group in groups():
        for file in (CONF / group).glob("*.yaml"):
            assert find_mistake(Chosen(group, file)) is None


def test_a_key_that_is_no_text_is_one_line(home: Path) -> None:
    write(home, "mood:", "5:")
    with pytest.raises(UserError) as caught:
        load_config(["task=tickets"])
    assert "5" in caught.value.what
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("by_path", [False, True])
def test_a_reference_that_is_not_closed_is_named_with_its_key(home: Path, by_path: bool) -> None:
    write(home, "name: tickets", "name: costs ${amount")
    with pytest.raises(UserError) as caught:
        load_config(["task=conf/task/tickets.yaml" if by_path else "task=tickets"])
    assert caught.value.where == "conf/task/tickets.yaml: name"
    assert "close the ${...}" in caught.value.remedy


@pytest.mark.parametrize("by_path", [False, True])
@pytest.mark.parametrize(
    ("old", "new", "line"), [("  mood:", "\tmood:", 3), ("turns:", "turns", 5), ("calm: 2", "calm: [2", 3)]
)
def test_what_is_no_yaml_is_named_with_its_line(home: Path, by_path: bool, old: str, new: str, line: int) -> None:
    write(home, old, new)
    with pytest.raises(UserError) as caught:
        load_config(["task=conf/task/tickets.yaml" if by_path else "task=tickets"])
    assert caught.value.where == f"conf/task/tickets.yaml:{line}"
    assert "mend the YAML" in caught.value.remedy


def test_a_path_that_leads_nowhere_is_refused(home: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_config(["task=conf/task/tickts.yaml"])
    assert caught.value.where == "task=conf/task/tickts.yaml"
    assert str(home / "conf" / "task" / "tickts.yaml") in caught.value.what
    (home / "empty.yaml").write_text("- a\n")
    with pytest.raises(UserError, match="holds no mapping"):
        load_config(["task=empty.yaml"])


@pytest.mark.parametrize("by_path", [False, True])
def test_a_file_that_is_no_text_is_named(home: Path, by_path: bool) -> None:
    (home / "conf" / "task" / "tickets.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(UserError, match="is not UTF-8") as caught:
        load_config(["task=conf/task/tickets.yaml" if by_path else "task=tickets"])
    assert caught.value.where.endswith("conf/task/tickets.yaml: byte 9")


def test_a_package_that_the_schema_has_not_is_one_line(home: Path) -> None:
    write(home, "name: tickets", "# @package elsewhere\nname: tickets")
    with pytest.raises(UserError) as caught:
        load_config(["task=tickets"])
    assert "elsewhere" in str(caught.value)


def test_no_documents_end_with_the_samples() -> None:
    assert load_config(["task=stories", "documents=none"])[0].until == "samples"
    assert load_config(["task=stories", "documents=none", "until=examples"])[0].until == "examples"
