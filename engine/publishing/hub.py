"""The hub: whether a repository can be written, before anything costly, and the upload of what it does not have yet.

In: a Target; later files. Out: the target with its owner, and what was uploaded. The token comes from where the hub's
own tools look for it (HF_TOKEN, or the file that `hf auth login` writes), goes into requests only, and is masked in
whatever a message quotes. HF_ENDPOINT names another hub than huggingface.co.

A file is uploaded where its hash is another one than the hub has for its path, and all of them become one commit, which
also removes what an earlier search has below `system/` and the new one has not, and weights of an earlier model, which
would be loaded together with the new ones. A search whose model is another one stays where none is uploaded: it is
whole by itself. Of an upload that was cut off the hub keeps the large files, and takes them without their content the
next time.

Whose weights may be removed is settled before anything costly: of a repository whose card is one that a training wrote
those that whoever loads the model would read, and of any other the one file that every model has, which is replaced in
any case. Weights that lie elsewhere may be somebody's own, whatever the card says: with them a repository is refused.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.publishing.contents import SYSTEM, WEIGHTS, File
from engine.publishing.target import Target
from engine.runtime.secrets import MASK, redacted

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

_OF_SYSTEM = f"{SYSTEM}/"
"""The begin of the paths of a search."""
_OWN_SYSTEM = f"{SYSTEM}/system.json"
"""The file by which a folder of that name is known as a search that was handed over."""
_OWN_TAG = "synthmill"
"""What the hub lists among the tags of a repository whose card a training wrote (training/card.py)."""
_REPLACED = f"model{WEIGHTS}"
"""The weights that nearly every model has, whoever wrote it."""
_INDEX = f"{WEIGHTS}.index.json"
"""The end of the name of the file that lists the pieces of large weights."""
_LOADED = re.compile(rf"(\d+_[^/]+/)?model[^/]*{re.escape(WEIGHTS)}(\.index\.json)?")
"""The weights that are read with a model: at its root, in pieces or not, and in the folder of one of its modules."""
_LONGEST = 300
"""The characters of a hub's answer that are quoted."""
_LOG_IN = "set HF_TOKEN to a token that may write, or run: hf auth login"


@dataclass(frozen=True)
class Uploaded:
    """What an upload did."""

    url: str
    files: int
    """Files that the hub did not have."""
    num_bytes: int
    unchanged: int
    """Files that it had."""
    removed: int
    """Files of an earlier search or model, which the new one has not."""
    is_private: bool


def endpoint() -> str:
    """Returns the address of the hub."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def reach(target: Target) -> Target:
    """Asks the hub whether a target can be written; two requests.

    Returns:
        the target with its owner.

    Raises:
        UserError: there is no token, the hub does not know it or cannot be reached, the token may only read, it may not
            write for the owner, or the repository is there and everybody sees it, or it has weights of a model that no
            training of ours wrote, or that nobody would load.
    """
    with _telling(target):
        api = _api(target)
        user = api.whoami()
        token = user.get("auth", {}).get("accessToken", {})
        if token.get("role") == "read":
            raise UserError("the token may only read", where=target.where, remedy=_LOG_IN)
        owner, _, name = target.repo.rpartition("/")
        owners = [user["name"], *(organisation["name"] for organisation in user.get("orgs", []))]
        if owner and owner.casefold() not in map(str.casefold, owners):
            what = f"the token is of {user['name']}, who does not write for {owner}"
            raise UserError(what, where=target.where, remedy=f"name one of {', '.join(owners)} as the owner")
        reached = replace(target, repo=f"{owner or user['name']}/{name}")
        known = _known(api, reached.repo)
        _check_seen(reached, known)
        _check_weights(reached, known, ())
        return reached


def upload(target: Target, files: Sequence[File]) -> Uploaded:
    """Uploads what the hub does not have, into a repository that is made where it is not there.

    Args:
        target: what `reach` returned.
        files: everything that the repository is to have. What else it has stays, but for the weights of an earlier
            model, and for an earlier search where there is a new one.

    Raises:
        UserError: everybody sees the repository by now, somebody has put weights of another model there since `reach`,
            or the hub refuses something or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with _telling(target), _without_bars():
        api = _api(target)
        known = _known(api, target.repo)
        _check_seen(target, known)  # hours have passed
        paths = {file.path for file in files}
        others = sorted(set(_paths(known)) - paths)
        _check_weights(target, known, paths)
        if known is None:
            api.create_repo(target.repo, private=target.is_private)
        there = {sibling.rfilename: sibling for sibling in (known.siblings if known else None) or []}
        has_search = any(file.path == _OWN_SYSTEM for file in files) and _OWN_SYSTEM in there
        stale = [path for path in others if _is_weights(path) or (has_search and path.startswith(_OF_SYSTEM))]
        new = [file for file in files if _is_new(file, there.get(file.path))]
        if new or stale:
            changes: list[CommitOperationAdd | CommitOperationDelete] = [CommitOperationDelete(path) for path in stale]
            changes += [CommitOperationAdd(file.path, file.content) for file in new]
            api.create_commit(target.repo, changes, commit_message="Model tuned by synthmill")
        return Uploaded(
            url=f"{endpoint()}/{target.repo}",
            files=len(new),
            num_bytes=sum(file.size for file in new),
            unchanged=len(files) - len(new),
            removed=len(stale),
            is_private=bool(known.private) if known else target.is_private,
        )


