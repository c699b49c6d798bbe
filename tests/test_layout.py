"""The house is in order: imports go down, rooms have no circle, heavy libraries have one home, modules have tests.

Each rule is one test, whose message lists every offender; a file is read and parsed once for all of them.
"""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.pipeline.steps import steps
from tests.support.kinds_of_runs import JUDGED, SWEEPS, about_rows
from tests.support.paths import ROOT

PACKAGES = ("engine", "training", "eval")
MODULES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCRIPTS = [
    "install.py",
    *sorted(
        path.relative_to(ROOT).as_posix() for folder in ("benchmarks", "pins") for path in (ROOT / folder).rglob("*.py")
    ),
]
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
YAML = sorted(path.relative_to(ROOT).as_posix() for path in [*(ROOT / "conf").rglob("*.yaml"), ROOT / "cluster.yaml"])
CODE = [module for module in MODULES if not module.endswith("__init__.py")]

FLOORS = (
    {"errors", "visible"},
    {"text", "storage"},
    {"runtime"},
    {"task", "models"},
    {"artifacts", "queries"},
    {"search", "generation", "filters"},
    {
        "rows",
        "documents",
        "prompts",
        "samples",
        "judge",
        "output",
        "handover",
        "publishing",
        "examples",
        "given",
        "launch",
        "training",
        "eval",
    },  # none knows another
    {"watch"},
    {"pipeline"},
    {"run"},
    {"sweeps"},
    {"command_line"},
    {"__main__"},
)
"""The rooms from the ground up. An import goes to a room on a lower floor, or stays in its room."""

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6
MAX_YAML_LINES = 40

HOMES = {
    "vllm": {"engine/generation/vllm_generator.py"},
    "faiss": {
        "engine/search/dense.py",
        "engine/search/approximate.py",
    },  # steps that search exactly reach no other index
    "wandb": {"engine/runtime/trackers/wandb_tracker.py"},
    "tensorboardX": {"engine/runtime/trackers/tensorboard_tracker.py"},
    "mlflow": {"engine/runtime/trackers/mlflow_tracker.py"},
}
"""The modules that may import a library whose interface changes often or that takes long to load."""
HEAVY = {"torch", "ray", "vllm", "faiss", "sentence_transformers", "transformers", "datasets", "pandas", "wandb"}


@cache
def text_of(path: str) -> str:
    """The text of a file, read once."""
    return (ROOT / path).read_text()


@cache
def nodes_of(module: str) -> tuple[ast.AST, ...]:
    """Every node of the syntax tree of a file, which comes first, parsed once."""
    return tuple(ast.walk(ast.parse(text_of(module), filename=module)))


@pytest.fixture(scope="module", autouse=True)
def forgotten_trees() -> Iterator[None]:
    """Gives back the memory of the trees: Python's garbage collector would walk them during all tests after these."""
    yield
    nodes_of.cache_clear()


def parse(module: str) -> ast.Module:
    """The syntax tree of a file."""
    tree = nodes_of(module)[0]
    assert isinstance(tree, ast.Module)
    return tree


def dotted(module: str) -> str:
    """The name by which a file is imported."""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


OURS = {dotted(path): path for path in CODE}
"""The file of each module of ours."""


def room(module: str) -> str:
    """The room of a file: a folder of engine/, one of its own files, or the package training or eval as a whole."""
    package, _, rest = dotted(module).partition(".")
    return rest.partition(".")[0] if package == "engine" and rest else package


@cache
def imported(module: str) -> frozenset[str]:
    """Dotted names of everything that a file imports, at whatever depth, for types too."""
    return frozenset(_imported(module))


