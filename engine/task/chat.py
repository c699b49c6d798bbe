"""Reads a chat that somebody else wrote: the messages of a row, as OpenAI's and vLLM's interfaces have them.

In: a list of `{"role": ..., "content": ...}`, or the same as JSON text. Out: roles and texts. Content may be given in
parts as long as each is text: no model is shown an image.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engine.errors import UserError

_REMEDY = 'give a list of {"role": ..., "content": ...}, the last of the user'


def read_messages(value: object, where: str) -> list[tuple[str, str]]:
    """Returns the role and the text of each message.

    Args:
        value: the messages, or JSON of them.
        where: the row or column that they stand in, for messages of errors.

    Raises:
        UserError: it is no list of messages, it is empty, or a message shows something else than text or is of nobody.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise UserError("the messages are no JSON", where=where, remedy=_REMEDY) from error
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or not value:
        what = "there are no messages" if value is None or value == [] else "the messages are no list"
        raise UserError(what, where=where, remedy=_REMEDY)
    return [_message(message, where) for message in value]


def _message(message: object, where: str) -> tuple[str, str]:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise UserError("a message has no role", where=where, remedy=_REMEDY)
    role = message["role"]
    if not role or role != role.strip().lower():  # chat templates leave out what is said by one they do not know
        remedy = f"write {role.strip().lower() or 'user'!r}"
        raise UserError(f"a message is of {role!r}", where=where, remedy=remedy)
    content = message.get("content")
    if isinstance(content, str):
        return role, content
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise UserError(f"a message of {role} has no content", where=where, remedy=_REMEDY)
    return role, "".join(_part(part, where) for part in content)


def _part(part: object, where: str) -> str:
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type", "unknown") if isinstance(part, Mapping) else type(part).__name__
    what = f"a message holds a part of type {kind!r}, and only text can be asked"
    raise UserError(what, where=where, remedy="leave such rows out: images and sound are not supported")
