"""What the person at the terminal sees, on a terminal and in a log."""

import io
import re
import threading
import time

import pytest
from rich.console import Console as RichConsole
from rich.table import Table

from engine.runtime.activity import Count
from engine.runtime.console import Console, Progress


def log(quiet_seconds: float = 0.0) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(RichConsole(file=file, width=100), quiet_seconds), file


def test_steps_and_warnings_are_lines() -> None:
    console, file = log()
    console.step("documents", "12 passages from [bold]a[/bold]\\")
    console.warn("the corpus is [link]odd")
    assert file.getvalue() == "documents  12 passages from [bold]a[/bold]\\\nwarning    the corpus is [link]odd\n"


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


def drawn(unit: str, total: int, columns: int, rate: float) -> list[str]:
    """The lines that a terminal of so many columns is given for a bar in its middle."""
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=columns, force_terminal=True, legacy_windows=False))
    with console.progress("encoding", total, unit) as bar:
        bar.count = lambda: Count("encoding", unit, total // 2, total, rate, 1.0)  # type: ignore[method-assign]
        bar.reach(total // 2)
        assert bar._live
        bar._live.refresh()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
@pytest.mark.parametrize(
    ("unit", "total", "rate"),
    [
        ("passages by the tuned model", 8_841_823, 1234.5),
        ("passages by the tuned model", 8_841_823, 123.4),
        ("passages by sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", 200_000, 50.2),
        ("stored queries by the base model", 100_000, 0.2),
        ("samples", 16, 0.01),
    ],
)
def test_a_bar_fits_the_terminal_with_its_noun_and_the_time_left(
    unit: str, total: int, rate: float, columns: int
) -> None:
    lines = drawn(unit, total, columns, rate)
    for line in lines:
        assert len(line) <= columns
        assert line.startswith("encoding   "), "the noun is whole, and nothing is wrapped below it"
    assert re.search(rf" {total // 2}/{total} .*(/s|each), .* left *$", lines[-1]), lines[-1]
    if columns == 140 or (columns >= 80 and len(unit) < 10):
        assert unit[:40] in lines[-1]
    if columns == 80 and total == 8_841_823:
        assert "passages by the t" in lines[-1], "which model can be told"


def test_a_long_name_that_is_waited_for_leaves_its_clock_on_the_line() -> None:
    file = io.StringIO()
    console = Console(RichConsole(file=file, width=80, force_terminal=True, legacy_windows=False))
    with console.waiting("encoding", f"loading {'a-long-name/' * 8}"):
        time.sleep(0.2)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    lines = [line for line in re.split(r"[\r\n]+", plain) if line.strip()]
    assert lines
    assert all(re.fullmatch(r"encoding   loading a-long-name/.*…, [\d.]+ s so far", line) for line in lines)
    assert all(len(line) == 80 for line in lines)