def _imported(module: str) -> Iterator[str]:
    for node in nodes_of(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imported_modules(module: str) -> frozenset[str]:
    """The files of our packages that a file imports."""
    return frozenset({OURS[name] for name in imported(module) if name in OURS} - {module})


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    return (node for node in nodes_of(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Parameters that a caller fills in, without self and cls."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def lines_of(path: str) -> int:
    """Lines of a file."""
    return len(text_of(path).splitlines())


def floor(name: str) -> int:
    """How high a room stands."""
    [height] = [height for height, rooms in enumerate(FLOORS) if name in rooms]
    return height


def test_there_is_something_to_hold() -> None:
    assert len(CODE) > 100
    assert len(YAML) > 5


def test_every_room_has_its_floor() -> None:
    rooms = {room(module) for module in CODE}
    assert rooms == set().union(*FLOORS), "a new room is written into FLOORS, where it belongs"


def test_imports_go_down() -> None:
    upwards = {
        f"{module} imports {other}"
        for module in CODE
        for other in imported_modules(module)
        if room(other) != room(module) and floor(room(other)) >= floor(room(module))
    }
    assert upwards == set()


def test_a_room_has_no_circle() -> None:
    for name in set().union(*FLOORS):
        inside = [module for module in CODE if room(module) == name]
        graph = {module: {other for other in imported_modules(module) if room(other) == name} for module in inside}
        graphlib.TopologicalSorter(graph).prepare()  # whose error names the files of a circle


def test_nothing_private_is_imported() -> None:
    private = {
        f"{module}:{node.lineno} imports {alias.name}"
        for module in CODE
        for node in nodes_of(module)
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in PACKAGES
        for alias in node.names
        if alias.name.startswith("_")
    }
    assert private == set()


def test_a_package_file_holds_a_docstring_and_nothing_else() -> None:
    packages = [module for module in MODULES if module.endswith("__init__.py")]
    silent = [module for module in packages if not ast.get_docstring(parse(module))]
    assert silent == [], "it says what the room is for"
    full = [module for module in packages if len(parse(module).body) > 1]
    assert full == [], "the source hash does not read what a package file does"


def test_eval_is_never_imported_whole() -> None:
    whole = [
        f"{module}:{node.lineno}"
        for module in (*MODULES, *SCRIPTS, *TESTS)
        for node in nodes_of(module)
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == "eval" for alias in node.names)
    ]
    assert whole == [], "`import eval` would hide the built-in function; write `from eval import ...`"


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_a_heavy_library_has_one_home(library: str, home: set[str]) -> None:
    assert {module for module in MODULES if library in {name.partition(".")[0] for name in imported(module)}} == home


def test_ray_is_started_in_one_place() -> None:
    def starts_ray(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) == "ray.init"

    found = {module for module in MODULES if any(map(starts_ray, nodes_of(module)))}
    assert found == {"engine/runtime/cluster.py"}


def test_a_step_is_the_one_public_function_of_its_rooms_step_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "x"}')
    every = [
        *steps(JUDGED),
        *steps(about_rows(tmp_path / "x.jsonl")),
        *(step for config in SWEEPS for step in steps(config)),
    ]
    assert {step.function.__module__ for step in every} == {
        *(f"engine.{noun}.step" for noun in ("rows", "documents", "prompts", "samples", "judge", "output", "examples")),
        "engine.handover.step",
        "training.step",
        "training.teachers.step",
        "training.teachers.pairs.step",
        "training.teachers.scoring.step",
        "eval.step",
        "eval.expansion.step",
        "eval.reranking.step",
        "engine.examples.subset.step",
        "engine.examples.labelled.step",
        "engine.given.step",
        "engine.given.mix.step",
        "eval.given.step",
        "engine.given.recast.step",
        *(f"eval.{noun}.step" for noun in ("scores", "chunk_sizes", "learning_curve", "stages", "stages.scores")),
    }
    for step in every:
        tree = parse(step.function.__module__.replace(".", "/") + ".py")
        public = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert [name for name in public if not name.startswith("_")] == [step.function.__name__]


def test_the_folders_of_tests() -> None:
    assert folder_of("engine/prompts/conditions/draws.py") == "tests/prompts/conditions"
    assert (folder_of("engine/run.py"), folder_of("training/step.py")) == ("tests/engine", "tests/training")


def folder_of(module: str) -> str:
    """The folder of tests that mirrors the folder of a module."""
    parent = Path(module).parent
    inner = parent.relative_to("engine") if parent.parts[0] == "engine" and len(parent.parts) > 1 else parent
    return f"tests/{inner.as_posix()}"


@cache
def tried_by(test: str) -> frozenset[str]:
    """Dotted names of what a test file imports, or what it imports of tests/support does."""
    names = set(imported(test))
    support = {name.replace(".", "/") + ".py" for name in names if name.startswith("tests.support.")}
    return frozenset(names.union(*(imported(path) for path in support if path in TESTS)))


def test_every_module_has_its_tests() -> None:
    beside: dict[str, list[str]] = {}
    for test in TESTS:
        beside.setdefault(Path(test).parent.as_posix(), []).append(test)
    untested = {
        module: f"{folder_of(module)}/test_{Path(module).stem.strip('_')}.py"
        for module in CODE
        if not any(dotted(module) in tried_by(test) for test in beside.get(folder_of(module), []))
    }
    assert untested == {}, "neither that file nor another one beside it imports the module"


def test_tests_lie_where_their_modules_lie() -> None:
    beside = {"tests", "tests/pins", "tests/support", "tests/support/crash_points"}
    mirrored = {folder_of(module) for module in CODE} | beside
    assert {Path(test).parent.as_posix() for test in TESTS} <= mirrored


def test_functions_are_short_and_take_few_parameters() -> None:
    modules = [*MODULES, *SCRIPTS]
    silent = [module for module in modules if not ast.get_docstring(parse(module))]
    assert silent == [], "a module says what comes in, what goes out and why this way"
    every = [(f"{module}:{f.lineno} {f.name}", f) for module in modules for f in functions(module)]
    lines = {name: f.end_lineno - f.lineno + 1 for name, f in every if f.end_lineno is not None}
    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES} == {}, "make it two functions"
    parameters = {name: count_parameters(f) for name, f in every}
    wide = {name: count for name, count in parameters.items() if count > MAX_PARAMETERS}
    assert wide == {}, "make it a config dataclass"


