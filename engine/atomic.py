"""Writing a file so that a reader, or a kill, sees the old one or the new one and never half of it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path


def write_text(file: Path, text: str) -> None:
    """`*.tmp`, fsync, rename."""
    temporary = temporary_name(file)
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def write_json(file: Path, value: object) -> None:
    """The same for a value as indented JSON."""
    write_text(file, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def temporary_name(file: Path) -> Path:
    """A name beside `file` that no other thread of this machine writes to at the same time."""
    return file.with_name(f"{file.name}.{threading.get_native_id()}.tmp")
