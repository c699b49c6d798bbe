"""Groups and choices: the folders and files of conf/, and those of a user's own folder."""

from __future__ import annotations

from pathlib import Path

from engine.command_line.groups import CONF, choices, groups


def test_groups_and_choices_are_the_files_of_conf() -> None:
    assert {"documents", "experiment", "samples", "tracking"} <= set(groups())
    assert choices("tracking") == ["mlflow", "off", "offline", "online", "tensorboard"]
    assert choices("nothing") == []
    assert sum(len(choices(group)) for group in groups()) == len(list(CONF.glob("*/*.yaml")))


def test_files_of_the_users_own_are_choices_too(tmp_path: Path) -> None:
    (tmp_path / "tracking").mkdir()
    for name in ("mine.yaml", "off.yaml", "notes.txt"):
        (tmp_path / "tracking" / name).write_text("")
    assert choices("tracking", tmp_path) == ["mine", "mlflow", "off", "offline", "online", "tensorboard"]
    assert choices("samples", tmp_path) == choices("samples")
