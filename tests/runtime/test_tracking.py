"""What may be set of a tracker, and what a finished folder is to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runtime.tracking import Finished, Mode, TrackingConfig
from engine.storage.typed import flatten


def test_flattens_records_with_dots() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": 2.5}}, "e": "x", "f": {}}) == {"a.b": 1, "a.c.d": 2.5, "e": "x"}


@pytest.mark.parametrize("project", ["a/b", "a\\b", "a#b", "a?b", "100%", "a:b", "", "x" * 129])
def test_a_project_that_wandb_refuses_is_refused_at_once(project: str) -> None:
    with pytest.raises(UserError, match="project's name") as caught:
        TrackingConfig(project=project)
    assert caught.value.where == f"tracking.project={project}"


def test_wandb_refuses_the_same_projects() -> None:
    code = """
import wandb
refused = []
for project in [chr(number) for number in range(32, 127)] + ["x" * 128, "x" * 129]:
    try:
        wandb.Settings(project=project)
    except Exception:
        refused.append(project)
print("".join(sorted(refused)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "#%/:?\\" + "x" * 129 + "\n"
    assert TrackingConfig(project="a project, of mine (2)").project == "a project, of mine (2)"


@pytest.mark.parametrize("figures", ["s3://bucket/figures.jsonl", "https://me:secret@host/figures.jsonl"])
def test_figures_are_appended_to_files_and_not_behind_urls(figures: str) -> None:
    with pytest.raises(UserError, match="of this machine only") as caught:
        TrackingConfig(figures=figures)
    assert caught.value.where == f"tracking.figures={figures.replace('me:secret', '***')}"


def test_two_servers_have_two_names_and_another_login_is_the_same_server() -> None:
    def goal(mode: Mode, uri: str = "") -> str:
        return TrackingConfig(mode=mode, uri=uri).goal

    servers = [goal(Mode.mlflow, uri) for uri in ("", "https://one.example", "https://two.example")]
    assert len({*servers, goal(Mode.offline)}) == 4
    assert goal(Mode.mlflow, "https://a:old@one.example") == goal(Mode.mlflow, "https://a:new@one.example")
    assert goal(Mode.offline, "https://one.example") == "offline", "no other tracker reads the address"
    assert all("example" not in name and "/" not in name for name in servers), "they are names in the run folder"


def test_tables_have_no_rows_below_none() -> None:
    with pytest.raises(UserError, match="too small"):
        TrackingConfig(table_rows=-1)


def test_a_finished_folder_is_named_by_its_fingerprint_and_holds_no_links(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "weights").write_text("w")
    (tmp_path / "link").symlink_to("deep/weights")
    finished = Finished("iterations/1/model", tmp_path, "ab12", {})
    assert finished.name == "iterations-1-model-ab12"
    assert finished.files() == {"deep/weights": tmp_path / "deep" / "weights"}
