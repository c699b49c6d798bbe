"""From the name of a model to a folder that transformers and vLLM load as it is, and to what identifies its weights.

In: `bundled:NAME`, a local folder, or a Hugging Face id (`owner/name`, `owner/name@revision`). Out: a folder with
config.json, a tokenizer and safetensors weights, and a digest that is the same wherever the folder lies.

Weights are safetensors only and code that comes with a model is never run. A hub model is taken from the local
cache whenever it is complete there, so that its revision changes only when the user says so. Nothing here imports
torch: the one conversion (GGUF, which vLLM cannot run on a CPU) happens in a process of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import UserError, suggest
from engine.models.bundled import BUNDLED, bundled_folder, bundled_model
from engine.models.hub import HUB_ID, ask_hub, cached_snapshot, raise_unreachable, snapshot
from engine.models.weights import ADAPTER, fault_of_names, fault_of_weights
from engine.storage import digests

MODEL_CONFIG = "config.json"
"""The file that says what a folder of weights is; an adapter has another one (engine/models/adapter.py)."""
_GENERATORS = re.compile(r"(?:^|\.)(?:samples|judge|generator)\.")
"""The keys of models that vLLM loads."""


def resolve_model(name: str, *, key: str, config_file: str = MODEL_CONFIG) -> Path:
    """Finds the local folder of a model, downloaded or converted first where that is needed.

    Args:
        name: `bundled:NAME`, a local folder, or a hub id `owner/name[@revision]`. Where a folder has the name of a
            hub id, the folder is taken.
        key: the config key that named it, for messages.
        config_file: what the folder must hold beside weights.

    Raises:
        UserError: no such model, weights that are missing or pickles, the hub is unreachable, or the disk is full.
    """
    if name.startswith("bundled:"):
        return bundled_folder(name, key)
    if not name.strip():
        raise UserError("no model is named", where=f"{key}=", remedy=suggest(name, BUNDLED))
    folder = Path(name).expanduser()
    if folder.exists():
        return _checked(folder.resolve(), name, key, config_file)
    if match := HUB_ID.fullmatch(name):
        return _hub_folder(match, name, key, config_file)
    remedy = f"name a folder that exists, a hub id (owner/name), or a bundled model: {suggest(name, BUNDLED)}"
    raise UserError("there is no such model", where=f"{key}={name}", remedy=remedy)


def model_digest(name: str, *, key: str, config_file: str = MODEL_CONFIG) -> str:
    """Returns what identifies the weights: the pinned hash (bundled), the commit (hub), or the content (folder).

    Raises:
        UserError: as for `resolve_model`.
    """
    if name.startswith("bundled:"):
        return bundled_model(name, key).sha256
    folder = resolve_model(name, key=key, config_file=config_file)
    # The hub client keeps a snapshot in a folder named after its commit.
    return digests.content_digest(folder) if Path(name).expanduser().exists() else folder.name


def _checked(folder: Path, name: str, key: str, config_file: str) -> Path:
    """Returns the folder, if it holds a config and complete safetensors weights."""
    if fault := _fault(folder, key, config_file):
        what, remedy = fault
        raise UserError(what, where=f"{key}={name}", remedy=remedy)
    return folder


def _fault(folder: Path, key: str, config_file: str) -> tuple[str, str] | None:
    """Tells what keeps a model folder from being loaded, and the remedy; None where nothing does."""
    if not (folder / config_file).is_file():
        return f"holds no {config_file}", "name a folder that save_pretrained wrote"
    return fault_of_weights(folder, is_adapter=config_file == ADAPTER, is_generator=_GENERATORS.search(key) is not None)


def _hub_folder(match: re.Match[str], name: str, key: str, config_file: str) -> Path:
    """Returns the snapshot in the local cache if it is complete, else downloads the revision as it is now."""
    repo, revision = match["id"], match["revision"]
    cached = cached_snapshot(repo, revision)
    if cached and not _fault(cached, key, config_file):
        return cached
    info = ask_hub(repo, revision, name, key)
    names = (sibling.rfilename for sibling in info.siblings or [])
    if fault := fault_of_names(
        names, is_adapter=config_file == ADAPTER, is_generator=_GENERATORS.search(key) is not None
    ):
        what, remedy = fault
        raise UserError(what, where=f"{key}={name}", remedy=remedy)
    try:
        return _checked(snapshot(repo, info.sha, offline=False), name, key, config_file)
    except OSError as error:
        raise_unreachable(error, name, key)