def _api(target: Target) -> HfApi:
    from huggingface_hub import HfApi, get_token

    token = get_token()
    if not token:
        raise UserError("there is no token for the hub", where=target.where, remedy=_LOG_IN)
    return HfApi(endpoint(), token=token)


def _known(api: HfApi, repo: str) -> ModelInfo | None:
    """Returns what the hub has of a repository; None where there is none that the token may see."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.model_info(repo, files_metadata=True)
    except RepositoryNotFoundError:
        return None


def _is_new(file: File, known: RepoSibling | None) -> bool:
    if known is None:
        return True
    return file.sha256() != known.lfs.sha256 if known.lfs else file.git_blob() != known.blob_id


def _paths(known: ModelInfo | None) -> list[str]:
    return [sibling.rfilename for sibling in (known.siblings if known else None) or []]


def _is_weights(path: str) -> bool:
    """Tells whether a file is weights of the model, or lists them; a search has its models in folders of its own."""
    return path.endswith((WEIGHTS, _INDEX)) and not path.startswith(_OF_SYSTEM)


def _check_seen(target: Target, known: ModelInfo | None) -> None:
    """Refuses a repository that everybody sees, unless that is wanted."""
    if known and not known.private and target.is_private:
        remedy = "name another one, or set publish_private=false"
        raise UserError("is there, and everybody sees it", where=target.where, remedy=remedy)


def _check_weights(target: Target, known: ModelInfo | None, replaced: Collection[str]) -> None:
    """Refuses a repository of another model, or with weights that no training of ours left there.

    Those would be loaded together with these, or would have to be removed without anybody being asked.

    Args:
        target: where to.
        known: what the hub has of it.
        replaced: the paths of what is uploaded, where that is known.
    """
    if known is None:
        return
    is_own = _OWN_TAG in (known.tags or [])
    foreign = [path for path in _paths(known) if _is_weights(path) and path not in replaced]
    others = (path for path in foreign if not (_LOADED.fullmatch(path) if is_own else path == _REPLACED))
    if weights := next(others, ""):
        what = f"holds weights of a model that was not trained here: {weights}"
        raise UserError(what, where=target.where, remedy="name another repository, or remove them there")


@contextlib.contextmanager
def _telling(target: Target) -> Iterator[None]:
    """Turns what the hub refuses into one line, in which no token stands.

    Raises:
        UserError: the hub refused something, or cannot be reached.
    """
    from huggingface_hub import errors

    http_error = errors.HTTPError  # of the client's HTTP library, whichever that is
    try:
        yield
    except (http_error, OSError, ValueError, RuntimeError) as error:
        said = f"{error} {error.__cause__}" if isinstance(error, RuntimeError) else str(error)  # which file, and why
        what = f"the hub at {endpoint()} did not take it: {_masked(said)[:_LONGEST]}"
        remedy = "see whether the token may write there and the hub can be reached, and give the same command again"
        raise UserError(what, where=target.where, remedy=remedy) from None


def _masked(text: str) -> str:
    from huggingface_hub import get_token

    token = get_token()
    return redacted(text.replace(token, MASK) if token else text)


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """Keeps the hub's progress bars off the terminal, which is the run's."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    was_off = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not was_off:
            enable_progress_bars()
