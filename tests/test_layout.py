"""The house is in order: who may import whom, where heavy libraries live, what has a test, how long things are."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("engine", "training", "eval")
MODULES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCRIPTS = ["install.py", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "benchmarks").rglob("*.py"))]
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
YAML = sorted(path.relative_to(ROOT).as_posix() for path in [*(ROOT / "conf").rglob("*.yaml"), ROOT / "cluster.yaml"])

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6
MAX_YAML_LINES = 40

MAY_IMPORT = {"engine": {"engine"}, "training": {"engine", "training"}, "eval": {"engine", "training", "eval"}}
"""engine <- training <- eval."""
SEES_ALL = {
    "engine/pipeline.py",
    "engine/command_line/main.py",
    "engine/command_line/commands.py",
    "engine/command_line/end.py",
}
"""The flow itself and the command line."""
ROOMS = {
    "vllm": "engine/generation/generator.py",
    "faiss": "engine/search/dense.py",
    "wandb": "engine/runtime/tracking.py",
}
"""The one module that may import a library whose interface changes often or that takes long to load."""
STEP_MODULES = (
    "engine.documents.step",
    "engine.prompts.step",
    "engine.generation.config",
    "engine.examples.step",
    "training.config",
    "eval.config",
)
HEAVY = {"torch", "ray", "vllm", "faiss", "sentence_transformers", "transformers", "datasets", "pandas", "wandb"}
TESTED_IN = {
    "engine/documents/readers/rows.py": "test_readers.py",
    "engine/documents/readers/files.py": "test_readers.py",
}
"""Modules whose tests are in a file of another name."""


@cache
def parse(module: str) -> ast.Module:
    """The syntax tree of a file, read once."""
    return ast.parse((ROOT / module).read_text(), filename=module)


def imported(module: str) -> Iterator[str]:
    """Dotted names of everything that a file imports, at whatever depth."""
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            yield node.module


def used(module: str) -> set[str]:
    """Dotted names of our modules that a file imports, also as `from package import module`."""
    names = set(imported(module))
    froms = (node for node in ast.walk(parse(module)) if isinstance(node, ast.ImportFrom))
    return names | {f"{node.module}.{alias.name}" for node in froms for alias in node.names}


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    return (node for node in ast.walk(parse(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Parameters that a caller fills in, without self and cls."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def lines_of(path: str) -> int:
    """Lines of a file."""
    return len((ROOT / path).read_text().splitlines())


def test_there_is_something_to_hold() -> None:
    assert len(MODULES) > 20
    assert len(YAML) > 5


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    allowed = set(PACKAGES) if module in SEES_ALL else MAY_IMPORT[module.partition("/")[0]]
    ours = {name for name in imported(module) if name.partition(".")[0] in PACKAGES}
    assert {name for name in ours if name.partition(".")[0] not in allowed} == set()


@pytest.mark.parametrize("module", [*MODULES, *SCRIPTS, *TESTS])
def test_eval_is_never_imported_whole(module: str) -> None:
    whole = [
        f"{module}:{node.lineno}"
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == "eval" for alias in node.names)
    ]
    assert whole == [], "`import eval` would hide the built-in function; write `from eval import ...`"


@pytest.mark.parametrize(("library", "room"), ROOMS.items())
def test_a_heavy_library_has_one_room(library: str, room: str) -> None:
    found = {module for module in MODULES if any(name.partition(".")[0] == library for name in imported(module))}
    assert found == {room}


def test_ray_is_started_in_one_room() -> None:
    def starts_ray(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) == "ray.init"

    assert {module for module in MODULES if any(map(starts_ray, ast.walk(parse(module))))} == {
        "engine/runtime/cluster.py"
    }


@pytest.mark.parametrize(
    "module", [module for module in MODULES if not module.endswith("__init__.py")] + ["install.py"]
)
def test_every_module_has_its_tests(module: str) -> None:
    package, name = Path(module).parent.as_posix(), Path(module).stem.strip("_")
    names = [f"tests/test_{name}.py", f"tests/test_{package}_{name}.py", f"tests/{TESTED_IN.get(module)}"]
    dotted = module.removesuffix(".py").replace("/", ".")
    found = [test for test in set(names) & set(TESTS) if dotted in used(test)]
    assert found, f"none of {names[:2]} imports {dotted}; where another file tests it, say so in TESTED_IN"


def test_no_exception_outlives_its_reason() -> None:
    assert set(TESTED_IN) <= set(MODULES)
    assert {f"tests/{name}" for name in TESTED_IN.values()} <= set(TESTS)
    assert set(ROOMS.values()) | SEES_ALL <= set(MODULES)


@pytest.mark.parametrize("module", [*MODULES, *SCRIPTS])
def test_functions_are_short_and_take_few_parameters(module: str) -> None:
    assert ast.get_docstring(parse(module)), "a module says what comes in, what goes out and why this way"
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(module) if f.end_lineno is not None}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}, "make it two functions"
    wide = {function.name: count_parameters(function) for function in functions(module)}
    assert {name: count for name, count in wide.items() if count > MAX_PARAMETERS} == {}, "make it a config dataclass"


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS, *TESTS])
def test_files_are_short(path: str) -> None:
    assert lines_of(path) <= MAX_FILE_LINES, "make it two files"


@pytest.mark.parametrize("path", YAML)
def test_yaml_files_are_tiny(path: str) -> None:
    assert lines_of(path) <= MAX_YAML_LINES


@pytest.mark.parametrize("step", [*STEP_MODULES, "engine.pipeline", "engine.__main__"])
def test_a_step_is_imported_without_heavy_libraries(step: str) -> None:
    code = f"import sys, {step}; print(*sorted({HEAVY} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.split() == [], f"import {step} must cost nothing: a run that skips every step takes seconds"


def test_data_files_are_shipped_with_their_package() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    shipped = {path for name, globs in patterns.items() for glob in globs for path in (ROOT / name).glob(glob)}
    there = {path for name in (*PACKAGES, "conf") for path in (ROOT / name).rglob("*") if path.is_file()}
    assert {path for path in there - shipped if path.suffix not in {".py", ".pyc"}} == set()
