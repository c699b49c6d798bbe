"""Ours are imported whatever lies in the current folder: by the command line, and by the workers of a real Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from engine.runtime import own_packages
from engine.runtime.identity import PACKAGES
from engine.runtime.own_packages import import_own_packages, search_path
from tests.support.paths import ROOT

IN_WORKERS = """
import json, sys
from pathlib import Path
from engine.runtime.cluster import ClusterConfig, quiet, start_ray
quiet()
start_ray(ClusterConfig(num_cpus=1), Path(sys.argv[1]))
import ray

def files():
    import engine.pipeline.steps, training.step
    from eval import step
    return [engine.pipeline.steps.__file__, training.step.__file__, step.__file__, sys.path[0]]

class Actor:
    def files(self):
        return files()

task = ray.get(ray.remote(files).remote())
actor = ray.remote(Actor).options(runtime_env={"env_vars": {"OF_THE_ACTOR": "1"}}).remote()
logs = (Path(sys.argv[1]) / "ray").resolve()
print(json.dumps([task, ray.get(actor.files.remote()), str(logs)]))
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with packages that are called as ours are and fail when they are imported."""
    for name in PACKAGES:
        package = tmp_path / "foreign" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('a foreign package')\n")
    return tmp_path / "foreign"


def test_workers_have_our_packages_and_short_sockets(foreign: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(IN_WORKERS)
    deep = tmp_path / ("a-folder-for-temporary-files-with-a-name-that-is-long" * 2)
    deep.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(deep)}
    environment.pop("RAY_TMPDIR", None)
    done = subprocess.run(
        [sys.executable, script, tmp_path], cwd=foreign, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    of_task, of_actor, logs = json.loads(done.stdout.splitlines()[-1])
    ours = [str(ROOT / name) for name in ("engine/pipeline/steps.py", "training/step.py", "eval/step.py")]
    assert (of_task[:3], of_actor[:3]) == (ours, ours)
    assert of_task[3] == str(foreign), "Ray does put the driver's folder first, which is what this guards against"
    assert logs.startswith("/tmp/ray/session_"), "below TMPDIR the paths of sockets would be too long"


def test_the_command_line_has_our_packages(foreign: Path) -> None:
    program = Path(sysconfig.get_path("scripts")) / "synthmill"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    arguments = ("experiment=adapt", "collection=nowhere", "samples=fake")
    command = [sys.executable, "-P", "-m", "engine", *arguments]
    for start in ([program, *arguments], command):
        done = subprocess.run(start, cwd=foreign, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith("synthmill: collection=nowhere: does not exist")


def test_a_folder_called_training_is_not_ours(foreign: Path) -> None:
    for file in (foreign / "engine").iterdir():
        file.unlink()
    (foreign / "engine").rmdir()
    command = [sys.executable, "-m", "engine", "experiment=adapt", "collection=nowhere", "samples=fake"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=foreign, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("synthmill: collection=nowhere: does not exist"), done.stderr


def test_what_is_imported_stays() -> None:
    before = {name: sys.modules.get(name) for name in PACKAGES}
    import_own_packages()
    assert {name: sys.modules[name] for name, module in before.items() if module} == {
        name: module for name, module in before.items() if module
    }
    assert all(str(sys.modules[name].__file__).startswith(str(ROOT)) for name in PACKAGES)


def test_an_installation_with_a_package_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own_packages, "ROOT", tmp_path)
    monkeypatch.setattr(own_packages, "PACKAGES", ("a_package_that_is_not_there",))
    with pytest.raises(ModuleNotFoundError, match="not whole"):
        import_own_packages()


def test_other_processes_find_this_checkout_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert search_path() == {"PYTHONPATH": f"{ROOT}{os.pathsep}/somewhere"}
    monkeypatch.delenv("PYTHONPATH")
    assert search_path() == {"PYTHONPATH": str(ROOT)}
    monkeypatch.setattr(own_packages, "ROOT", Path(sysconfig.get_path("purelib")))
    assert search_path() == {}
