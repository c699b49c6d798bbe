"""What docs/security.md promises, held: of the code, and of everything that a finished run has left behind."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from engine.runtime.cluster import ClusterConfig
from engine.watch.config import WatchConfig
from tests.support.command_line import CommandLineHere, FinishedRun
from tests.support.corpus import write_corpus
from tests.support.paths import ROOT
from tests.support.planted import SECRETS, files_of, found_in, leaks

PACKAGES = ("engine", "training", "eval", "hydra_plugins")
CODE = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SHIPPED = [
    *CODE,
    ROOT / "install.py",
    *ROOT.glob("pins/*.py"),
    ROOT / "cluster.yaml",
    *ROOT.glob("engine/*/templates/*.jinja"),
]
CODE_IN_DATA = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
"""Modules that run what is written in the data they read."""
RUNS_A_STRING = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "torch.load", "pickle.load"}
NEVER_TRUE = {"trust_remote_code", "allow_pickle", "shell"}
RUNS_CODE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5")
"""Endings of files whose loading can run code."""


# The code


def test_no_code_is_taken_from_data() -> None:
    wrong = [found for file in CODE for found in taken_from_data(ast.parse(file.read_text()), file)]
    assert len(CODE) > 500
    assert wrong == []


def test_code_that_is_taken_from_data_would_be_found() -> None:
    source = "import pickle as p\nfrom dill.x import y\neval('1')\nload(x, allow_pickle=True, shell=False)"
    found = taken_from_data(ast.parse(source), ROOT / "x.py")
    assert found == ["x.py:1: pickle", "x.py:2: dill", "x.py:3: eval", "x.py:4: allow_pickle"]


def taken_from_data(tree: ast.Module, file: Path) -> list[str]:
    """What imports or calls of a file run what is written in data, with their lines."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            rooms = [module.partition(".")[0] for module in modules]
            found += [(node.lineno, room) for room in rooms if room in CODE_IN_DATA]
        if isinstance(node, ast.Call):
            words = [word for word in node.keywords if word.arg in NEVER_TRUE and ast.unparse(word.value) != "False"]
            found += [(node.lineno, str(word.arg)) for word in words]
            found += [(node.lineno, name) for name in [ast.unparse(node.func)] if name in RUNS_A_STRING]
    return [f"{file.relative_to(ROOT)}:{line}: {what}" for line, what in sorted(found)]


def test_templates_are_compiled_in_the_sandbox_or_are_files_of_ours() -> None:
    plain = {
        file.relative_to(ROOT).as_posix()
        for file in CODE
        if re.search(r"jinja2\.Environment\(|jinja2 import .*\bEnvironment\b", file.read_text())
    }
    for name in plain:
        source = (ROOT / name).read_text()
        assert "FileSystemLoader(" in source, f"{name} renders what is not a file of ours"
        assert "from_string" not in source


def test_nothing_that_ships_listens_on_more_than_loopback() -> None:
    listening = re.compile(r"0\.0\.0\.0|\.bind\(")
    assert [str(file) for file in SHIPPED if listening.search(file.read_text())] == []
    assert ClusterConfig().dashboard_host == WatchConfig().metrics_host == "127.0.0.1"


# What a run leaves


def test_planted_secrets_are_in_nothing_that_is_written(finished_run: FinishedRun) -> None:
    everything = list(files_of(finished_run.folder.parent))
    assert len(everything) > 100, "run, store, W&B's files and the logs of Ray are looked at"
    assert any("wandb" in str(file) for file in everything)
    assert leaks(finished_run.folder.parent) == []
    assert [name for name, secret in SECRETS.items() if secret in finished_run.output] == []


def test_the_search_would_find_them(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.log").write_text(f"x {SECRETS['HF_TOKEN']} y")
    pq.write_table(pa.table({"text": [SECRETS["WANDB_API_KEY"]] * 9}), tmp_path / "b.parquet", compression="zstd")
    (tmp_path / "link").symlink_to(tmp_path / "inner")
    assert found_in(tmp_path / "b.parquet") == {"WANDB_API_KEY"}
    assert len(leaks(tmp_path)) >= 2


def test_a_finished_run_holds_no_file_whose_loading_can_run_code(finished_run: FinishedRun) -> None:
    assert [str(file) for file in files_of(finished_run.folder) if file.name.endswith(RUNS_CODE)] == []


HOSTILE = ["../../../outside", "/tmp/outside-of-synthmill", "a/../../outside", "..", "CON", "x\\y", "%2e%2e%2f"]
"""Ids that would be other places, if they were taken for paths."""


def test_names_from_data_are_no_paths(tmp_path: Path, synthmill_here: CommandLineHere) -> None:
    corpus = write_corpus(tmp_path / "corpus", 40)
    rows = [json.loads(line) for line in (corpus / "corpus.jsonl").read_text().splitlines()]
    for row, name in zip(rows, HOSTILE, strict=False):
        row |= {"_id": name, "title": name, "source": name}
    (corpus / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = [{"_id": name, "text": f"a question about {name}"} for name in HOSTILE]
    (corpus / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    judged = [f"{name}\t{rows[20]['_id']}\t1" for name in HOSTILE]
    (corpus / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")
    arguments = ["experiment=adapt", "samples=fake", "collection=corpus", "documents.keep_fields=[source]"]
    done = synthmill_here.run(*arguments, "run_dir=run", "until=examples", "prompts.max_samples=60")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "run", ".run.lock", "runs"}
    assert [path for path in tmp_path.parent.rglob("*") if "outside" in path.name] == []
    assert not Path("/tmp/outside-of-synthmill").exists()
    written = [path.name for path in files_of(tmp_path / "run")]
    assert not any("outside" in name or "%2e" in name or name == "CON" for name in written)
