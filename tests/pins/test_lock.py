"""The lists of pins, made anew from a small index."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import Marker

import pins.lock as locking
from pins.index import File, LockError
from pins.lock import MACHINES, Machine, files_for, marker, read_lock, runs_on
from tests.support.small_index import index_of
from tests.support.small_wheels import put_source, put_wheel, sha256_of

INTEL, OLD_INTEL, ARM = Machine("3.13", "x86_64"), Machine("3.11", "x86_64"), Machine("3.12", "aarch64")
PROJECT = """[project]
dependencies = ["torch", "flour[white]>=1"]
optional-dependencies = { cpu = ["mill-cpu"], gpu = ["mill"], dev = ["taster", "sieve"] }
"""
VERSIONS = {
    "bread": "0.1", "bun": "0.1", "flour": "1.0", "mill": "1.0", "mill-cpu": "1.0", "nvidia-power": "13.0",
    "setuptools": "78.0", "sieve": "1.0", "source": "1.0", "taster": "1.0", "torch": "2.0", "water": "3.0",
}  # fmt: skip


@pytest.fixture(name="index")
def make_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project, its constraints, and an index with all that they name."""
    needs = {
        "bread": ("oven",),
        "flour": ("sieve; extra == 'white'", "sack; sys_platform == 'win32'", "source"),
        "mill": ("water>=2; python_version < '3.12'",),
        "torch": ("nvidia-power", "setuptools"),
    }
    for name, version in VERSIONS.items():
        folder = tmp_path / "index" / name
        folder.mkdir(parents=True)
        if name == "source":
            put_source(folder, name, version, "")
        else:
            put_wheel(folder, name.replace("-", "_"), version, needs=needs.get(name, ()))
    cpu = tmp_path / "pytorch" / "torch"
    cpu.mkdir(parents=True)
    put_wheel(cpu, "torch", "2.0+cpu", tag="cp311-cp311-manylinux_2_28_x86_64")
    (tmp_path / "constraints.txt").write_text("".join(f"{name}=={version}\n" for name, version in VERSIONS.items()))
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "pins").mkdir()
    files = {"CONSTRAINTS": "constraints.txt", "PROJECT": "pyproject.toml", "PINS": "pins"}
    for constant, name in files.items():
        monkeypatch.setattr(locking, constant, tmp_path / name)
    monkeypatch.setattr(locking, "BUNDLED_MODELS", ("bread", "bun"))
    with index_of(tmp_path / "index") as packages, index_of(tmp_path / "pytorch") as pytorch:
        monkeypatch.setenv("PIP_INDEX_URL", packages)
        monkeypatch.setattr(locking, "PYTORCH_CPU_INDEX", pytorch)
        yield tmp_path


def named(folder: Path) -> dict[str, list[str]]:
    """The requirements of each list."""
    lists = sorted((folder / "pins").glob("*.txt"))
    return {path.stem: [str(requirement) for requirement, _ in read_lock(path.read_text())] for path in lists}


def test_each_list_has_what_its_machines_need(index: Path) -> None:
    locking.main()
    assert named(index) == {
        "build": ["setuptools==78.0"],
        "common": ["flour==1.0", "sieve==1.0", "source==1.0", "bread==0.1", "bun==0.1"],
        "cpu": ["mill-cpu==1.0"],
        "gpu": ["mill==1.0", "nvidia-power==13.0", "torch===2.0", 'water==3.0; python_version == "3.11"'],
        "tests": ["taster==1.0"],
        "torch-cpu": ["torch==2.0+cpu"],
    }
    wheel = next((index / "index" / "mill").iterdir())
    assert f"mill==1.0 \\\n    --hash=sha256:{sha256_of(wheel)}\n" in (index / "pins" / "gpu.txt").read_text()


