"""`synthmill sweep=FILE [overrides]`: reads the file, runs the search, and shows what it found.

In: the arguments of the command line. Out: an exit code: 0, or 1 where points failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from engine.command_line.compose import load_config
from engine.command_line.config_files import read_yaml
from engine.command_line.groups import groups
from engine.command_line.twice import refuse_twice
from engine.errors import UserError
from engine.generation.config import GeneratorKind
from engine.pipeline.config import RunConfig
from engine.runtime.console import Console
from engine.storage.files import naming_a_full_disk, write_text
from engine.sweeps.best import write_best
from engine.sweeps.config import read_sweep
from engine.sweeps.journal import Progress, Tried
from engine.sweeps.page import best_of, sweep_page, sweep_table
from engine.sweeps.space import as_overrides
from engine.sweeps.sweep import Checked, check, search
from eval import wording

KEY = "sweep="
"""How the argument begins that makes a command a sweep."""
FAILED = 1


def sweep(arguments: Sequence[str], console: Console | None = None) -> int:
    """Runs a sweep.

    Args:
        arguments: of the command line, of which one is `sweep=FILE`.
        console: where the person looks; the terminal by default.

    Raises:
        UserError: the file or one of the overrides is wrong.
    """
    console = console or Console()
    named = [text for text in arguments if text.startswith(KEY)]
    flags = [text for text in arguments if text.startswith("-")]
    if len(named) != 1 or flags:
        what = f"is given beside {flags[0]}" if flags else "is given more than once"
        raise UserError(what, where=named[0], remedy="write synthmill sweep=FILE [key=value ...]")
    file = Path(named[0].removeprefix(KEY)).expanduser()
    if not file.is_file():
        raise UserError("there is no such file", where=named[0], remedy="name a YAML file: see docs/sweeps.md")
    given = OmegaConf.to_container(read_yaml(file), resolve=False)
    assert isinstance(given, dict), "read_yaml gives a mapping"
    config = read_sweep({str(key): value for key, value in given.items()}, str(file), file.stem)
    try:
        refuse_twice(config.overrides, sweeps=False)
    except UserError as error:
        raise UserError(error.what, where=f"{file}: {error.where}", remedy=error.remedy) from error
    checked = check(config, [text for text in arguments if not text.startswith(KEY)], _compose)
    with naming_a_full_disk(checked.folder):
        points = search(checked, _compose, console)
        _show(checked, points, console)
    failed = [point for point in points if point.progress is Progress.failed]
    for point in failed:
        console.warn(f"failed: point {point.number}: {' '.join(as_overrides(point.values))}: {point.said}")
    return FAILED if failed else 0


def _compose(overrides: Sequence[str]) -> RunConfig:
    return load_config(overrides)[0]


def _show(checked: Checked, points: Sequence[Tried], console: Console) -> None:
    """Writes the best experiment and the page, and shows the best points."""
    config, folder = checked.config, checked.folder
    is_made_up = checked.run.samples.generator is GeneratorKind.fake
    best, command = best_of(points, config.mode), ""
    if best is not None:  # before the page, which computes more
        given = [*checked.arguments, *as_overrides(best.values)]
        score = f"point {best.number} of {config.name}: {checked.metric} {best.score:.4g}"
        command = write_best(folder / "best.yaml", given, groups(), score)
    page = folder / "sweep.html"
    write_text(page, sweep_page(config, checked.metric, points, is_made_up=is_made_up))
    console.show("")
    if is_made_up:
        console.warn(wording.MADE_UP)
    console.show(sweep_table(config, checked.metric, points))
    console.step("page", str(page))
    if command:
        console.step("best", command)
