"""A set-up takes the files that pins/ names and no other: with pip, a folder of wheels and no network."""

import subprocess
import sys
from pathlib import Path

import pip
import pytest

import install
from tests.support.small_wheels import put_source, put_wheel, sha256_of

WRONG = "0" * 64


@pytest.fixture(name="wheels")
def point_the_set_up_at_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes everything from, and an empty environment with empty lists of pins."""
    venv, wheels, pins = tmp_path / ".venv", tmp_path / "wheels", tmp_path / "pins"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, capture_output=True)
    packages_of(tmp_path).joinpath("pip").symlink_to(Path(pip.__file__).parent)
    wheels.mkdir()
    pins.mkdir()
    for name in ("build", "torch-cpu", "common", "cpu", "tests"):
        (pins / f"{name}.txt").write_text("")
    places = {
        "ROOT": tmp_path,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "LOG": venv / "setup.log",
        "PINS": pins,
    }
    for name, path in places.items():
        monkeypatch.setattr(install, name, path)
    settings = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_CACHE_DIR": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return wheels


def packages_of(folder: Path) -> Path:
    """Where the environment of a folder keeps its packages."""
    return next((folder / ".venv" / "lib").glob("python3.*")) / "site-packages"


def pin(name: str, line: str) -> None:
    """Adds a line to a list of pins."""
    with (install.PINS / f"{name}.txt").open("a") as file:
        file.write(f"{line}\n")


def run(stage: str) -> None:
    """Runs one stage of a set-up for the CPU."""
    install.run_stage({known.name: known for known in install.plan("cpu", tests=True)}[stage])


def test_files_with_the_pinned_hash_are_installed_and_nothing_that_they_ask_for(wheels: Path, tmp_path: Path) -> None:
    common, cpu = put_wheel(wheels, "millstone", "1.0", needs=("gears",)), put_wheel(wheels, "sieve", "2.0")
    put_wheel(wheels, "gears", "1.0")
    pin("common", f"millstone==1.0 --hash=sha256:{WRONG} --hash=sha256:{sha256_of(common)}")
    pin("cpu", f"sieve==2.0 --hash=sha256:{sha256_of(cpu)}")
    run("packages")
    assert {path.stem for path in packages_of(tmp_path).glob("*.py")} == {"millstone", "sieve"}


def test_a_file_with_another_hash_ends_the_set_up_with_one_line(wheels: Path, tmp_path: Path) -> None:
    right, swapped = put_wheel(wheels, "millstone", "1.0"), put_wheel(wheels, "sieve", "2.0")
    pin("common", f"millstone==1.0 --hash=sha256:{sha256_of(right)}")
    pin("cpu", f"sieve==2.0 --hash=sha256:{WRONG} --hash=sha256:{WRONG[:-1]}1")
    with pytest.raises(install.SetupError) as refusal:
        run("packages")
    message = str(refusal.value)
    assert message.startswith(
        f"set-up refuses sieve==2.0: sieve-2.0-py3-none-any.whl has the SHA-256 {sha256_of(swapped)}, "
        "which pins/cpu.txt does not name."
    )
    assert "pip config list" in message
    assert "python -m pins.lock" in message
    assert "\n" not in message
    assert list(packages_of(tmp_path).glob("*.py")) == [], "nor is anything else of the stage installed"


def test_the_list_is_named_too_where_the_path_of_the_clone_has_a_blank(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wheel(wheels, "sieve", "2.0")
    monkeypatch.setattr(install, "PINS", install.PINS.rename(tmp_path / "my pins (new)"))
    pin("cpu", f"sieve==2.0 --hash=sha256:{WRONG}")
    with pytest.raises(install.SetupError, match=r", which my pins \(new\)/cpu\.txt does not name"):
        run("packages")


def test_a_source_archive_with_another_hash_is_not_run(wheels: Path, tmp_path: Path) -> None:
    put_source(wheels, "trap", "1.0", f"open({str(tmp_path / 'sprung')!r}, 'w').close()")
    pin("common", f"trap==1.0 --hash=sha256:{WRONG}")
    with pytest.raises(install.SetupError, match=r"set-up refuses trap==1\.0: trap-1\.0\.tar\.gz has"):
        run("packages")
    assert not (tmp_path / "sprung").exists()


def test_a_refused_file_is_not_looked_for_elsewhere(wheels: Path, tmp_path: Path) -> None:
    put_wheel(wheels, "torch", "1.0+cpu")
    pin("torch-cpu", f"torch==1.0+cpu --hash=sha256:{WRONG}")
    with pytest.raises(install.SetupError, match=r"set-up refuses torch==1\.0\+cpu"):
        run("torch")
    assert "--index-url" not in install.LOG.read_text()


def test_a_package_without_a_hash_is_refused(wheels: Path, tmp_path: Path) -> None:
    put_wheel(wheels, "millstone", "1.0")
    pin("common", "millstone==1.0")
    with pytest.raises(install.SetupError, match="Hashes are required in --require-hashes mode"):
        run("packages")
    assert list(packages_of(tmp_path).glob("*.py")) == []


def test_a_gpu_machine_takes_no_cpu_build_of_torch(wheels: Path, tmp_path: Path) -> None:
    for_gpu = put_wheel(wheels, "torch", "1.0")
    put_wheel(wheels, "torch", "1.0+cpu")
    pin("common", f"torch===1.0 --hash=sha256:{sha256_of(for_gpu)}")
    run("packages")
    assert "1.0+cpu" not in (packages_of(tmp_path) / "torch.py").read_text()


def test_a_cpu_machine_takes_no_other_build_of_torch(wheels: Path, tmp_path: Path) -> None:
    for_gpu = put_wheel(wheels, "torch", "1.0")
    pin("torch-cpu", f"torch==1.0+cpu --hash=sha256:{sha256_of(for_gpu)}")
    with pytest.raises(install.SetupError, match=r"No matching distribution found for torch==1\.0\+cpu"):
        run("torch")
    assert list(packages_of(tmp_path).glob("*.py")) == []
