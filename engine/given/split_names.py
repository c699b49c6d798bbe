"""Tells which side of a split people mean by a word: in the name of a file or a data set, or in a column.

In: a name, such as `train-00000.parquet`, `validation_matched` or `held-out`. Out: one of the two sides. Files may have
names that tell nothing; a word that somebody wrote to say a side does not.
"""

from __future__ import annotations

import re

from engine.errors import UserError

TRAIN, HELD_OUT = "train", "validation"
"""The two sides of a split."""
_SIDES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation"), HELD_OUT),
    **dict.fromkeys(("development", "heldout", "holdout"), HELD_OUT),
}
"""What people call a split, and which side it is: nothing but `train` is trained on."""
_WORD = re.compile(r"(?:held|hold)[^a-z]?out(?![a-z])|[a-z]+")
_SHOWN_CHARACTERS = 40


def split_of_name(name: str) -> str:
    """Returns the side that a name says: "train", "validation", or "" where no word of it is one."""
    words = (re.sub(r"[^a-z]", "", word) for word in _WORD.findall(name.lower()))
    return next((_SIDES[word] for word in words if word in _SIDES), "")


def said_split(name: str, where: str, otherwise: str) -> str:
    """Returns the side that a name says which is there to say one.

    Args:
        name: what somebody wrote.
        where: the place of it.
        otherwise: what to do where it is no split.

    Raises:
        UserError: it says none; its rows might be trained on though they are held out.
    """
    if split := split_of_name(name):
        return split
    shown = name if len(name) <= _SHOWN_CHARACTERS else f"{name[:_SHOWN_CHARACTERS]}..."
    what = f"the split {shown!r} says neither what is trained on nor what is held out"
    raise UserError(what, where=where, remedy=f"call it {TRAIN} or {HELD_OUT}, {otherwise}")
