"""What the person at the terminal sees, on a terminal and in a log."""

import io
import re
import threading
import time
from types import SimpleNamespace

import pytest
from rich.console import Console as RichConsole
from rich.table import Table

from engine.runtime.console import Console, Progress


def log(quiet_seconds: float = 0.0) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(RichConsole(file=file, width=100), quiet_seconds), file


def test_steps_and_warnings_are_lines() -> None:
    console, file = log()
    console.step("documents", "12 passages from [bold]a[/bold]\\")
    console.warn("the corpus is [link]odd")
    assert file.getvalue() == "documents  12 passages from [bold]a[/bold]\\\nwarning    the corpus is [link]odd\n"


def test_no_line_shows_the_login_of_a_url() -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=100), quiet_seconds=0.001)
    console.step("run", "https:/me:planted@host/runs/demo: goes on")
    console.warn("http://me:planted@proxy:3128 does not answer")
    with console.waiting("model", "fetching https://me:planted@host/base"):
        waits = console.activity.moment().waits
        deadline = time.monotonic() + 30
        while "fetching" not in file.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "planted" not in file.getvalue() + console.activity.moment().line + waits[0].text
    assert file.getvalue().count("***@") >= 3
    assert "https:/***@host/runs/demo: goes on" in file.getvalue()


def test_a_long_line_stays_one_line() -> None:
    console, file = log()
    console.step("documents", "word " * 100)
    console.warn("word " * 100)
    assert len(file.getvalue().splitlines()) == 2


def test_shows_tables_and_markup() -> None:
    console, file = log()
    table = Table("system", "nDCG@10", box=None, title="one question")
    table.add_row("base", "")
    console.show(table)
    console.show("[bold]done[/bold]")
    lines = file.getvalue().splitlines()
    assert lines[-1] == "done"
    assert any("base" in line for line in lines)
    assert lines == [line.rstrip() for line in lines], "blanks at the end of a line"
    assert file.getvalue().endswith("\ndone\n")


def test_what_is_to_be_copied_is_printed_as_it_is() -> None:
    console, file = log()
    lines = f'model = Load("/[b]home[/b]/:smile:/{"word " * 40}")\nvectors = model.encode(["a", "b"])'
    console.verbatim(lines)
    assert file.getvalue() == f"{lines}\n"
    coloured = io.StringIO()
    Console(RichConsole(file=coloured, width=20, force_terminal=True, highlight=True)).verbatim(lines)
    assert coloured.getvalue() == f"{lines}\n"


def test_a_log_gets_lines_with_rate_and_time_left_once_they_are_known() -> None:
    console, file = log()
    with console.progress("samples", 1000, "samples") as bar:
        bar.start_at(500)
        for _ in range(4):
            time.sleep(0.26)
            bar.advance(100)
    lines = file.getvalue().splitlines()
    for line in lines[:3]:
        assert re.fullmatch(r"samples +\d+/1,000 samples(, \d\.\d s so far)?", line), line
    found = re.fullmatch(r"samples +900/1,000 samples, ([\d.]+)/s, (\d+\.\d) s left", lines[3])
    assert found, lines
    assert 0 < float(found[1]) <= 300 / 0.78, "the 500 of an earlier attempt are not counted"
    assert float(found[2]) == pytest.approx(100 / float(found[1]), abs=0.06)


def test_a_log_is_not_flooded() -> None:
    console, file = log(quiet_seconds=60.0)
    with console.progress("samples", 10_000, "samples") as bar:
        for done in range(10_000):
            bar.reach(done)
    assert file.getvalue() == ""


def test_a_line_that_says_nothing_new_is_left_out() -> None:
    console, file = log()
    with console.progress("samples", 16, "samples") as bar:
        for _ in range(3):
            bar.reach(0)
        bar.reach(16)
    assert [line.partition(",")[0] for line in file.getvalue().splitlines()] == [
        "samples    0/16 samples",
        "samples    16/16 samples",
    ]


def test_nothing_done_has_no_time_left() -> None:
    console, file = log()
    with console.progress("model", 10, "steps") as bar:
        bar.reach(0)
        assert bar.count().seconds_left is None
    assert file.getvalue() == "model      0/10 steps\n"


def test_a_terminal_gets_a_live_bar_that_leaves_no_trace() -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=100, force_terminal=True, legacy_windows=False))
    with console.progress("samples", 200, "samples") as bar:
        bar.start_at(50)
        for _ in range(5):
            bar.advance(25)
            time.sleep(0.3)
        bar.reach(200)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert re.search(r"75/200 samples, 0\.\d s so far", plain), "the first moves tell nothing"
    assert re.search(r"175/200 samples, [\d.]+/s, [\d.]+ s left", plain)
    assert "samples" in plain
    assert "200/200" in plain
    assert file.getvalue().rstrip("\n").endswith("\x1b[2K"), "the bar's line is cleared at the end"


