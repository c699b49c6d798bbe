"""The config groups and what can be chosen of each: the folders and files of conf/.

In: the files that ship, and a folder of the user's own. Out: names. It imports nothing heavy, so that `--help` answers
at once.
"""

from __future__ import annotations

from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf"
"""The folder of the config files that ship."""


def groups() -> list[str]:
    """Returns the names of the config groups, sorted: the folders of conf/."""
    return sorted(folder.name for folder in CONF.iterdir() if folder.is_dir() and not folder.name.startswith("_"))


def choices(group: str, user_conf: Path | None = None) -> list[str]:
    """Returns the names of what can be chosen of a group, sorted.

    Args:
        group: the name of the group.
        user_conf: a folder with files of the user's own, searched beside conf/.
    """
    folders = [CONF, *([user_conf] if user_conf else [])]
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})
