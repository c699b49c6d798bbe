"""The fingerprint of a step: one hash of all that its result depends on, which is config, inputs and sources.

In: a config dataclass, the fingerprints of a step's inputs, the module of its function. Out: 16 hex digits.
Where a step runs (workers, batch sizes of inference, paths, log folders) is marked with `placement()` beside the
field and stays out, so that a run resumes on another machine. (After marin's split of literals and context.)

The source hash follows imports as written, function-level ones included and `if TYPE_CHECKING` ones not, so an edit
reruns exactly the steps whose code can see it. Comments and docstrings are left out: a mended typo reruns nothing.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from engine.runtime.sources import read_source, remember_sources
from engine.storage.digests import digest

PACKAGES = ("engine", "training", "eval")
ROOT = Path(__file__).resolve().parents[2]


def placement(default: Any = dataclasses.MISSING, *, default_factory: Any = dataclasses.MISSING) -> Any:
    """Makes a dataclass field that says where or how fast something runs; it is left out of every fingerprint."""
    return dataclasses.field(default=default, default_factory=default_factory, metadata={"placement": True})


def origins() -> Any:
    """Makes a dataclass field that tells under which key the user wrote a setting that follows another key.

    It maps the setting's name to that key, such as `path` to `collection`, so that a message about the value can name
    what the user wrote. It is no setting itself: neither the schema of a run's config nor a fingerprint knows it.
    """
    metadata = {"placement": True, "omegaconf_ignore": True}
    return dataclasses.field(default_factory=dict, compare=False, metadata=metadata)


def identity_of(config: object) -> object:
    """Returns the part of a config that changes a result, as plain JSON values.

    A config class may define `identity(self) -> dict` to replace paths by what they hold.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        identity = getattr(config, "identity", None)
        return identity_of(identity()) if identity else fields_of(config)
    if isinstance(config, Mapping):
        return {str(key): identity_of(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [identity_of(value) for value in config]
    return config.value if isinstance(config, Enum) else config


def fields_of(config: object, *, without: Collection[str] = ()) -> dict[str, object]:
    """Returns every field of a dataclass that is no placement, by name; `identity()` methods start from this."""
    fields = [field for field in dataclasses.fields(config) if not field.metadata.get("placement")]  # type: ignore[arg-type]
    return {field.name: identity_of(getattr(config, field.name)) for field in fields if field.name not in without}


@functools.cache
def source_hash(module: str, root: Path = ROOT) -> str:
    """Hashes the project sources that `module` imports, directly or through others, and `module` itself."""
    hashed = digest({name: read_source(_path(name, root)).code for name in reachable(module, root)})
    remember_sources()
    return hashed


def reachable(module: str, root: Path = ROOT) -> list[str]:
    """Returns the sorted names of the project modules that `module` reaches by imports, and of `module` itself."""
    seen: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            imported = read_source(_path(name, root)).imports
            queue.extend(name for name in imported if name.split(".")[0] in PACKAGES and _path(name, root).is_file())
    return sorted(seen)


def _path(module: str, root: Path) -> Path:
    base = root.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
