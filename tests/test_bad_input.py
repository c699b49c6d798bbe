"""Bad input from the command line: one line that says where, what and what to do, exit code 2, and nothing lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.storage import digests
from engine.sweeps.written import replacing
from tests.support.command_line import CommandLine, CommandLineHere, run_here
from tests.support.corpus import write_corpus

BEGUN = "config     reading it\n"
"""What a process says before it has imported anything."""
COMMON = ("experiment=adapt", "samples=fake", "until=prompts", "tracking=off")
FULL = "cluster.min_free_disk_bytes=999999999999999 prompts.seed=7"


@dataclass(frozen=True)
class Case:
    """Overrides after `COMMON collection=good`, and what the one line must hold.

    Attributes:
        name: of the test.
        arguments: overrides, each in the place of an earlier one of its key.
        where: how the line starts.
        said: the value at fault and the remedy.
    """

    name: str
    arguments: str
    where: str
    said: tuple[str, ...]


CASES = (
    # the documents
    Case("no documents", "collection=", "documents.path=''", ("no documents are named", "collection=BEIR_FOLDER")),
    Case("missing collection", "collection=nope", "collection=nope", ("does not exist", "name a folder")),
    Case("missing documents", "documents.path=no/pe", "documents.path=no/pe", ("does not exist", "name a folder")),
    Case("folder of nothing", "collection=nothing", "collection=nothing", ("holds no readable files", "corpus.jsonl")),
    Case("empty corpus", "collection=empty", "collection=empty", ("holds no documents", "empty/corpus.jsonl")),
    Case("empty documents", "collection=blank", "collection=blank", ("none of 2 documents", "2 empty", "text_field")),
    Case(
        "malformed JSON", "collection=broken", "broken/corpus.jsonl:2", ("malformed JSON", "one JSON object per line")
    ),
    Case("duplicate ids", "collection=twice", "twice/corpus.jsonl:3", ("duplicate id 'a'", "twice/corpus.jsonl:1")),
    Case("not UTF-8", "collection=latin", "latin/corpus.jsonl: byte 25", ("0xe9", "iconv")),
    Case("wrong field", "documents.text_field=body", "good/corpus.jsonl:1", ("no field 'body'", "_id, text, title")),
    Case("tiny passages", "documents.max_tokens=3", "documents.max_tokens=3", ("3 is out of range", "16 or more")),
    # the judgements
    Case("unknown query", "collection=asks", "asks/qrels/test.tsv:12", ("unknown query 'q99'", "queries.jsonl")),
    Case("unknown document", "collection=cites", "cites/qrels/test.tsv:12", ("unknown document 'd99'", "remove its")),
    Case("missing split", "report.split=dev until=report", "report.split=dev", ("no judgements", "valid are: test")),
    # the settings
    Case(
        "unknown key", "model.lerning_rate=1", "model.lerning_rate=1", ("no key", "did you mean 'model.learning_rate'")
    ),
    Case("added key", "+model.foo=1", "model.foo", ("no key 'model.foo'", "did you mean 'model.")),
    Case("unknown group", "sampels=fake", "sampels=fake", ("no key or group 'sampels'", "did you mean 'samples'")),
    Case("unknown choice", "samples=fakee", "samples=fakee", ("no samples called 'fakee'", "did you mean 'fake'")),
    Case("unknown experiment", "experiment=adpt", "experiment=adpt", ("'adpt'", "did you mean 'adapt'")),
    Case(
        "wrong type",
        "model.learning_rate=fast",
        "model.learning_rate=fast",
        ("'fast' is not", "give a number"),
    ),
    Case("unknown step", "until=nonsense", "until=nonsense", ("no step is called 'nonsense'", "documents, examples")),
    Case("no samples", "prompts.per_passage=0", "prompts.per_passage", ("0 is too small", "1 or more")),
    Case("negative preview", "preview=-1", "preview=-1", ("-1 is too small", "0 or more")),
    Case("negative seed", "seed=-1", "seed=-1", ("-1 is too small", "0 or more")),
    Case("large seed", "seed=4294967296", "seed=4294967296", ("too large", "up to 4294967295")),
    Case("large seed of a step", "prompts.seed=4294967296", "prompts.seed=4294967296", ("too large", "4294967295")),
    Case("project", "tracking.project=a/b", "tracking.project=a/b", ("W&B allows none of", "leave / out")),
    Case("small store", "cluster.object_store_bytes=1", "cluster.object_store_bytes=1", ("too few", "78643200")),
    Case("large store", "cluster.object_store_bytes=9e18", "cluster.object_store", ("not a whole number", "give a")),
    Case("syntax", "collection=a=b", "collection=a=b", ("does not parse", """'collection="a=b"'""")),
    Case("brackets", "collection=/a[b]/c", "collection=/a[b]/c", ("does not parse", """'collection="/a[b]/c"'""")),
    Case("comma", "collection=a,b", "collection=a,b", ("several values", "-m", """'collection="a,b"'""")),
    Case("no list", "examples.filters.use=[a", "examples.filters.use=[a", ("write a list", """=[a, "b c"]'""")),
    Case("words apart", "collection=good er", "er", ("no override", """quote both: 'collection="good er"'""")),
    Case("negative temperature", "samples.temperature=-1", "samples.temperature=-1.0", ("out of range", "0 or more")),
    Case("negative cores", "cluster.num_cpus=-3", "cluster.num_cpus=-3", ("too small", "0 or more")),
    Case(
        "language",
        "language=klingon",
        "language=klingon",
        ("language as 'klingon'", "known are arabic", "set it to none"),
    ),
    Case("no epochs", "model.epochs=0", "model.epochs=0", ("0 is out of range", "1 or more")),
    Case("unknown filter", "examples.filters.use=[lenght]", "examples.filters.use", ("'lenght'", "'length'")),
    # the models
    Case("missing base", "model.base=/no/such", "model.base=/no/such", ("no such model", "bundled:all-minilm-l6-v2")),
    Case("missing generator", "samples.model=/no/such", "samples.model=/no/such", ("no such model", "bundled:smollm2")),
    Case("no model named", "samples.model=", "samples.model=", ("no model is named", "bundled:smollm2")),
    Case("hub away", "model.base=owner/name", "model.base=owner/name", ("http://127.0.0.1:9", "set model.base to a")),
    Case(
        "reranker that encodes",
        "until=report report.rerankers=[bundled:all-minilm-l6-v2]",
        "report.rerankers=bundled:all-minilm-l6-v2",
        ("is no cross-encoder", "names BertModel", "name the folder of a cross-encoder"),
    ),
    Case(
        "reranker that writes",
        "until=report report.rerankers=[bundled:smollm2-135m-instruct]",
        "report.rerankers=bundled:smollm2",
        ("is a language model", "report.rerank_by=likelihood"),
    ),
    Case(
        "reranker of a hub",
        "until=report report.rerankers=[owner/name]",
        "report.rerankers=owner/name",
        ("http://127.0.0.1:9", "name the folder of a cross-encoder"),
    ),
    # the prompts
    Case("no room", "samples.context_tokens=100", "samples.context_tokens", ("into 100 tokens", "demonstrations.per_")),
    Case("undefined", "task.prompt='{{ passage.body }}'", "task.prompt", ("'body'", "it may use", "passage.text")),
    Case("unfinished template", "task.prompt='{{ passage.text '", "task.prompt", ("does not parse", "mend it")),
    Case(
        "too few judged", "demonstrations.from_qrels=11", "demonstrations.from_qrels=11", ("10 judged", "10 or fewer")
    ),
    Case("missing pool", "demonstrations.path=no.jsonl", "demonstrations.path", ("no.jsonl", "bundled:general")),
    Case("malformed pool", "demonstrations.path=cut.jsonl", "cut.jsonl:2", ("malformed JSON", "one JSON object")),
    Case(
        "unfit pool", "demonstrations.path=old/run.json", "old/run.json:1", ("'document'", "one JSON object per line")
    ),
    Case("pool without query", "demonstrations.path=half.jsonl", "half.jsonl:1", ("'query'", '"document": "..."')),
    # where it goes
    Case("run_dir is a file", "run_dir=cut.jsonl", "run_dir=", ("cut.jsonl: is a file", "name a folder")),
    Case("run_dir below a file", "run_dir=cut.jsonl/x", "run_dir=", ("cut.jsonl is a file", "name a folder")),
    Case(
        "run_dir is foreign", "run_dir=good", "run_dir=", ("/good: holds files that are not of", "new or empty folder")
    ),
    Case("another version", "run_dir=old", "run_dir=", ("/old: was written by another version", "new run_dir")),
    Case("long run_dir", "run_dir=" + "x" * 231, "run_dir=", ("231 bytes", "name has at most 230")),
    Case("long runs_dir", "runs_dir=" + "x" * 256, "x" * 40 + "...", ("longer name than", "at most 255")),
    Case("long path", "collection=" + "x" * 256, "x" * 40 + "...", ("longer name than", "at most 255")),
    Case("runs_dir is a file", "runs_dir=cut.jsonl", "runs_dir=cut.jsonl", ("is a file", "name a folder")),
    Case("full disk", FULL, "", ("/prompts/", "disk is full", "wanted by cluster.min_free", "set runs_dir")),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with inputs of every kind, and `run`, made from the good ones up to its prompts."""
    folder = tmp_path_factory.mktemp("world")
    write_corpus(folder / "good", 12)
    write_lines(folder / "broken", '{"_id": "a", "text": "some words"}', '{"_id": "b", "text": "more words"')
    write_lines(folder / "twice", *(json.dumps({"_id": name, "text": "words " * 9}) for name in "aba"))
    write_lines(folder / "blank", '{"_id": "a", "text": ""}', '{"_id": "b", "text": " "}')
    write_lines(folder / "empty")
    write_lines(folder / "latin").joinpath("corpus.jsonl").write_bytes(b'{"_id": "a", "text": "caf\xe9"}\n')
    (folder / "nothing").mkdir()
    (folder / "old").mkdir()
    (folder / "old" / "run.json").write_text('{"format": 0}')
    for name, line in (("asks", "q99\td1\t1\n"), ("cites", "q1\td99\t1\n")):
        shutil.copytree(folder / "good", folder / name)
        with (folder / name / "qrels" / "test.tsv").open("a") as file:
            file.write(line)
    (folder / "cut.jsonl").write_text('{"document": "a", "query": "b"}\n{"document":\n')
    (folder / "half.jsonl").write_text('{"document": "a"}\n')
    assert run_here(folder, (*COMMON, "collection=good", "run_dir=run")) == 0
    return folder


def write_lines(folder: Path, *lines: str) -> Path:
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def snapshot(folder: Path) -> dict[str, str | bytes]:
    """Entries, link targets and contents of a folder, and of what its links lead to."""
    entries: dict[str, str | bytes] = {}
    for name_of_folder, folders, files in os.walk(folder, followlinks=True):
        here = Path(name_of_folder)
        entries |= {str(here / name): str((here / name).resolve()) for name in folders}
        entries |= {str(here / name): (here / name).read_bytes() for name in files}
    return entries


def one_line(err: str, where: str, said: tuple[str, ...]) -> str:
    """Holds what was written on stderr to be one line that says where, what and what to do."""
    assert err.startswith(f"synthmill: {where}"), err
    assert err.count("\n") == 1, err
    assert err.endswith("\n"), err
    assert "Traceback" not in err
    assert [part for part in said if part not in err] == [], err
    assert len(err) < 1500, "a wall of names helps nobody"
    return err


@pytest.fixture
def typed(
    world: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """The command line in this process, in `world`; the mistakes below end before anything heavy is imported."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    here = CommandLineHere(world, capfd)

    def run(*arguments: str) -> tuple[int, str]:
        done = here.run(*arguments)
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_one_line_and_the_run_stays(
    case: Case, world: Path, typed: Callable[..., tuple[int, str]]
) -> None:
    before = snapshot(world / "run"), snapshot(world / "old")
    overrides = [case.arguments] if case.arguments.startswith("task.") else case.arguments.split()
    for run_dir in ("run", "new/run"):
        code, err = typed(*replacing([*COMMON, "collection=good", f"run_dir={run_dir}"], overrides))
        assert code == 2, err
        one_line(err, case.where, case.said)
    assert (snapshot(world / "run"), snapshot(world / "old")) == before
    assert not (world / "new" / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "where", "said"),
    [
        (("experiment=adapt",), "documents.path=''", ("no documents are named", "set documents.path=")),
        (("adapt",), "command line", ("no command 'adapt'", "synthmill --help")),
        (("trace", "nope", "1"), "nope", ("is no run folder", "name a run that is there: ")),
        (("trace", "good", "1"), "good", ("is no run folder", "name a run that is there: ")),
        (("trace", "run", "1"), "run", ("no finished samples", "run it to its end")),
        (("trace", "run"), "trace", ("1 arguments, 2 wanted", "write: synthmill trace RUN SAMPLE_ID")),
        (("search", "nope", "words"), "nope", ("is no run folder", "name a run that is there: ")),
        (("search", "run", "words"), "run", ("no finished model", "run it to its end")),
        (("-m", "seed=glob(*)"), "seed=glob(*)", ("glob(...) is not supported", "-m seed=VALUE,VALUE")),
        (("-m", "model=glob(*)"), "model=glob(*)", ("glob(...) is not supported", "-m model=adapter,bi_encoder")),
        (("-m", "seed=interval(0,1)"), "seed=interval(0,1)", ("not supported", "seed=range(1,4)")),
        (("-m", "seed=range(1,1)"), "seed=range(1,1)", ("over no value", "name the values")),
        (("-m", "seed=1,x"), "seed=x", ("is not a whole number",)),
        (("-m", "samples=fake,smollm3"), "samples=smollm3", ("did you mean", "smollm2")),
        (("-m", "model.learning_rate=1e-5,abc"), "model.learning_rate=abc", ("is not a number",)),
        (
            ("model=bi_encoder", "model=cross_encoder"),
            "model=cross_encoder",
            ("twice, first as model=bi_encoder", "-m"),
        ),
        (("experiment=adapt", "seed=1", "seed=2"), "seed=2", ("first as seed=1", "run both: synthmill -m seed=1,2")),
        (("launch", "cluster=ray", "cluster=slurm"), "cluster=slurm", ("first as cluster=ray", "leave one of them")),
        (("experiment=adapt", "--preview=3"), "--preview=3", ("no flag --preview", "write preview=3")),
        (("status", "x" * 256), "x" * 40 + "...", ("longer name than", "at most 255")),
        (("-m", "seed=1,2", "er"), "er", ("no override", "write key=value")),
        (("clean", "nope"), "nope", ("no store of step outputs", "folder that holds your runs")),
        (("clean", "--yess"), "clean", ("no option '--yess'", "write: synthmill clean [RUNS_DIR] [--yes]")),
        (("clean", "runs", "other"), "clean", ("2 arguments, 1 wanted", "write: synthmill clean")),
        (("clean", "--forget"), "clean --forget", ("names no run", "[--forget RUN]")),
    ],
)
def test_a_wrong_command_is_one_line(
    arguments: tuple[str, ...], where: str, said: tuple[str, ...], world: Path, typed: Callable[..., tuple[int, str]]
) -> None:
    before = snapshot(world / "run")
    code, err = typed(*arguments)
    assert code == 2, err
    one_line(err, where, said)
    assert snapshot(world / "run") == before


