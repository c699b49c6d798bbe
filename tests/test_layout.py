"""The house is in order: imports go down, rooms have no circle, heavy libraries have one home, modules have tests."""

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

from engine.examples.config import ExamplesConfig
from engine.filters.chain import FiltersConfig
from engine.judge.config import InformationConfig, JudgeConfig
from engine.pipeline.config import RunConfig
from engine.pipeline.steps import steps
from engine.prompts.config import PromptsConfig
from engine.samples.config import SamplesConfig
from engine.task.config import AttributeConfig, TaskConfig
from eval.chunk_sizes.config import ChunkSizesConfig
from eval.config import ReportConfig
from eval.learning_curve.config import LearningCurveConfig
from tests.support.paths import ROOT
from training.config import Family, ModelConfig
from training.teachers.config import TeacherConfig

PACKAGES = ("engine", "training", "eval")
MODULES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCRIPTS = ["install.py", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "benchmarks").rglob("*.py"))]
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
YAML = sorted(path.relative_to(ROOT).as_posix() for path in [*(ROOT / "conf").rglob("*.yaml"), ROOT / "cluster.yaml"])
CODE = [module for module in MODULES if not module.endswith("__init__.py")]

FLOORS = (
    {"errors"},
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
        "training",
        "eval",
    },  # none knows another
    {"watch"},
    {"pipeline"},
    {"run"},
    {"command_line"},
    {"__main__"},
)
"""The rooms from the ground up. An import goes to a room on a lower floor, or stays in its room."""

JUDGED = RunConfig(
    collection="x",
    judge=JudgeConfig(information=InformationConfig("{{ passage.text }}", "Question:")),
    examples=ExamplesConfig(filters=FiltersConfig(min_information=0.5)),
    model=ModelConfig(seed=0, teacher=TeacherConfig("likelihood", better_positive=True)),
    report=ReportConfig(benchmark="", expand="rewrites", rerank_by="likelihood"),
)
"""A run with a judge, a teacher and a report that asks models, so with every step that there is."""

LABELLED = TaskConfig(attributes={"tone": AttributeConfig(values=["glad", "sad"])})
"""A task whose texts can be labelled."""

SWEEPS = (
    RunConfig(collection="x", chunk_sizes=ChunkSizesConfig([64])),
    RunConfig(collection="x", learning_curve=LearningCurveConfig([0.5]), model=ModelConfig(seed=0)),
    RunConfig(collection="x", examples=ExamplesConfig(path="x", seed=0)),
    RunConfig(task=LABELLED, collection="x", model=ModelConfig(family=Family.classifier, label="tone", seed=0)),
)
"""The runs with steps that no other has."""

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
def parse(module: str) -> ast.Module:
    """The syntax tree of a file, read once."""
    return ast.parse((ROOT / module).read_text(), filename=module)


def dotted(module: str) -> str:
    """The name by which a file is imported."""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(module: str) -> str:
    """The room of a file: a folder of engine/, one of its own files, or the package training or eval as a whole."""
    package, _, rest = dotted(module).partition(".")
    return rest.partition(".")[0] if package == "engine" and rest else package


def imported(module: str) -> Iterator[str]:
    """Dotted names of everything that a file imports, at whatever depth, for types too."""
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def imported_modules(module: str) -> frozenset[str]:
    """The files of our packages that a file imports."""
    ours = {dotted(path): path for path in CODE}
    return frozenset({ours[name] for name in imported(module) if name in ours} - {module})


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


@pytest.mark.parametrize("module", CODE)
def test_imports_go_down(module: str) -> None:
    others = {other for other in imported_modules(module) if room(other) != room(module)}
    assert {other for other in others if floor(room(other)) >= floor(room(module))} == set()


@pytest.mark.parametrize("name", sorted(set().union(*FLOORS)))
def test_a_room_has_no_circle(name: str) -> None:
    inside = [module for module in CODE if room(module) == name]
    graph = {module: {other for other in imported_modules(module) if room(other) == name} for module in inside}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", CODE)
def test_nothing_private_is_imported(module: str) -> None:
    froms = (node for node in ast.walk(parse(module)) if isinstance(node, ast.ImportFrom) and node.module)
    ours = (node for node in froms if str(node.module).partition(".")[0] in PACKAGES)
    assert [alias.name for node in ours for alias in node.names if alias.name.startswith("_")] == []


