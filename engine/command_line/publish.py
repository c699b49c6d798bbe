"""`synthmill publish RUN hub:NAME`: the model of a finished run, uploaded to a hub.

In: a finished run and what was typed. Out: a repository. Nothing of the run is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.command_line.twice import refuse_twice
from engine.errors import UserError, suggest
from engine.publishing.target import Target, read_target
from engine.storage.run_folders import require
from engine.storage.store import is_done

_SETTINGS = {"publish_private": "true", "publish_system": "false"}
"""The keys that may follow, as of a run, with their defaults."""
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Options:
    """The options of `publish`."""

    run: str
    target: Target


def read_options(arguments: Sequence[str], usage: str) -> Options:
    """Reads what follows the command.

    Args:
        arguments: as typed.
        usage: how the command is written, for messages.

    Raises:
        UserError: the run or the target is missing, or a setting is none.
    """
    named = [argument for argument in arguments if "=" not in argument]
    if len(named) != 2:
        raise UserError(f"{len(named)} names, 2 wanted", where="publish", remedy=f"write: {usage}")
    refuse_twice([argument for argument in arguments if argument not in named], sweeps=False)
    settings = dict(_SETTINGS)
    for key, _, value in (argument.partition("=") for argument in arguments if argument not in named):
        if key not in settings:
            raise UserError(f"there is no setting {key!r}", where="publish", remedy=suggest(key, settings))
        if value not in _BOOLEANS:
            raise UserError("is neither true nor false", where=f"{key}={value}", remedy="set it to true or false")
        settings[key] = value
    private, system = (_BOOLEANS[settings[key]] for key in _SETTINGS)
    return Options(named[0], read_target(named[1], is_private=private, with_system=system))


def publish(options: Options) -> int:
    """Publishes the model of a finished run; returns 0.

    Raises:
        UserError: the run has no finished model, or no system where that is asked for, or the hub does not take it.
    """
    from engine.publishing.hub import reach
    from engine.publishing.publish import publish as upload
    from engine.runtime.console import Console

    folders = require(options.run, "model", *(["system"] if options.target.with_system else []))
    report = Path(options.run).expanduser() / "report"
    upload(reach(options.target), folders | ({"report": report} if is_done(report) else {}), Console())
    return 0
