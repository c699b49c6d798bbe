"""`synthmill search` and `synthmill judge` on a finished run, from vectors that the report left in the cache."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from engine.command_line.main import USAGE, main
from engine.command_line.search import SearchOptions, read_options, search_run
from engine.errors import UserError
from engine.handover.config import SystemConfig
from engine.handover.step import hand_over
from engine.runtime.console import Console as RunConsole
from engine.storage.run_folders import begin_run, link
from engine.storage.store import finish
from eval.judging.folder import PoolFolder
from eval.retrieval.benchmark import load_benchmark
from eval.retrieval.corpus import read_corpus
from tests.support.pools import write_marks
from tests.support.small_run import finished_run, place_in, step_record


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a report, its models the bundled one and a disturbed copy."""
    return finished_run(tmp_path_factory.mktemp("run"))


def test_both_models_answer_from_cached_vectors(run_dir: Path) -> None:
    cache = run_dir.parent / "store" / "embeddings"
    written = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    console = Console(width=120)
    with console.capture() as capture:
        console.print(search_run(SearchOptions(run_dir, "how do I keep [fruit] fresh?", k=3)))
    text = capture.get()
    assert "how do I keep [fruit] fresh?" in text
    assert text.count("apples") >= 2
    assert "(the one to use)" in text
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == written


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that tells of a wait after 10 ms in place of 15 s."""
    monkeypatch.setattr("engine.command_line.commands.Console", lambda rich: RunConsole(rich, quiet_seconds=0.01))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("command", [["search", "a question"], ["judge"]])
def test_what_is_being_loaded_is_told_on_stderr_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    run = finished_run(tmp_path)
    begin_run(run, "")
    assert main([command[0], str(run), *command[1:]]) == 0
    told = capfd.readouterr()
    for model in ("base", "tuned"):
        assert f"encoding   loading the {model} model, " in told.err
    assert "loading" not in told.out
    assert "so far" not in told.out


def test_a_run_with_a_system_searches_with_it_and_says_why(run_dir: Path) -> None:
    begin_run(run_dir, "")
    inputs = {noun: (run_dir / noun).resolve() for noun in ("documents", "model", "report")}
    output = run_dir.parent / "store" / "system" / "00000000000000aa"
    output.mkdir(parents=True)
    record = hand_over(SystemConfig(model="tuned", weight=0.5), inputs, output, place_in(run_dir.parent))
    finish(output, step_record("system", output, record))
    link(run_dir, "system", output)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(search_run(SearchOptions(run_dir, "how do I keep [fruit] fresh?", k=3)))
    text = capture.get()
    with_fields(run_dir / "documents" / "passages.parquet")
    with console.capture() as capture:
        console.print(search_run(SearchOptions(run_dir, "fruit", ("source=even",), ("date=newest",), k=30)))
    narrow = capture.get()
    with pytest.raises(
        UserError, match=r"where\.sauce=even: no field 'sauce' was kept; there are source \(text\), date"
    ):
        search_run(SearchOptions(run_dir, "fruit", ("sauce=even",)))
    (output / "offsets.npy").rename(output / "rows.npz")  # as an earlier version left it, in another order
    with pytest.raises(UserError, match="was made by an earlier version; give the command that made the run once more"):
        search_run(SearchOptions(run_dir, "fruit"))
    (run_dir / "system").unlink()
    with pytest.raises(UserError, match="has no system that could filter; run it to its end"):
        search_run(SearchOptions(run_dir, "fruit", ("source=even",)))
    assert "where.source=even: 12 of 24 passages; boost.date=newest" in " ".join(narrow.split())
    assert "boosted by 0.5" in narrow
    assert "how do I keep [fruit] fresh?" in text
    assert text.count("before tuning (base): #") == 3
    assert "meaning (tuned)" in text
    assert "tuned + words, weight of words 0.50" in text


def with_fields(file: Path) -> None:
    """Gives the passages of a finished run a source and a date each."""
    table = pq.read_table(file)
    rows = range(len(table))
    columns = {
        "field_source": pa.array(["odd" if row % 2 else "even" for row in rows]),
        "field_date": pa.array([date(2024, 1, 1) + timedelta(row) for row in rows]),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    pq.write_table(table, file)


def test_what_is_asked_for_is_read_from_the_command_line() -> None:
    written = [
        "runs/x",
        "a question",
        "where.source=manual|faq",
        "where.date=>=2024-01-01",
        "boost.date=newest",
        "k=10",
    ]
    assert read_options(written, "usage") == SearchOptions(
        Path("runs/x"), "a question", ("source=manual|faq", "date=>=2024-01-01"), ("date=newest",), 10
    )
    assert read_options(written[:2], "usage") == SearchOptions(Path("runs/x"), "a question")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs/x"], "search: 1 arguments, 2 or more wanted; write: synthmill search RUN"),
        (["runs/x", "  "], "search: the question is empty"),
        (
            ["runs/x", "a", "source=manual"],
            "source=manual: asks for nothing that a search has; write where.FIELD=VALUE",
        ),
        (["runs/x", "a", "where.=b"], "where.=b: asks for nothing"),
        (["runs/x", "a", "where."], "where.: asks for nothing"),
        (["runs/x", "a", "k=0"], "k=0: asks for nothing"),
        (["runs/x", "what", "is", "this"], "is: asks for nothing"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_options(arguments, USAGE["search"])
    assert str(caught.value).startswith(said)


def test_every_system_takes_part_in_a_pool_of_held_out_queries(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_run(run_dir, "")
    assert main(["judge", str(run_dir), "--queries", "3", "--depth", "2"]) == 0
    [path] = (run_dir / "judging").iterdir()
    pool, said = PoolFolder(path).pool(), capsys.readouterr().out
    assert f"3 queries, {len(pool.results)} results: 2 each of base, bm25, tuned" in said
    assert str(path / "judge.html") in said
    sources = json.loads((run_dir / "report" / "report.json").read_text())["held_out"]["clusters"]
    assert sources >= 3
    for query_id in pool.queries:
        documents = [result.document_id for result in pool.results_of(query_id)]
        assert 2 <= len(set(documents)) <= 6, "two documents of each of three systems, some of them the same"
    marked = write_marks(tmp_path / "marks.csv", pool, dict.fromkeys(pool.by_pair, 1))
    assert main(["judge", str(run_dir), "--read", str(marked)]) == 0
    benchmark = load_benchmark(str(path / "judged"), "test")
    assert benchmark is not None
    assert benchmark.queries == dict(sorted(pool.queries.items()))
    assert benchmark.missing_documents(read_corpus(run_dir / "documents").document_ids) == 0


def test_queries_of_a_log_are_pooled_in_a_folder_of_their_own(run_dir: Path, tmp_path: Path) -> None:
    begin_run(run_dir, "")
    (tmp_path / "log.txt").write_text("how do I keep fruit fresh\nHow do I keep fruit fresh?\n")
    assert main(["judge", str(run_dir), f"queries.path={tmp_path / 'log.txt'}"]) == 0
    pools = [PoolFolder(path).pool() for path in (run_dir / "judging").iterdir()]
    assert ["How do I keep fruit fresh?"] in [list(pool.queries.values()) for pool in pools]
