"""The command line's front door: exit codes and where a message goes."""

from __future__ import annotations

import pytest

from engine.command_line.main import main


def test_help_exits_0_and_lists_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "experiment=adapt collection=DIR" in out
    assert "tracking" in out


def test_a_users_mistake_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment=demo", "model.lerning_rate=1"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "model.learning_rate" in err


def test_cfg_job_prints_the_composed_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment=demo", "--cfg", "job"]) == 0
    assert "max_samples: 800" in capsys.readouterr().out


def test_a_sweep_is_checked_before_any_point_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", "experiment=demo", "model.lerning_rate=1,2"]) == 2
    assert "model.learning_rate" in capsys.readouterr().err
