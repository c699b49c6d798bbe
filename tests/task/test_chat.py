"""Chats that somebody else wrote: lists or JSON of messages, of text alone."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.task.chat import read_messages

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    "value",
    [
        CHAT,
        '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]',
        [CHAT[0], {"role": "user", "content": [{"type": "text", "text": "H"}, {"text": "i"}], "name": "x"}],
    ],
)
def test_a_chat_is_read_as_roles_and_texts(value: object) -> None:
    assert read_messages(value, "row.m") == [("system", "Be brief."), ("user", "Hi")]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "there are no messages"),
        ([], "there are no messages"),
        ("Hi", "the messages are no JSON"),
        (3, "the messages are no list"),
        ([{"content": "Hi"}], "a message has no role"),
        (["Hi"], "a message has no role"),
        ([{"role": "User", "content": "Hi"}], "a message is of 'User'"),
        ([{"role": "", "content": "Hi"}], "a message is of ''"),
        ([{"role": "user"}], "a message of user has no content"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "a part of type 'image_url'"),
        ([{"role": "user", "content": ["x"]}], "a part of type 'str'"),
    ],
)
def test_what_is_no_chat_of_texts_is_refused(value: object, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        read_messages(value, "row.m")
    assert caught.value.where == "row.m"
