"""Which weights the libraries would load from a model's folder, and whether any of them is a pickle.

In: a folder that a user, a hub or another program wrote. Out: what is wrong with it, if anything is. transformers,
sentence-transformers and peft fall back to pickles one folder at a time, some of them whatever they are told, so each
folder that a module is loaded from is looked at, by the names that its library looks for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADAPTER = "adapter_config.json"
"""The file that makes transformers and vLLM look for the weights of an adapter."""
MODULES = "modules.json"
"""The file in which sentence-transformers lists the modules of a folder, each with the folder that it is in."""
_SAFE, _INDEX, _SAFE_ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_PICKLED_ADAPTERS = ("adapter_model.bin", "adapter_model.pt")
_ROUTERS = (".Router", ".Asym")
"""How the types of modules end that load others; the second is what they were called."""
_WITH_WEIGHTS = (
    ".CNN",
    ".Dense",
    ".LayerNorm",
    ".LSTM",
    ".StaticEmbedding",
    ".WeightedLayerPooling",
    ".WordEmbeddings",
)
"""How the types of modules end that have weights in their own folder, in one file."""
_CONFIGS_OF_ROUTERS = ("router_config.json", "config.json")
"""The files in which a router lists modules in its folder, the one that is looked for first before the older one."""
_OTHER_FORMS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
"""Endings of weights whose loading can run code."""
_CONVERT_MODULES = "SentenceTransformer(MODEL).save(NEW_FOLDER), and name that folder"
_CONVERT = "AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), the tokenizer likewise"


@dataclass(frozen=True)
class Module:
    """A module of a model: a folder within the model's, and the class that reads it; empty for a plain model."""

    path: str
    type: str = ""


def modules_of(folder: Path) -> Iterator[Module]:
    """Gives the modules that sentence-transformers would load, those within routers too; of a plain model its root.

    Raises:
        ValueError: a list of modules is no JSON, or names a folder outside of the model's.
        TypeError: it is JSON of another form.
        LookupError: a module has no path.
    """
    listed = _read(folder / MODULES)
    waiting = [Module("")] if listed is None else [Module(str(each["path"]), str(each.get("type"))) for each in listed]
    seen: set[str] = set()
    for module in waiting:
        if Path(module.path).is_absolute() or ".." in Path(module.path).parts:
            raise ValueError(f"a module in {module.path!r}, which is outside")
        if module.path in seen:
            continue
        seen.add(module.path)
        yield module
        if module.type.endswith(_ROUTERS):
            configs = (_read(folder / module.path / name) for name in _CONFIGS_OF_ROUTERS)
            config: dict[str, Any] = next((each for each in configs if each), {})
            inner = dict(config.get("types", {}))
            waiting += [Module((Path(module.path) / name).as_posix(), str(kind)) for name, kind in inner.items()]


def fault_of_weights(folder: Path, *, is_adapter: bool, is_generator: bool = False) -> tuple[str, str] | None:
    """Tells what keeps the weights of a folder from being loaded, and the remedy; None where nothing does.

    Args:
        folder: the model's or the adapter's.
        is_adapter: whether it is an adapter, of which no other file is loaded.
        is_generator: whether vLLM loads it, which takes all safetensors files of the folder, whatever they are called.
    """
    names = [file.name for file in folder.iterdir()]
    if (fault := fault_of_names(names, is_adapter=is_adapter, is_generator=is_generator)) or is_adapter:
        return fault
    try:
        for module in [Module(""), *modules_of(folder)]:
            if fault := _fault_of_module(folder, module, is_generator=is_generator):
                return fault
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return f"has a damaged list of files ({type(error).__name__}: {error})", "copy or download the model again"
    return None


def fault_of_names(names: Iterable[str], *, is_adapter: bool, is_generator: bool = False) -> tuple[str, str] | None:
    """Tells what is wrong where none of the names are those of safetensors weights, and the remedy."""
    known = sorted(names)
    safe = (_SAFE_ADAPTER,) if is_adapter else (_SAFE, _INDEX)
    others = [name for name in known if name.endswith(".safetensors") and "/" not in name]
    if any(name in safe for name in known) or any(name.startswith("consolidated") for name in others if not is_adapter):
        return None
    if is_generator and not is_adapter and any(name != _SAFE_ADAPTER for name in others):
        return None
    if unsafe := [name for name in known if name.endswith(_OTHER_FORMS)]:
        return _pickled(unsafe[0])
    beside = f" but {others[0]}, which is not loaded" if others else ""
    return f"holds no weights{beside}", f"name a model with {' or '.join(safe)}"


def _fault_of_module(root: Path, module: Module, *, is_generator: bool) -> tuple[str, str] | None:
    folder = root / module.path
    for index in sorted(folder.glob("*.safetensors.index.json")):
        shards = {str(shard) for shard in _read(index)["weight_map"].values()}
        if other := sorted(shard for shard in shards if not shard.endswith(".safetensors")):
            return _pickled(other[0])
        if missing := sorted(shard for shard in shards if not (folder / shard).is_file()):
            what = f"{len(missing)} of {len(shards)} weight files are missing, the first is {missing[0]}"
            return what, "copy or download the model again"
    named = str((_read(folder / "config.json") or {}).get("transformers_weights") or _SAFE)
    if not named.endswith((".safetensors", ".safetensors.index.json")):
        return _pickled(named)
    reads_index = module.type.endswith("Transformer") or not (root / MODULES).is_file()
    has_safe = (
        (is_generator and folder == root) or (folder / _SAFE).is_file() or (reads_index and (folder / _INDEX).is_file())
    )
    pickles: tuple[str, ...] = () if has_safe or (not module.type and (root / MODULES).is_file()) else _PICKLES
    if (folder / ADAPTER).is_file() and not (folder / _SAFE_ADAPTER).is_file():
        pickles += _PICKLED_ADAPTERS
    there = next((name for name in pickles if (folder / name).is_file()), None)
    if there:
        return _pickled((Path(module.path) / there).as_posix())
    if module.type.endswith(_WITH_WEIGHTS) and not has_safe:
        file = (Path(module.path) / _SAFE).as_posix()
        what = f"holds no {file}, without which its {module.type.rpartition('.')[2]} cannot be loaded"
        return (
            what,
            f"copy the model again; where it has that as pytorch_model.bin and you trust it: {_CONVERT_MODULES}",
        )
    return None


def _pickled(name: str) -> tuple[str, str]:
    what = f"holds its weights as {name} only, and loading that kind of file can run code"
    return what, f"where you trust it, convert it ({_CONVERT}) and name NEW_FOLDER"


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
