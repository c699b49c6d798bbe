"""TODO: what comes in, what goes out, why this way."""

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
"""After so long without an answer the hub counts as unreachable, name resolution included."""


HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja"]


_HUB_FILES_LEFT = ["onnx/*", "openvino/*", "original/*", "consolidated*", "coreml/*"]


def cached_snapshot(repo: str, revision: str | None) -> Path | None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return snapshot(repo, revision, offline=True)
    except LocalEntryNotFoundError:  # not here, or not all of it
        return None


def snapshot(repo: str, revision: str | None, *, offline: bool) -> Path:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        repo,
        revision=revision,
        local_files_only=offline,
        allow_patterns=_HUB_FILES,
        ignore_patterns=_HUB_FILES_LEFT,
    )
    return Path(folder)


def ask_hub(repo: str, revision: str | None, name: str, key: str) -> ModelInfo:
    """One request without retries, so that a missing network shows at once and a wrong name before any download."""
    from huggingface_hub import HfApi, errors

    http_error = errors.HTTPError  # type: ignore[attr-defined]  # of the client's HTTP library, whichever that is
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
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    raise UserError(
        f"not on this machine, and the hub at {endpoint} cannot be reached ({reason})",
        where=f"{key}={name}",
        remedy=f"connect, or set {key} to a local folder or a bundled model: {', '.join(sorted(BUNDLED))}",
    ) from None


def _within(seconds: float, ask: Callable[[], ModelInfo]) -> ModelInfo:
    """The answer of `ask`; TimeoutError when it takes longer (name resolution knows no timeout of its own)."""
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