def test_docstrings_are_sentences_of_their_own() -> None:
    dangling = {"And", "But", "Or", "Likewise", "See", "TODO"}
    begun = {
        f"{module}:{getattr(node, 'lineno', 1)} {text.split(maxsplit=1)[0]}"
        for module in MODULES
        for node in nodes_of(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if (text := ast.get_docstring(node)) and text.split(maxsplit=1)[0].strip(".,:") in dangling
    }
    assert begun == set()


def test_files_are_short() -> None:
    long = {path: lines_of(path) for path in (*MODULES, *SCRIPTS, *TESTS) if lines_of(path) > MAX_FILE_LINES}
    assert long == {}, "make it two files"
    assert {path: lines_of(path) for path in YAML if lines_of(path) > MAX_YAML_LINES} == {}, "YAML files are tiny"


STEP_MODULES = [
    *sorted({step.function.__module__ for config in (JUDGED, *SWEEPS) for step in steps(config)}),
    *("engine.rows.step", "engine.output.step"),
]


def test_a_step_is_imported_without_heavy_libraries() -> None:
    """All of them in one process: what none of them loads, none loads alone."""
    code = f"""
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if loaded := sorted({HEAVY} & set(sys.modules)):
        sys.exit(f"{{name}} imports {{loaded}}")
"""
    command = [sys.executable, "-c", code, *STEP_MODULES, "engine.pipeline.steps", "engine.__main__"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{done.stderr}: it must cost nothing, for a run that skips every step takes seconds"


def test_data_files_are_shipped_with_their_package() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    shipped = {path for name, globs in patterns.items() for glob in globs for path in (ROOT / name).glob(glob)}
    there = {path for name in (*PACKAGES, "conf") for path in (ROOT / name).rglob("*") if path.is_file()}
    assert {path for path in there - shipped if path.suffix not in {".py", ".pyc"}} == set()


def test_files_that_texts_name_are_there() -> None:
    pages = [f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")]
    texts = [*MODULES, *SCRIPTS, *YAML, *pages, "README.md"]
    named = re.compile(r"\b(?:engine|training|eval|tests|benchmarks|docs)/[\w/.-]*\w\.(?:py|yaml|md)\b")
    missing = {
        (text, name)
        for text in texts
        for name in named.findall(text_of(text))
        if not (ROOT / name).exists() and "NAME" not in name
    }
    assert missing == set()
