"""`synthmill publish`: its options, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.command_line.publish import Options, publish, read_options
from engine.errors import UserError
from engine.publishing.target import Target


def test_options() -> None:
    assert read_options(["RUN", "hub:me/x"], "usage") == Options("RUN", Target("me/x"))
    arguments = ["publish_system=true", "RUN", "hub:x", "publish_private=false"]
    assert read_options(arguments, "usage") == Options("RUN", Target("x", is_private=False, with_system=True))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["RUN"], "publish: 1 names, 2 wanted; write: usage"),
        (["RUN", "hub:x", "private=true"], "publish: there is no setting 'private'; did you mean 'publish_private'"),
        (["RUN", "hub:x", "publish_private=no"], "publish_private=no: is neither true nor false"),
        (["RUN", "me/x"], "publish=me/x: names no repository"),
    ],
)
def test_what_is_no_option_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_options(arguments, "usage")
    assert str(caught.value).startswith(said)


def test_what_is_no_run_has_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run folder"):
        publish(Options(str(tmp_path), Target("me/x")))
