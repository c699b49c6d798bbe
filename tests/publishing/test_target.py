"""A target names a repository of a hub; whatever does not is refused with the form that does."""

from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.publishing.target import Target, read_target


def test_a_target_is_private_and_a_model_alone_by_default() -> None:
    assert read_target("hub:me/model") == Target("me/model", is_private=True, with_system=False)
    assert read_target("hub:model.v2", is_private=False, with_system=True) == Target("model.v2", False, True)


@pytest.mark.parametrize("written", ["me/model", "hub:", "hub:a/b/c", "hub:me/a b", "hub:me/-x", "hub:../x", "s3:me/x"])
def test_what_is_no_repository_is_refused(written: str) -> None:
    with pytest.raises(UserError) as caught:
        read_target(written)
    assert caught.value.where == f"publish={written}"
    assert caught.value.remedy.startswith("write publish=hub:OWNER/NAME")
