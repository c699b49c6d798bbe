"""What a model is called before people who have another machine: in a card, and in a search that is handed over.

In: a model's name as a config has it. Out: what is written of it. A folder's path tells of this machine and of who uses
it, and helps nobody elsewhere, so that its last part stands for it.
"""

from __future__ import annotations

from pathlib import Path

from engine.models.hub import HUB_ID


def public_name(model: str) -> str:
    """Returns the name of a bundled model or of one on a hub as it is, and of a folder the last part of its path.

    Args:
        model: `bundled:NAME`, a folder, or a hub id; where a folder has the name of a hub id, it is the folder.
    """
    folder = Path(model).expanduser()
    if model.startswith("bundled:") or (HUB_ID.fullmatch(model) and not folder.exists()):
        return model
    return (folder if folder.name.strip(".") else folder.resolve()).name
