"""`synthmill judge`: its options, and what reading marks says and refuses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from engine.command_line.judge import Options, _warn_of_few, find_queries, read_judgements, read_options
from engine.command_line.main import main
from engine.errors import UserError
from engine.runtime.console import Console
from engine.storage.files import write_json
from engine.storage.run_folders import begin_run
from engine.text.words import words
from eval.judging.folder import PoolFolder, write_pool_folder
from eval.retrieval.benchmark import load_benchmark
from tests.support.pools import small_pool, write_marks
from tests.support.small_run import small_report

POOL = small_pool()


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["RUN"], Options("RUN")),
        (["RUN", "--queries", "20", "--depth=5"], Options("RUN", queries=20, depth=5)),
        (["queries.path=log.txt", "RUN"], Options("RUN", log="log.txt")),
        (["RUN", "--read", "a.csv", "b=2.csv"], Options("RUN", read=("a.csv", "b=2.csv"))),
        (["--read=a.csv", "RUN", "--read", "b.csv"], Options("RUN", read=("a.csv", "b.csv"))),
    ],
)
def test_options(arguments: list[str], options: Options) -> None:
    assert read_options(arguments, "usage") == options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "judge: 0 runs, 1 wanted; write: usage"),
        (["RUN", "RUN2"], "judge: 2 runs, 1 wanted"),
        (["RUN", "--depht", "3"], "judge: there is no option '--depht'"),
        (["RUN", "query.path=log"], "judge: there is no option 'query.path=log'"),
        (["RUN", "queries.path="], "judge queries.path: names no file"),
        (["RUN", "--queries", "none"], "judge --queries: 'none' is no such number; set it to 1 to 10,000"),
        (["RUN", "--depth", "101"], "judge --depth: '101' is no such number; set it to 1 to 100"),
        (["RUN", "--depth"], "judge --depth: '' is no such number"),
        (["RUN", "--read"], "judge --read: names no file"),
        (["RUN", "--read", "a.csv", "--depth", "3"], "judge --read: goes with neither"),
    ],
)
def test_what_is_no_option_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        read_options(arguments, "usage")
    assert str(error.value).startswith(said)


@pytest.fixture
def folder(tmp_path: Path) -> PoolFolder:
    """The folder of a pool in a run."""
    run = tmp_path / "run"
    begin_run(run, "")
    for noun in ("documents", "prompts", "examples", "model", "report"):
        (run / noun).mkdir()
        (run / noun / "_DONE").touch()
    return write_pool_folder(run, POOL, "run", words)


def said_on_reading(run: Path, *files: Path) -> str:
    """What the terminal shows."""
    text = io.StringIO()
    read_judgements(run, files, Console(RichConsole(file=text, width=200)))
    return text.getvalue()


def test_fewer_queries_than_were_asked_for_are_warned_of_and_fewer_than_the_default_are_not() -> None:
    for options, said in ((Options("RUN"), ""), (Options("RUN", queries=50), "fewer than --queries 50")):
        text = io.StringIO()
        _warn_of_few(11, options, Console(RichConsole(file=text, width=200)))
        assert said in text.getvalue()
        assert bool(text.getvalue()) == bool(said)
    assert Options("RUN").most == 50


def test_queries_of_a_log_that_count_for_none_are_told(tmp_path: Path) -> None:
    log, text = tmp_path / "log.txt", io.StringIO()
    log.write_text("where is the key\nlost luggage\nWhere is the KEY?\n")
    run, (report, _) = tmp_path / "run", small_report(tmp_path / "small")
    (run / "report").mkdir(parents=True)
    write_json(run / "report" / "report.json", report.as_json())
    drawn = find_queries(run, Options(str(run), log=str(log)), 0, Console(RichConsole(file=text, width=200)))
    assert len(drawn) == 2
    assert text.getvalue() == "log        3 queries, of which 1 repeats the words of another\n"


def test_marks_of_a_part_become_a_benchmark(folder: PoolFolder, tmp_path: Path) -> None:
    file = write_marks(tmp_path / "marks.csv", POOL, {("q1", "bread#2"): 2, ("q3", "salt"): 0})
    said = said_on_reading(tmp_path / "run", file)
    total = len(POOL.results)
    assert f"2 of {total} results: 1 of grade 0, 0 of grade 1, 1 of grade 2; the other {total - 2} are unjudged" in said
    assert "1 of 3 have a relevant result" in said
    assert "1 marked query has no relevant result, so that figures do without" in said
    assert "1 of these is marked in part" in said
    assert f"report.benchmark={folder.judged} to the command of the run" in said
    assert "unless run_dir=ANOTHER_FOLDER is added too" in said, "the first report is not lost without a word"
    benchmark = load_benchmark(str(folder.judged), "test")
    assert benchmark is not None
    assert benchmark.qrels == {"q1": {"bread": 2}}


def test_two_people_are_compared_and_the_larger_grade_counts(folder: PoolFolder, tmp_path: Path) -> None:
    ann = write_marks(tmp_path / "ann.csv", POOL, dict.fromkeys(POOL.by_pair, 0) | {("q2", "milk"): 2})
    ben = write_marks(tmp_path / "ben.csv", POOL, dict.fromkeys(POOL.by_pair, 0) | {("q2", "milk"): 1})
    said = said_on_reading(tmp_path / "run", ann, ben)
    assert "ann.csv and ben.csv: Cohen's kappa 0." in said
    assert f"2 (ann.csv), 1 (ben.csv): '{POOL.queries['q2']}' and milk" in said
    assert f"1 results, all in {folder.disagreements}" in said
    benchmark = load_benchmark(str(folder.judged), "test")
    assert benchmark is not None
    assert benchmark.qrels["q2"]["milk"] == 2


def test_tables_of_two_pools_are_not_read_together(folder: PoolFolder, tmp_path: Path) -> None:
    file = write_marks(tmp_path / "marks.csv", POOL, {("q2", "milk"): 2})
    other = write_marks(tmp_path / "other.csv", small_pool(seed=1), {("q2", "milk"): 2})
    with pytest.raises(UserError, match="read the tables of one pool together"):
        said_on_reading(tmp_path / "run", file, other)


def test_a_table_of_another_run_is_one_line_and_exit_2(
    folder: PoolFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_marks(tmp_path / "other.csv", small_pool(seed=1), {("q2", "milk"): 2})
    assert main(["judge", str(tmp_path / "run"), "--read", str(other)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"which {tmp_path / 'run'} did not make" in err
    assert not folder.judged.exists()
