"""`synthmill judge RUN`: a page of pooled results to mark, and a test set of the marks.

In: a finished run and what was typed. Out: the folder RUN/judging/POOL, and lines on the terminal. Nothing of the run
itself is changed. What is being loaded is told on stderr.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.command_line.twice import refuse_twice
from engine.errors import UserError
from engine.runtime.console import Console
from engine.storage.run_folders import require

if TYPE_CHECKING:
    from engine.search.analyser import Analyser
    from eval.config import ReportConfig
    from eval.judging.agreement import Disagreement
    from eval.judging.judged import MarkedShare
    from eval.judging.pool import Pool
    from eval.judging.sheet import Marks

MOST_DEEP = 100
"""The largest depth: nobody marks more."""
DEFAULT_QUERIES = 50
"""Most queries to judge, unless it is said how many."""
CONSIDERED = 10_000
"""Held-out queries to draw from; as many as the report measures on by default."""
_NUMBERS = {"--queries": "queries", "--depth": "depth"}
_LOG = "queries.path="
_SHOWN = 10
"""The disagreements that are shown on the terminal."""


@dataclass(frozen=True)
class Options:
    """The options of `judge`."""

    run: str
    queries: int | None = None
    """Most queries to judge; None: `DEFAULT_QUERIES`, and fewer are no surprise."""
    depth: int = 10
    """Number of documents that are pooled of each system."""
    log: str = ""
    """A file of queries; empty for the log of the run, or else synthetic ones of held-out documents."""
    read: tuple[str, ...] = ()
    """Tables with marks to make judgements of; empty to make a page."""

    @property
    def most(self) -> int:
        """Returns the most queries to judge."""
        return DEFAULT_QUERIES if self.queries is None else self.queries


def read_options(arguments: Sequence[str], usage: str) -> Options:
    """Reads what follows the command.

    Args:
        arguments: as typed.
        usage: how the command is written, for messages.

    Raises:
        UserError: an unknown option, a value that is missing or out of range, or no run.
    """
    refuse_twice([argument for argument in arguments if argument.startswith(_LOG)], sweeps=False)
    names: list[str] = []
    files: list[str] = []
    values: dict[str, int] = {}
    log, reads = "", False
    rest = iter(arguments)
    for argument in rest:
        option, has_value, value = argument.partition("=")
        if option in _NUMBERS:
            values[_NUMBERS[option]] = _number(option, value if has_value else next(rest, ""))
        elif option == "--read":
            reads = True
            files += [value] if has_value else []
        elif argument.startswith(_LOG):
            log = value
            if not log:
                raise UserError("names no file", where="judge queries.path", remedy=f"write: {usage}")
        elif argument.startswith("-") or ("=" in argument and not reads and not Path(argument).exists()):
            raise UserError(f"there is no option {argument!r}", where="judge", remedy=f"write: {usage}")
        else:
            (files if reads and names else names).append(argument)
    if len(names) != 1:
        raise UserError(f"{len(names)} runs, 1 wanted", where="judge", remedy=f"write: {usage}")
    if reads and not files:
        raise UserError("names no file", where="judge --read", remedy=f"write: {usage}")
    if reads and (values or log):
        what = "goes with neither --queries, --depth nor queries.path, which a pool was made with"
        raise UserError(what, where="judge --read", remedy="leave them out")
    return Options(names[0], log=log, read=tuple(files), **values)


def _number(option: str, value: str) -> int:
    most = MOST_DEEP if option == "--depth" else CONSIDERED
    if not value.isdecimal() or not 1 <= int(value) <= most:
        raise UserError(f"{value!r} is no such number", where=f"judge {option}", remedy=f"set it to 1 to {most:,}")
    return int(value)


def judge(options: Options) -> int:
    """Makes the page of a pool, or judgements of marks.

    Returns:
        The exit code.

    Raises:
        UserError: it is no finished run, there are no queries, or a table does not fit the run.
    """
    require(options.run, "documents", "prompts", "examples", "model", "report")
    run_dir = Path(options.run).expanduser()
    console = Console()
    if options.read:
        read_judgements(run_dir, [Path(file).expanduser() for file in options.read], console)
    else:
        make_page(run_dir, options, console)
    return 0


def make_page(run_dir: Path, options: Options, console: Console) -> None:
    """Pools the results of all systems of a run, and writes the page and the table to mark them."""
    from engine.command_line.commands import place_of
    from eval.evaluation import analyser_of
    from eval.judging.folder import write_pool_folder
    from eval.judging.pool import make_pool
    from eval.page.side_by_side import encoders_of
    from eval.retrieval.corpus import read_corpus
    from eval.systems import build_systems

    config, place = report_config(run_dir), place_of(run_dir)
    queries = find_queries(run_dir, options, config.seed, console)
    inputs = {noun: (run_dir / noun).resolve() for noun in ("documents", "model")}
    with place.console.waiting("judge", "reading the passages"):
        corpus = read_corpus(inputs["documents"])
        analyser: Analyser = analyser_of(config, corpus, place)
    _, tuned = encoders_of(run_dir)
    systems = build_systems(config, inputs, corpus, analyser, place, tuned=tuned)
    with place.console.waiting("judge", f"searching for {len(queries):,} queries by {len(systems)} systems"):
        pool = make_pool(systems, corpus, queries, options.depth, config.seed)
    folder = write_pool_folder(run_dir, pool, run_dir.resolve().name, analyser.terms)
    names = ", ".join(sorted(system.name for system in systems))
    _warn_of_few(len(queries), options, console)
    console.step("pool", f"{len(queries):,} queries, {len(pool.results):,} results: {options.depth} each of {names}")
    console.step("page", str(folder.page))
    console.step("table", f"{folder.sheet}, the same for a spreadsheet")
    console.step("then", f"synthmill judge {options.run} --read FILE, with what the page saved")


def _warn_of_few(count: int, options: Options, console: Console) -> None:
    """Warns where there are fewer queries than somebody asked for; the default number is nobody's wish."""
    if options.queries is not None and count < options.queries:
        console.warn(f"there are {count:,} queries to judge, fewer than --queries {options.queries}")


