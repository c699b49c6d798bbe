"""A key with two values is refused by whichever command is given it; sweeps and repetitions are none."""

from __future__ import annotations

import pytest

from engine.command_line import judge, publish, search
from engine.command_line.main import USAGE, main
from engine.command_line.twice import refuse_twice
from engine.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "where", "remedy"),
    [
        (["model=a", "model=b"], "model=b", "leave one of them out; to run both: synthmill -m model=a,b"),
        (["experiment=a", "seed=1", "+experiment=b"], "+experiment=b", "to run both: synthmill -m experiment=a,b"),
        (["-m", "seed=1,2", "seed=3"], "seed=3", "leave one of them out"),
        (["task.attributes={a: 1}", "task.attributes={b: 2}"], "task.attributes={b: 2}", "leave one of them out"),
        (["launch", "cluster=ray", "cluster=slurm"], "cluster=slurm", "-m cluster=ray,slurm"),
    ],
)
def test_a_key_with_two_values_is_refused(arguments: list[str], where: str, remedy: str) -> None:
    with pytest.raises(UserError, match="is given twice, first as ") as caught:
        refuse_twice(arguments)
    assert caught.value.where == where
    assert caught.value.remedy.endswith(remedy)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "seed=1,2", "model=a,b"],
        ["seed=1", "seed=1"],
        ["model=a", "model.base=b", "~model.base=c", "~model.base=d"],
        ["sweep=a", "sweep=b"],
        ["--config-dir=a", "--config-dir=b"],
    ],
)
def test_what_has_one_value_or_is_a_sweep_passes(arguments: list[str]) -> None:
    refuse_twice(arguments)


def test_a_value_that_is_given_twice_is_shown_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    key = "samples.engine_args.hf_token"
    assert main(["experiment=demo", f"{key}=planted-one", f"{key}=planted-two"]) == 2
    said = capsys.readouterr().err
    assert "given twice" in said
    assert "planted-" not in said


def test_small_commands_refuse_it_too() -> None:
    with pytest.raises(UserError, match="first as publish_private=true") as caught:
        publish.read_options(["run", "hub:a/b", "publish_private=true", "publish_private=false"], USAGE["publish"])
    assert caught.value.remedy == "leave one of them out"
    with pytest.raises(UserError, match="first as k=3"):
        search.read_options(["run", "what is a=b or a=c", "k=3", "where.a=1", "where.a=2", "k=4"], USAGE["search"])
    with pytest.raises(UserError, match=r"first as queries\.path=a"):
        judge.read_options(["run", "queries.path=a", "queries.path=b"], USAGE["judge"])
    options = search.read_options(["run", "what", "where.a=1", "where.a=2"], USAGE["search"])
    assert options.where == ("a=1", "a=2"), "filters of one field add up"