def test_a_process_exits_with_2_and_says_nothing_else(world: Path) -> None:
    before = snapshot(world / "run")
    refused = CommandLine(world).run(*COMMON[:-1], "run_dir=run", "collection=broken", "tracking=offline")
    assert (refused.returncode, refused.stdout) == (2, BEGUN)
    one_line(refused.stderr, "broken/corpus.jsonl:2", ("malformed JSON (Expecting ',' delimiter at column 34)",))
    assert snapshot(world / "run") == before


@pytest.mark.parametrize(
    ("override", "where", "said"),
    [
        ("tracking=online", "tracking=online", ("no login", "`wandb login`", "tracking=offline")),
        ("cluster.address=127.0.0.1:9", "cluster.address=127.0.0.1:9", ("refused", "`ray start --head`", "=local")),
    ],
)
def test_what_is_not_there_is_refused(
    override: str, where: str, said: tuple[str, ...], world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(world / "nobody"))
    for name in ("WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNTHMILL_CACHE", str(digests.CACHE))
    before = snapshot(world / "run")
    arguments = replacing([*COMMON, "run_dir=run", "collection=good"], ["until=samples", override])
    refused = CommandLine(world).run(*arguments)
    assert refused.returncode == 2, refused.stderr
    one_line(refused.stderr, where, said)
    assert snapshot(world / "run") == before


