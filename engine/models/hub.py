"""Finds models of the Hugging Face hub: the snapshot in the local cache, or one request and a download.

In: a repository and a revision. Out: the folder of a snapshot, what the hub says of a model, or an error that says
what to do. A missing network shows within seconds instead of after the client's retries, because the one request that
comes first makes none.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from engine.errors import UserError, suggest
from engine.models.bundled import BUNDLED

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo


HUB_SECONDS = 10.0
"""Seconds without an answer, name resolution included, after which the hub counts as unreachable."""
HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
"""The name of a hub model: `owner/name` or `owner/name@revision`."""
_DOWNLOADED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja"]
_IGNORED_FILES = ["onnx/*", "openvino/*", "original/*", "consolidated*", "coreml/*"]
"""Files that are not downloaded: the same weights for other programs."""


def cached_snapshot(repo: str, revision: str | None) -> Path | None:
    """Returns the snapshot in the local cache; None where it is missing or incomplete. No network is used."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return snapshot(repo, revision, offline=True)
    except LocalEntryNotFoundError:  # the snapshot is missing, or not complete
        return None


def snapshot(repo: str, revision: str | None, *, offline: bool) -> Path:
    """Returns the folder of a snapshot, named after its commit; downloaded first unless `offline`.

    Raises:
        LocalEntryNotFoundError: `offline`, and it is not in the cache.
        OSError: the download failed.
    """
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        repo,
        revision=revision,
        local_files_only=offline,
        allow_patterns=_DOWNLOADED_FILES,
        ignore_patterns=_IGNORED_FILES,
    )
    return Path(folder)


def ask_hub(repo: str, revision: str | None, name: str, key: str) -> ModelInfo:
    """Asks the hub for a model, once and without retries.

    A missing network shows at once that way, and a wrong name before any download.

    Args:
        repo: `owner/name`.
        revision: a branch, tag or commit; None for the main branch.
        name: the model's name as the user wrote it, for messages.
        key: the config key that named it, for messages.

    Raises:
        UserError: the model is gated, does not exist, has no such revision, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi, errors

    http_error = errors.HTTPError  # of the client's HTTP library, whichever that is
    where = f"{key}={name}"
    try:
        return _within(HUB_SECONDS, lambda: HfApi().model_info(repo, revision=revision, timeout=HUB_SECONDS / 2))
    except errors.GatedRepoError:
        remedy = "accept its terms on its page and run: hf auth login"
        raise UserError("this model is gated", where=where, remedy=remedy) from None
    except errors.RepositoryNotFoundError:
        remedy = f"check the id (a private one needs: hf auth login), or name a bundled model: {suggest(name, BUNDLED)}"
        raise UserError("the hub has no such model", where=where, remedy=remedy) from None
    except errors.RevisionNotFoundError:
        raise UserError("no such revision", where=where, remedy="name a branch, tag or commit of it") from None
    except (http_error, OSError) as error:
        raise_unreachable(error, name, key)


def raise_unreachable(error: Exception, name: str, key: str) -> NoReturn:
    """Raises the error for a hub that gives no answer.

    Raises:
        UserError: always, with the first line of `error`.
    """
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    raise UserError(
        f"not on this machine, and the hub at {endpoint} cannot be reached ({reason})",
        where=f"{key}={name}",
        remedy=f"connect, or set {key} to a local folder or a bundled model: {', '.join(sorted(BUNDLED))}",
    ) from None


def _within(seconds: float, ask: Callable[[], ModelInfo]) -> ModelInfo:
    """Returns the answer of `ask`.

    Raises:
        TimeoutError: it takes longer than `seconds`; name resolution, which `ask` begins with, has no timeout.
    """
    answers: list[ModelInfo] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no answer in {seconds:.0f} s")
    return answers[0]