def test_how_long_a_phase_has_taken_never_becomes_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar of training begins before its workers, whose first step says where they begin to count."""
    now = [100.0]
    monkeypatch.setattr("engine.runtime.console.time", SimpleNamespace(monotonic=lambda: now[0]))
    bar = Progress(log(60.0)[0], "model", 15, "steps")
    now[0] = 176.0
    assert bar.count().seconds == 76.0
    bar.start_at(1)
    bar.reach(1)
    now[0] = 191.0
    assert (bar.count().done, bar.count().seconds) == (1, 91.0)


def test_a_steady_bar_is_drawn_when_it_counts_and_at_no_other_time() -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=100, force_terminal=True, legacy_windows=False))
    with console.progress("report", 40, "timed searches", steady=True) as bar:
        before = file.getvalue()
        time.sleep(0.4)
        assert file.getvalue() == before, "a thread draws ten times a second"
        bar.advance(10)
        time.sleep(0.4)
        bar.advance(10)
    assert any("20/40" in line for line in drawn(file))


def test_counts_from_many_threads() -> None:
    bar = Progress(log(60.0)[0], "samples", 40_000, "samples")
    threads = [threading.Thread(target=lambda: [bar.advance() for _ in range(10_000)]) for _ in range(4)]
    with bar.running():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert bar._done == 40_000


def test_a_wait_tells_how_long_it_has_taken() -> None:
    console, file = log(quiet_seconds=0.05)
    with console.waiting("samples", "loading a [model] {x}"):
        time.sleep(0.2)
    lines = file.getvalue().splitlines()
    assert lines
    assert all(re.fullmatch(r"samples    loading a \[model\] \{x\}, [\d.]+ s so far", line) for line in lines)
    quiet, nothing = log(quiet_seconds=60.0)
    with quiet.waiting("samples", "loading"):
        pass
    assert nothing.getvalue() == "", "a short wait is not worth a line"


def test_many_short_phases_in_a_row_are_told_as_one_long_phase_is(monkeypatch: pytest.MonkeyPatch) -> None:
    console, file = log(quiet_seconds=15.0)
    began = time.monotonic()
    now = [began]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    console.step("report", "choosing how to search")
    told = []
    for phase in range(12):
        with console.progress("report", 5, f"parts of phase {phase}") as bar:
            for _ in range(5):
                now[0] += 2.0
                before = file.tell()
                bar.advance()
                if file.tell() > before:
                    told.append(now[0] - began)
    assert told == [16, 32, 48, 64, 80, 96, 112], "each phase is shorter than what is quiet"
    assert file.getvalue().splitlines()[1] == "report     3/5 parts of phase 1, 6.0 s so far"


def test_a_wait_after_silence_is_told_at_once() -> None:
    console, file = log(quiet_seconds=0.3)
    for _ in range(3):
        with console.waiting("report", "loading"):
            time.sleep(0.2)
    assert "report     loading, " in file.getvalue(), "none of the waits is as long as what is quiet"


def test_a_terminal_shows_the_clock_of_a_wait_and_of_a_bar_that_stands() -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=100, force_terminal=True, legacy_windows=False))
    with console.waiting("samples", "loading a [model] {x}"):
        time.sleep(0.3)
    with console.progress("samples", 200, "samples"):
        time.sleep(0.3)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert re.search(r"loading a \[model\] \{x\}, [\d.]+ s so far", plain)
    assert re.search(r"0/200 samples, [\d.]+ s so far", plain)


def drawn(file: io.StringIO) -> list[str]:
    """All that a live terminal showed, line by line, however often it was drawn again."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    return [line.rstrip() for line in re.split("[\r\n]", plain) if line.strip()]


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        ("passages (tuned)", r"passages \(tuned\)"),
        ("passages (sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2)", r"passages \(\S*…"),
    ],
)
def test_80_columns_hold_noun_count_and_time_left_however_long_a_name_is(unit: str, shown: str) -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=80, force_terminal=True, legacy_windows=False))
    with console.progress("encoding", 8_841_823, unit) as bar:
        for _ in range(5):
            bar.advance(150_000)
            time.sleep(0.26)
    lines = drawn(file)
    assert all(line.startswith("encoding   ") and len(line) <= 80 for line in lines), lines
    told = re.compile(rf"encoding   \S{{8}} +\d+/8841823 {shown}, [\d.]+/s, [\d.]+ s left")
    assert any(map(told.fullmatch, lines)), lines


def test_80_columns_hold_the_clock_of_a_wait_for_a_long_name() -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=80, force_terminal=True, legacy_windows=False))
    with console.waiting("encoding", f"loading a [model]/{'long-' * 20}"):
        time.sleep(0.2)
    lines = drawn(file)
    assert lines
    assert all(re.fullmatch(r"encoding   loading a \[model\]/\S+…, [\d.]+ s so far", line) for line in lines), lines
    assert {len(line) for line in lines} == {80}


def test_a_name_gives_way_where_there_is_no_room_and_the_time_does_not() -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=40, force_terminal=True, legacy_windows=False))
    with console.progress("encoding", 8_841_823, "passages"):
        time.sleep(0.2)
    assert all(line.startswith("encoding   ") for line in drawn(file))


def test_a_wait_ends_when_counting_begins_and_the_unit_says_of_what() -> None:
    console, file = log()
    with console.waiting_until_counted("encoding", "loading a model", "tuned") as counting:
        assert [wait.text for wait in console.activity.moment().waits] == ["loading a model"]
        with counting.progress("encoding", 8, "passages") as bar:
            bar.advance(4)
            moment = console.activity.moment()
            assert (moment.waits, moment.counts[0].unit) == ([], "passages (tuned)")
        counting.step("encoding", "done")
    assert file.getvalue().splitlines()[-2:] == ["encoding   4/8 passages (tuned)", "encoding   done"]
    assert console.activity.moment().line == "encoding: done", "the activity is one"
    with console.waiting_until_counted("encoding", "loading a model", "tuned"):
        pass
    assert console.activity.moment().waits == [], "nothing had to be counted"


def test_lines_of_a_noun_end_in_what_they_are_of() -> None:
    console, file = log()
    named = console.naming("encoding", "base")
    for noun in ("encoding", "examples"):
        named.step(noun, "on the CPU")
        with named.progress(noun, 8, "passages") as bar:
            bar.advance(4)
            assert console.activity.moment().counts[0].noun == noun, "the activity is one"
    assert [line.split(maxsplit=1)[1] for line in file.getvalue().splitlines()] == [
        "on the CPU (base)",
        "4/8 passages (base)",
        "on the CPU",
        "4/8 passages",
    ]
