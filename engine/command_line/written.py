"""Masks secrets in what Hydra itself writes of a config: the file of a sweep, and what `--cfg` prints.

In: a file that Hydra wrote, or a block in which it prints. Out: the same with a mask in place of each secret. The
configs that synthmill itself keeps are masked before they are written (compose.py, engine/runtime/tracking.py).
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from engine.runtime.secrets import masked, redacted_argument
from engine.storage.files import write_text


def mask_file(file: Path) -> None:
    """Masks the secrets of a YAML file in place; a file without any stays as it is, and a missing one is none."""
    if file.is_file():
        text = file.read_text(encoding="utf-8")
        if (safe := masked_yaml(text)) != text:
            write_text(file, safe)


@contextlib.contextmanager
def printing_masked() -> Iterator[None]:
    """Prints the YAML that is printed in the block when it ends, with secrets masked."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        sys.stdout.write(masked_yaml(printed.getvalue()))


def masked_yaml(text: str) -> str:
    """Returns YAML with its secrets masked, also in the overrides that Hydra notes as text; without any, as it is."""
    values = yaml.safe_load(text)
    safe = masked(values)
    if isinstance(safe, dict) and "hydra" in safe:
        safe["hydra"] = _redacted(safe["hydra"])
    return text if safe == values else str(yaml.safe_dump(safe, allow_unicode=True, sort_keys=False))


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _redacted(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_redacted(part) for part in value]
    return redacted_argument(value) if isinstance(value, str) else value
