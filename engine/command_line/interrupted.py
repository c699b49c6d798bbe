"""What is said of a command that was interrupted: what it left, and how to go on.

In: the arguments as typed, and the command as it can be pasted. Out: a line for stderr. A run and a sweep go on from
what they committed; the other commands commit nothing, and each has a sentence of its own that is true of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

COMMITTED = "what was committed is kept. To go on: {command}"
"""What is true of a run, a sweep and a preview."""
_UNCHANGED = "nothing was changed"
_LEFT: Mapping[str, str] = {
    "status": "the run was only looked at, and nothing of it was changed",
    "trace": _UNCHANGED,
    "search": "nothing of the run was changed",
    "judge": (
        "nothing of the run and no table with marks was changed; the page is whole or not there. Once more: {command}"
    ),
    "judge --read": (
        "the tables with marks are as they were; judgements of them may be missing or half new. To make them: {command}"
    ),
    "compare": "no run was changed; the page is whole or not there. Once more: {command}",
    "publish": "the run is as it was; what the hub has taken stays there. To send the rest: {command}",
    "clean": "what was removed until then is gone, and no run needs it; the rest is as it was. To go on: {command}",
    "launch": "a job that was submitted already goes on there, and no other one is. Once more: {command}",
    "--version": _UNCHANGED,
}
"""What is true of each command, by its name; `{command}` stands for all that was typed."""
_HELP = {"--help", "-h", "help"}
_SHOWING = {"--cfg", "-c", "--info", "-i", "--hydra-help", "--shell-completion", "-sc", *_HELP}
"""Flags of Hydra that show something and run nothing."""


def after_interrupt(arguments: Sequence[str], command: str) -> str:
    """Says what an interrupted command left.

    Args:
        arguments: what followed the name of the program.
        command: the whole command, as it can be pasted into a shell.
    """
    name = arguments[0] if arguments else "--help"
    if name == "judge" and any(argument.partition("=")[0] == "--read" for argument in arguments):
        name = "judge --read"
    shows = name in _HELP or (name not in _LEFT and not _SHOWING.isdisjoint(arguments))
    left = _UNCHANGED if shows else _LEFT.get(name, COMMITTED)
    return f"interrupted; {left.format(command=command)}"