@pytest.mark.parametrize("module", [module for module in MODULES if module.endswith("__init__.py")])
def test_a_package_file_holds_a_docstring_and_nothing_else(module: str) -> None:
    assert ast.get_docstring(parse(module)), "it says what the room is for"
    assert len(parse(module).body) == 1, "the source hash does not read what a package file does"


@pytest.mark.parametrize("module", [*MODULES, *SCRIPTS, *TESTS])
def test_eval_is_never_imported_whole(module: str) -> None:
    whole = [
        f"{module}:{node.lineno}"
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == "eval" for alias in node.names)
    ]
    assert whole == [], "`import eval` would hide the built-in function; write `from eval import ...`"


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_a_heavy_library_has_one_home(library: str, home: set[str]) -> None:
    assert {module for module in MODULES if library in {name.partition(".")[0] for name in imported(module)}} == home


def test_ray_is_started_in_one_place() -> None:
    def starts_ray(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) == "ray.init"

    found = {module for module in MODULES if any(map(starts_ray, ast.walk(parse(module))))}
    assert found == {"engine/runtime/cluster.py"}


def test_a_step_is_the_one_public_function_of_its_rooms_step_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"prompt": "x"}')
    about_rows = PromptsConfig(path=str(tmp_path / "x.jsonl"))
    every = [
        *steps(JUDGED),
        *steps(RunConfig(task=TaskConfig(), prompts=about_rows, samples=SamplesConfig())),
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
        *(f"eval.{noun}.step" for noun in ("scores", "chunk_sizes", "learning_curve")),
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


@pytest.mark.parametrize("module", CODE)
def test_every_module_has_its_tests(module: str) -> None:
    mirror = f"{folder_of(module)}/test_{Path(module).stem.strip('_')}.py"
    beside = [test for test in TESTS if Path(test).parent.as_posix() == folder_of(module)]
    assert beside, f"there is no {folder_of(module)}/"
    tested = [test for test in beside if dotted(module) in tried_by(test)]
    assert tested, f"neither {mirror} nor another file beside it imports {dotted(module)}"


def test_tests_lie_where_their_modules_lie() -> None:
    mirrored = {folder_of(module) for module in CODE} | {"tests/support", "tests/support/crash_points", "tests"}
    assert {Path(test).parent.as_posix() for test in TESTS} <= mirrored


@pytest.mark.parametrize("module", [*MODULES, *SCRIPTS])
def test_functions_are_short_and_take_few_parameters(module: str) -> None:
    assert ast.get_docstring(parse(module)), "a module says what comes in, what goes out and why this way"
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(module) if f.end_lineno is not None}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}, "make it two functions"
    wide = {function.name: count_parameters(function) for function in functions(module)}
    assert {name: count for name, count in wide.items() if count > MAX_PARAMETERS} == {}, "make it a config dataclass"


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_are_sentences_of_their_own(module: str) -> None:
    nodes = [n for n in ast.walk(parse(module)) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
    texts = [text for node in nodes if (text := ast.get_docstring(node))]
    first_words = [text.split(maxsplit=1)[0] for text in texts]
    dangling = {"And", "But", "Or", "Likewise", "See", "TODO"}
    assert [word for word in first_words if word.strip(".,:") in dangling] == []


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS, *TESTS])
def test_files_are_short(path: str) -> None:
    assert lines_of(path) <= MAX_FILE_LINES, "make it two files"


@pytest.mark.parametrize("path", YAML)
def test_yaml_files_are_tiny(path: str) -> None:
    assert lines_of(path) <= MAX_YAML_LINES


STEP_MODULES = [
    *sorted({step.function.__module__ for config in (JUDGED, *SWEEPS) for step in steps(config)}),
    *("engine.rows.step", "engine.output.step"),
]


@pytest.mark.parametrize("module", [*STEP_MODULES, "engine.pipeline.steps", "engine.__main__"])
def test_a_step_is_imported_without_heavy_libraries(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({HEAVY} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.split() == [], f"import {module} must cost nothing: a run that skips every step takes seconds"


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
        for name in named.findall((ROOT / text).read_text())
        if not (ROOT / name).exists() and "NAME" not in name
    }
    assert missing == set()
