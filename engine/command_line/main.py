"""The command line: `synthmill [overrides]`, and small commands that read a finished run.

Exit codes: 0 for a finished run; 1 for a sweep of which points failed, and where `synthmill status` shows a run that is
not well; 2 for a user's mistake, with one line on stderr; 3 for a run that ended early because its time budget was used
up (`samples.max_seconds`), and 130 for an interrupted one: both say how to go on, and of another command that is
interrupted it is said what it left. 141 where nobody reads the output any
longer (`| head`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from engine.command_line.interrupted import after_interrupt
from engine.command_line.output import exit_codes_in_hydra, naming_a_long_name, plain_output
from engine.command_line.twice import refuse_twice
from engine.errors import StoppedEarly, UserError, suggest
from engine.runtime.cluster import quiet
from engine.runtime.own_packages import import_own_packages
from engine.runtime.secrets import redact_logs, redacted, redacted_command
from engine.storage.remote.address import is_address
from engine.sweeps.lifeline import end_with_parent
from engine.visible import visible

USAGE = {
    "status": "synthmill status RUN [--follow] [--json]",
    "trace": "synthmill trace RUN SAMPLE_ID",
    "search": 'synthmill search RUN "question" [where.FIELD=VALUE] [boost.FIELD=newest] [k=5]',
    "judge": "synthmill judge RUN [--queries N] [--depth K] [queries.path=LOG], or synthmill judge RUN --read FILE...",
    "compare": "synthmill compare RUN RUN... [--output FILE.html] [--json]",
    "publish": "synthmill publish RUN hub:OWNER/NAME [publish_private=false] [publish_system=true]",
    "clean": "synthmill clean [RUNS_DIR] [--yes] [--forget RUN]...",
}
"""The commands on runs, finished ones but for `status`, and how each is written."""
_TRACED = 2
"""The arguments of `trace`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the console script calls this and exits with what it returns.

    Args:
        arguments: what follows the name of the program; by default what the shell passed.

    Returns:
        The exit code: 0, 1, 2, 3 or 130, as the module says.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    quiet()
    import_own_packages()
    signal.signal(signal.SIGTERM, _as_interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` asks to go on without the terminal
        signal.signal(signal.SIGHUP, _as_hang_up)
    try:
        end_with_parent()
        with plain_output(), naming_a_long_name():
            return _dispatch(arguments)
    except UserError as error:
        sys.stderr.write(visible(f"synthmill: {redacted(str(error))}\n"))
        return 2
    except StoppedEarly as end:
        go_on = f"what was committed is kept. To go on: {_command(arguments)}"
        sys.stderr.write(visible(f"synthmill: {end}; {go_on}\n"))
        return 3
    except KeyboardInterrupt:
        sys.stderr.write(visible(f"\n{after_interrupt(arguments, _command(arguments))}\n"))
        return 130


def _command(arguments: Sequence[str]) -> str:
    """Returns the command that was given, so that it can be pasted into a shell; a secret in it is masked."""
    return redacted_command([*_program(), *arguments])


def _program() -> list[str]:
    """Returns how this program was called; it may not be on the PATH."""
    called = Path(sys.argv[0])
    if called.name != "synthmill":
        return [sys.executable, "-m", "engine"]
    if shutil.which("synthmill"):
        return ["synthmill"]
    inside = called.resolve().is_relative_to(Path.cwd())
    return [os.path.relpath(called) if inside else str(called.absolute())]


def _dispatch(arguments: list[str]) -> int:
    """Chooses between help, a command on a finished run, Hydra's flags and a run."""
    command = arguments[0] if arguments else "--help"
    if command in ("--help", "-h", "help"):
        from engine.command_line.help import help_text

        sys.stdout.write(help_text() + "\n")
        return 0
    if command == "--version":
        from importlib import metadata

        sys.stdout.write(f"synthmill {metadata.version('synthmill')}\n")
        return 0
    if command in USAGE:
        return _read_runs(command, arguments[1:])
    return _begin(command, arguments)


def _begin(command: str, arguments: list[str]) -> int:
    """Chooses between a job, a search, Hydra's flags and a run."""
    from engine.command_line.overrides import with_template_quoted

    arguments = [with_template_quoted(argument) for argument in arguments]
    refuse_twice(arguments)
    if command == "launch":
        from engine.command_line.launch import launch

        return launch(arguments[1:])
    if any(argument.startswith("sweep=") for argument in arguments):
        from engine.command_line.sweep import sweep

        return sweep(arguments)
    if any(argument.startswith("-") for argument in arguments):
        return _hydra(arguments)
    if "=" not in command and not command.startswith("~"):  # Hydra's sign for leaving a group out
        commands = suggest(command, [*USAGE, "launch"])
        remedy = f"write key=value to run, `synthmill --help` shows examples; of commands {commands}"
        raise UserError(f"there is no command {command!r}", where="command line", remedy=remedy)
    sys.stdout.write(f"{'config':<10} reading it\n")  # importing the steps and composing take a second or two
    sys.stdout.flush()
    from engine.command_line.compose import load_config

    config, text = load_config(arguments)
    return start(config, text)


def start(config: object, text: str) -> int:
    """Runs one composed config: the pipeline, or its preview.

    Args:
        config: a RunConfig. Its type is `object`, since RunConfig is not imported before a run begins.
        text: the same as YAML.
    """
    from engine.pipeline.config import RunConfig
    from engine.pipeline.inputs import with_inputs_here
    from engine.storage import digests
    from engine.storage.files import make_folder

    make_folder(digests.CACHE, where=f"SYNTHMILL_CACHE={digests.CACHE}")
    assert isinstance(config, RunConfig), "load_config gives a RunConfig"
    config = with_inputs_here(config)
    if config.preview:
        from engine.command_line.preview import preview

        preview(config)
        return 0
    from engine.run import run

    run_dir = run(config, text)
    from engine.command_line.end import show_end

    show_end(run_dir, config)
    return 0


def _read_runs(command: str, arguments: list[str]) -> int:
    """Runs a command on finished runs, once it has as many arguments as it takes; or shows how it is written."""
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(f"usage: {USAGE[command]}\n")
        return 0
    if command not in ("clean", "status"):  # which fetch nothing
        from engine.storage.remote.opening import fetch_run

        arguments = [fetch_run(argument) for argument in arguments]
    return _run_command(command, arguments, USAGE[command])


def _run_command(command: str, arguments: list[str], usage: str) -> int:
    """Runs a command; what the others need is not loaded in vain."""
    match command:
        case "status":
            from engine.command_line import status, status_by_url

            options = status.read_options(arguments, usage)
            code = (status_by_url.show_run_by_url if is_address(options.run) else status.status)(options)
        case "search":
            from engine.command_line import search

            code = search.search(search.read_options(arguments, usage))
        case "judge":
            from engine.command_line import judge

            code = judge.judge(judge.read_options(arguments, usage))
        case "compare":
            from engine.command_line import compare

            code = compare.compare(compare.read_options(arguments, usage))
        case "publish":
            from engine.command_line import publish

            code = publish.publish(publish.read_options(arguments, usage))
        case "clean":
            from engine.command_line import clean

            code = clean.clean(clean.read_options(arguments, usage))
        case _:
            from engine.command_line import commands

            if len(arguments) != _TRACED:
                raise UserError(
                    f"{len(arguments)} arguments, {_TRACED} wanted", where=command, remedy=f"write: {usage}"
                )
            code = commands.trace(*arguments)
    return code


def _hydra(arguments: list[str]) -> int:
    """Leaves flags such as `--cfg job` and `-m` to Hydra, once the overrides have been checked here."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig, OmegaConf

    from engine.command_line.compose import CONFIG_NAME, load_config, typed
    from engine.command_line.config_files import find_user_conf, find_user_files
    from engine.command_line.groups import CONF
    from engine.command_line.overrides import points_to_check, split_flags, sweep_folder
    from engine.command_line.written import mask_file, printing_masked
    from engine.sweeps.points import grid_folder

    config_dir, arguments = _take_config_dir(arguments)
    flags, overrides = split_flags(arguments)
    for point in points_to_check(overrides):
        load_config(point, config_dir)

    @hydra.main(config_path=str(CONF), config_name=CONFIG_NAME, version_base="1.3")
    def job(config: DictConfig) -> None:
        with exit_codes_in_hydra():
            hydra_config = HydraConfig.get()
            if hydra_config.mode is RunMode.MULTIRUN:
                mask_file(Path(hydra_config.sweep.dir) / "multirun.yaml")
                names = hydra_config.job.override_dirname or str(hydra_config.job.num)
                OmegaConf.update(config, "run_dir", grid_folder(config.run_dir, config.runs_dir, config.name, names))
                OmegaConf.update(config, "tracking.group", config.tracking.group or Path(config.run_dir).parent.name)
            start(*typed(config))

    sys.argv = [sys.argv[0], *flags, *find_user_files(overrides, find_user_conf(config_dir)), *sweep_folder(overrides)]
    redact_logs()  # Hydra says what each point of a sweep varies
    with printing_masked() if {"--cfg", "-c"} & set(flags) else contextlib.nullcontext():
        job()
    return 0


def _take_config_dir(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Separates Hydra's `--config-dir DIR`, which the check of overrides must know too, from the other arguments."""
    others: list[str] = []
    config_dir = ""
    rest = iter(arguments)
    for argument in rest:
        if argument in ("--config-dir", "-cd"):
            config_dir = next(rest, "")
            if not config_dir:
                raise UserError("names no folder", where=argument, remedy=f"write {argument} FOLDER")
        elif argument.startswith("--config-dir="):
            config_dir = argument.partition("=")[2]
        else:
            others.append(argument)
    return config_dir, others


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    """Lets a request to terminate end a run as Ctrl-C does; another one must not end the work that it begins.

    A sweep asks its points, and the kernel asks them once more when the sweep itself has gone.
    """
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)  # programs that are started now are asked as ever
    raise KeyboardInterrupt


def _as_hang_up(_number: int, _frame: FrameType | None) -> None:
    """Lets a terminal or connection that was closed end a run as Ctrl-C does, though nothing can be shown any more.

    Shell and kernel send the signal one after the other; the second must not end the work that the first began.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        with contextlib.suppress(OSError):  # the stream was closed before
            if stat.S_ISCHR(os.fstat(stream).st_mode):  # writing to a terminal that is gone would cut the ending short
                os.dup2(nowhere, stream)
    raise KeyboardInterrupt