def find_queries(run_dir: Path, options: Options, seed: int, console: Console) -> Mapping[str, str]:
    """Draws the queries to judge, text by query id, and tells what of a log counts for none.

    Raises:
        UserError: the log cannot be read or holds none, or there is none and the run held no query back.
    """
    from engine.queries.log import draw_from_log, find_log
    from eval.judging.questions import draw_from_held_out
    from eval.report import read_report
    from eval.synthetic import held_out_queries

    reported = read_report(run_dir / "report").query_log
    if log := options.log or (reported.path if reported else ""):
        return draw_from_log(find_log(log), options.most, seed, lambda text: console.step("log", text))
    held_out = held_out_queries(run_dir / "examples", max(CONSIDERED, options.most))
    if not held_out.queries:
        remedy = f"give queries of your own: {_LOG}LOG"
        raise UserError("the run held no query back that could be judged", where=str(run_dir), remedy=remedy)
    return draw_from_held_out(held_out, options.most, seed)


def report_config(run_dir: Path) -> ReportConfig:
    """Returns the settings by which the report of a run built its systems, as the report has them."""
    from engine.search.analyser import AUTO
    from engine.storage.store import read_record
    from eval.config import ReportConfig
    from eval.report import read_report

    settings = read_report(run_dir / "report").settings
    language = read_record(run_dir / "report").config.get("language", {})
    return ReportConfig(
        benchmark="",
        fusions=[],
        bm25_k1=settings.bm25.k1,
        bm25_b=settings.bm25.b,
        language=language.get("language", AUTO),  # reports from before there were analysers name none
        encoder=settings.encoder,
        price_per_gpu_hour=0.0,
        price_per_cpu_hour=0.0,
        seed=settings.bootstrap.seed,
    )


def read_judgements(run_dir: Path, files: Sequence[Path], console: Console) -> None:
    """Makes judgements of the marks of one or more people, and says what they rest on.

    Raises:
        UserError: a table is of another pool or run, or a mark cannot be meant.
    """
    from eval.judging.agreement import combine_marks, compare_marks, find_disagreements
    from eval.judging.folder import find_pool_folder
    from eval.judging.judged import count_marks
    from eval.judging.sheet import pool_of, read_marks

    names = {file: pool_of(file) for file in files}
    for file, name in names.items():
        if name != names[files[0]]:
            what = f"is of {name}, and {files[0]} is of {names[files[0]]}"
            raise UserError(what, where=str(file), remedy="read the tables of one pool together")
    folder = find_pool_folder(run_dir, names[files[0]], files[0])
    pool = folder.pool()
    is_short = len({file.name for file in files}) == len(files)
    marks: dict[str, Marks] = {file.name if is_short else str(file): read_marks(file, pool) for file in files}
    combined, disagreements = combine_marks(marks), find_disagreements(marks)
    folder.write_marks(pool, combined, disagreements)
    _show_share(count_marks(pool, combined), console)
    for agreement in compare_marks(marks):
        kappa = "not defined" if agreement.kappa is None else f"{agreement.kappa:.2f}"
        people = f"{agreement.first} and {agreement.second}"
        text = f"{people}: Cohen's kappa {kappa}, same grade for {agreement.share:.0%} of {agreement.results:,} results"
        console.step("agreement", text)
    if disagreements:
        _show_disagreements(disagreements, pool, folder.disagreements, console)
    console.step("judged", str(folder.judged))
    what = f"add report.benchmark={folder.judged} to the command of the run; only report and system are made again"
    console.step("then", f"{what}, in the place of the present ones unless run_dir=ANOTHER_FOLDER is added too")


def _show_share(share: MarkedShare, console: Console) -> None:
    grades = ", ".join(f"{count:,} of grade {grade}" for grade, count in share.grades.items())
    unmarked = share.results - share.marked
    rest = f"; the other {unmarked:,} are unjudged, not irrelevant" if unmarked else ""
    console.step("marks", f"{share.marked:,} of {share.results:,} results: {grades}{rest}")
    console.step("queries", f"{share.answered:,} of {share.queries:,} have a relevant result, and figures are of these")
    if share.unanswered:
        queries = "query has" if share.unanswered == 1 else "queries have"
        console.warn(f"{share.unanswered:,} marked {queries} no relevant result, so that figures do without")
    if share.partly:
        what = "marked in part: what is left there counts as not relevant in figures, so mark them to the end"
        console.warn(f"{share.partly:,} of these {'is' if share.partly == 1 else 'are'} {what}")


def _show_disagreements(disagreements: Sequence[Disagreement], pool: Pool, file: Path, console: Console) -> None:
    """Lists the first disagreements, and where all of them are."""
    for one in disagreements[:_SHOWN]:
        result = pool.by_pair[one.pair]
        grades = ", ".join(f"{grade} ({name})" for name, grade in one.grades.items())
        console.step("differ", f"{grades}: {pool.queries[result.query_id]!r} and {result.passage_id}")
    console.step("differ", f"{len(disagreements):,} results, all in {file}; the larger grade counts")
