"""What went wrong, where, and what to do about it: the one exception that a user is meant to read.

Every mistake a user can make ends here. The command line prints it as one line and exits with 2; anything
else that escapes is a defect of synthmill and keeps its traceback. A run that ends early because it was told to
(`samples.max_seconds`) is no mistake: it exits with 3.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MANY = 20


class UserError(Exception):
    """A mistake in the user's input.

    Args:
        what: what is wrong, naming the offending value.
        where: where it stands: a file and line, a config key, a folder.
        remedy: what to do about it, in the imperative.
    """

    def __init__(self, what: str, *, where: str, remedy: str) -> None:
        super().__init__(what)
        self.what = " ".join(what.split())
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        """Returns the error as one line: `where: what; remedy`."""
        return " ".join(f"{self.where}: {self.what}; {self.remedy}".split())

    def __reduce__(self) -> tuple[object, ...]:
        """Lets the error cross process borders with all three parts, since Ray pickles exceptions."""
        return _rebuild, (self.what, self.where, self.remedy)


class BrokenInvariantError(RuntimeError):
    """Data on the disk is not what synthmill alone would have left there: a defect, or someone else's file.

    It is raised where going on could count a row twice or lose one. It is an exception of its own, because `python -O`
    leaves asserts out.
    """


class StoppedEarly(Exception):  # noqa: N818  # no error: the run did what it was told
    """A budget that the user set is used up; what was made is kept, and the same command goes on from there."""


def _rebuild(what: str, where: str, remedy: str) -> UserError:
    return UserError(what, where=where, remedy=remedy)


def check_setting(is_allowed: bool, key: str, value: object, allowed: str, *, fault: str = "is out of range") -> None:
    """Refuses a value of a config key that is not allowed.

    Args:
        is_allowed: whether the value may stay.
        key: the full name of the config key, such as `model.epochs`.
        value: what the user set it to.
        allowed: the values that are allowed, in words that complete `set it to ...`.
        fault: what is wrong with the value, in words that come after it.

    Raises:
        UserError: `is_allowed` is false.
    """
    if not is_allowed:
        raise UserError(f"{value} {fault}", where=f"{key}={value}", remedy=f"set it to {allowed}")


def suggest(value: str, valid: Iterable[str]) -> str:
    """Returns a remedy for a wrong name: the closest valid name first, then all of them unless they are many."""
    names = sorted(valid)
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.5)
    if close and len(names) > _MANY:
        return f"did you mean {close[0]!r}?"
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}valid are: {', '.join(names)}"
