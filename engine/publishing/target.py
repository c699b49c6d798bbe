"""Where a model is published, as a user writes it: `hub:OWNER/NAME`, or `hub:NAME` for the owner of the token.

In: a text. Out: a Target, or a refusal. Nothing is asked of a hub here, since the config of a run is read often.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import UserError

KEY = "publish"
"""The config key that names the target, for messages."""
_HUB = "hub:"


@dataclass(frozen=True)
class Target:
    """A repository of a hub, and what is wanted of it."""

    repo: str
    """`OWNER/NAME`, or `NAME` as long as the hub was not asked whose the token is."""
    is_private: bool = True
    """Whether nobody else is to see it."""
    with_system: bool = False
    """Whether the search that the run recommends is uploaded as well, passages included."""

    @property
    def nouns(self) -> frozenset[str]:
        """Returns what of a run is read to publish it; of the report only what it advises."""
        return frozenset({"model", "report", *(["system"] if self.with_system else [])})

    @property
    def where(self) -> str:
        """Returns what the user wrote, for messages."""
        return f"{KEY}={_HUB}{self.repo}"


def read_target(written: str, *, is_private: bool = True, with_system: bool = False) -> Target:
    """Reads a target.

    Args:
        written: `hub:OWNER/NAME` or `hub:NAME`.
        is_private: whether nobody else is to see it.
        with_system: whether the search is uploaded as well.

    Raises:
        UserError: it names no repository that a hub can have.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    remedy = f"write {KEY}={_HUB}OWNER/NAME, of letters, digits, dots, dashes and underscores"
    repo = written.removeprefix(_HUB)
    if repo == written or not repo:
        raise UserError("names no repository of a hub", where=f"{KEY}={written}", remedy=remedy)
    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise UserError("is no name that a repository can have", where=f"{KEY}={written}", remedy=remedy) from None
    return Target(repo, is_private, with_system)