def test_files_that_changed_under_a_version_are_told(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locking.main()
    put_wheel(index / "index" / "sieve", "sieve", "1.0", tag="py3-none-manylinux_2_28_x86_64")
    locking.release.cache_clear()
    capsys.readouterr()
    locking.main()
    assert "sieve==1.0, as before: 1 files are new, 0 are gone" in capsys.readouterr().out


def test_what_is_asked_for_and_not_pinned_is_named(index: Path) -> None:
    constraints = index / "constraints.txt"
    constraints.write_text(constraints.read_text().replace("sieve==1.0\n", ""))
    with pytest.raises(LockError, match=r"sieve is asked for and constraints\.txt does not pin it"):
        locking.main()


def test_a_version_that_a_package_does_not_take_is_named(index: Path) -> None:
    constraints = index / "constraints.txt"
    constraints.write_text(constraints.read_text().replace("flour==1.0", "flour==0.5"))
    (index / "index" / "flour" / "flour-1.0-py3-none-any.whl").unlink()
    put_wheel(index / "index" / "flour", "flour", "0.5")
    with pytest.raises(
        LockError, match=r"pyproject\.toml asks for flour\[white\]>=1, and constraints\.txt pins flour==0\.5"
    ):
        locking.main()


def test_a_pin_that_nothing_asks_for_is_named(index: Path) -> None:
    (index / "pyproject.toml").write_text(PROJECT.replace('"taster", ', ""))
    with pytest.raises(LockError, match=r"nothing asks for taster"):
        locking.main()


def test_torch_for_the_cpu_stays_where_its_index_cannot_be_reached(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locking.main()
    before = (index / "pins" / "torch-cpu.txt").read_text()
    monkeypatch.setattr(locking, "PYTORCH_CPU_INDEX", "http://127.0.0.1:1")
    locking.main()
    assert "torch 2.0+cpu stays as it is" in capsys.readouterr().out
    assert (index / "pins" / "torch-cpu.txt").read_text() == before
    (index / "pins" / "torch-cpu.txt").write_text("")
    with pytest.raises(LockError, match=r"http://127\.0\.0\.1:1/torch/ cannot be read"):
        locking.main()


@pytest.mark.parametrize(
    ("tags", "machines"),
    [
        ("py3-none-any", {INTEL, OLD_INTEL, ARM}),
        ("py2.py3-none-any", {INTEL, OLD_INTEL, ARM}),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", {OLD_INTEL}),
        ("cp38-abi3-manylinux_2_28_x86_64", {INTEL, OLD_INTEL}),
        ("cp312-abi3-manylinux_2_28_aarch64", {ARM}),
        ("py3-none-manylinux2014_aarch64", {ARM}),
        ("cp313-cp313t-manylinux_2_28_x86_64", set()),
        ("cp313-cp313-musllinux_1_2_x86_64", set()),
        ("cp313-cp313-win_amd64", set()),
        ("py2-none-any", set()),
    ],
)
def test_which_machines_a_wheel_is_for(tags: str, machines: set[Machine]) -> None:
    assert {machine for machine in (INTEL, OLD_INTEL, ARM) if runs_on(f"mill-1.0-{tags}.whl", machine)} == machines


def test_a_source_archive_counts_where_a_machine_has_no_wheel() -> None:
    names = ("mill-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", "mill-1.0-cp313-cp313-win_amd64.whl", "mill-1.0.tar.gz")
    files = [File(name, name, "0") for name in names]
    assert files_for(files, {INTEL}) == [files[0]]
    assert files_for(files, {INTEL, ARM}) == [files[0], files[2]]


@pytest.mark.parametrize("machines", [{INTEL}, {INTEL, OLD_INTEL, ARM}, set(MACHINES) - {ARM}, set(MACHINES)])
def test_a_marker_is_true_on_its_machines_alone(machines: set[Machine]) -> None:
    text = marker(frozenset(machines))
    assert {machine for machine in MACHINES if not text or Marker(text).evaluate(machine.markers())} == machines


def test_a_marker_is_short_where_it_can_be() -> None:
    assert marker(frozenset(machine for machine in MACHINES if machine.architecture == "x86_64")) == (
        'platform_machine == "x86_64"'
    )
    assert marker(frozenset(MACHINES)) == ""