def test_a_home_that_cannot_be_written_is_refused_first(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nobody")
    monkeypatch.delenv("SYNTHMILL_CACHE", raising=False)
    before = snapshot(world / "run")
    refused = CommandLine(world).run(*COMMON, "run_dir=run", "collection=good")
    assert (refused.returncode, refused.stdout) == (2, BEGUN)
    one_line(refused.stderr, "SYNTHMILL_CACHE=/proc/nobody/.cache/synthmill", ("cannot be made", "may write"))
    assert snapshot(world / "run") == before


def test_one_bad_document_is_a_failed_row(synthmill_here: CommandLineHere) -> None:
    synthmill = synthmill_here
    folder = write_corpus(synthmill.folder / "corpus", 12)
    words = " ".join(f"word{number}" for number in range(3000))
    bad = {"empty": "", "binary": "\x00\x01\x02\x03 \x04" * 40, "long": f"{words}. " * 2, "letters": "x" * 200_000}
    with (folder / "corpus.jsonl").open("a") as file:
        file.writelines(json.dumps({"_id": name, "title": "", "text": text}) + "\n" for name, text in bad.items())
    done = synthmill.run(*COMMON, "collection=corpus", "run_dir=run")
    assert done.returncode == 0, done.stderr
    assert "1 control characters, 1 empty of 16 documents" in done.stdout
    failed = pq.read_table(synthmill.folder / "run" / "documents" / "failed.parquet").to_pylist()
    assert {row["document_id"]: row["reason"] for row in failed} == {"empty": "empty", "binary": "control characters"}
    passages = pq.read_table(synthmill.folder / "run" / "documents" / "passages.parquet")
    chunks = [row for row in passages.to_pylist() if row["document_id"] == "long"]
    assert len(chunks) > 10
    assert max(passages["num_tokens"].to_pylist()) <= 512
    planned = pq.read_table(synthmill.folder / "run" / "prompts" / "plan-00000.parquet")
    assert set(planned["passage_id"].to_pylist()) == set(passages["passage_id"].to_pylist())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no `mount`")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no small file system can be mounted: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_and_is_freed(synthmill_here: CommandLineHere, small_disk: Path) -> None:
    synthmill = synthmill_here
    draw = random.Random(0)
    rows = ({"_id": f"d{n}", "text": " ".join(f"{draw.getrandbits(32):08x}" for _ in range(60))} for n in range(300))
    write_lines(synthmill.folder / "corpus", *map(json.dumps, rows))
    arguments = (*COMMON, "collection=corpus", "runs_dir=disk/runs", "cluster.min_free_disk_bytes=0")
    refused = synthmill.run(*arguments)
    assert refused.returncode == 2, refused.stderr
    one_line(
        refused.stderr, f"{small_disk}/runs/store/documents/", ("the disk is full", "free some space", "continues")
    )
    assert not (small_disk / "runs" / "adapt-corpus").exists()
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    again = synthmill.run(*arguments)
    assert again.returncode == 0, again.stderr
    assert (small_disk / "runs" / "adapt-corpus" / "prompts" / "_DONE").exists()


@pytest.mark.slow
def test_nothing_kept_names_the_settings_and_keeps_what_came_before(
    world: Path, synthmill_here: CommandLineHere
) -> None:
    line = replace(synthmill_here, folder=world)
    common = replacing([*COMMON, "collection=good", "run_dir=lost"], ["until=model"])
    arguments = (*common, "examples.filters.min_words=50")
    refused = line.run(*arguments)
    assert refused.returncode == 2, refused.stderr
    one_line(
        refused.stderr,
        "examples",
        ("none of 36 generated samples is kept", "length 36", "change examples.filters.min_words"),
    )
    for noun in ("documents", "prompts", "samples"):
        assert (world / "lost" / noun / "_DONE").exists()
    assert not (world / "lost" / "examples").exists()
    before = snapshot(world / "lost" / "samples")
    again = line.run(*replacing(common, ["until=samples"]))
    assert again.returncode == 0, again.stderr
    assert "samples    unchanged: 36 planned" in again.stdout
    assert snapshot(world / "lost" / "samples") == before
    for number in ("36", "-1", "x"):
        traced = line.run("trace", "lost", number)
        assert traced.returncode == 2
        one_line(traced.stderr, "trace lost", (f"no sample {number}", "name one from 0 to 35"))
