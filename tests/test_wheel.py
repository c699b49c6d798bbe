"""The wheel: all packages and data files are in it, nothing else is, and it works far from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("engine", "training", "eval", "conf", "hydra_plugins")
BESIDE = ("tests", "benchmarks")
STRAY = ("runs", "engine_of_mine", "evaluation", "config")
"""Folders that a user may have in a checkout and whose names resemble a package's."""


def execute(command: Sequence[str | Path], folder: Path, **environment: str) -> str:
    """Runs a command in `folder` without a network, and returns what it prints."""
    settings = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=inherited | settings | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the checkout, built with the setuptools that is installed."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, *BESIDE):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in STRAY:
        (tree / name).mkdir()
        (tree / name / "__init__.py").write_text("")
    execute([sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", out, "."], tree)
    [built] = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel, without its dependencies, is installed."""
    site = tmp_path_factory.mktemp("site")
    execute([sys.executable, "-m", "pip", "install", "--no-deps", "--target", site, wheel], site)
    return site


def packed(wheel: Path) -> set[str]:
    """Names of the files in the wheel, without what describes the wheel itself."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path) -> None:
    files = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert packed(wheel) == files
    for name in ("engine/storage/parts.py", "engine/data/words/nouns.txt", "conf/run.yaml", "conf/task/queries.yaml"):
        assert name in files
    for name in ("eval/benchmarks/python_docs/queries.jsonl", "eval/page/templates/report.html"):
        assert name in files


def test_every_folder_with_modules_is_a_package(wheel: Path) -> None:
    folders = {Path(name).parent for name in packed(wheel) if name.endswith(".py")}
    assert len(folders) > 20
    assert {folder.as_posix() for folder in folders if not (ROOT / folder / "__init__.py").is_file()} == set()


def test_the_installed_program_helps_and_composes_far_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    program = installed / "bin" / "synthmill"
    paths = {"PYTHONPATH": str(installed)}
    where = "import engine, training, eval as measured; print(engine.__file__, training.__file__, measured.__file__)"
    for file in execute([sys.executable, "-c", where], tmp_path, **paths).split():
        assert Path(file).is_relative_to(installed)
    assert "usage: synthmill" in execute([program, "--help"], tmp_path, **paths)
    for choice in ("experiment=demo", "task=story_tree"):
        assert "max_samples:" in execute([program, choice, "--cfg", "job"], tmp_path, **paths)


def test_the_installed_modules_find_their_data(installed: Path, tmp_path: Path) -> None:
    code = (
        "from engine.command_line.groups import CONF\n"
        "from engine.prompts.demonstrations.config import BUNDLED\n"
        "from engine.task.config import word_file\n"
        "from eval.retrieval.benchmark import load_benchmark\n"
        "assert load_benchmark('python_docs', 'test')\n"
        "print(CONF, word_file('package:words/nouns.txt'), *BUNDLED.values(), sep='\\n')\n"
    )
    files = execute([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(installed)).splitlines()
    assert len(files) > 3
    for file in files:
        assert Path(file).exists()
        assert Path(file).is_relative_to(installed)
