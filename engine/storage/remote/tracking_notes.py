"""Which run of a tracker a run behind a URL is: what of RUN/tracking goes along to the machine that goes on with it.

In: the folder of the tracker on this disk. Out: JSON values in the object of the run, and the same folder on another
disk. Along go the ids by which a server knows the run, how often it was started there, and what a server was told. What
a tracker keeps as files (offline runs of W&B, events, folders of MLflow) stays where it was written, and so does what
was told to it: another machine tells of it again, under the same id of W&B. A file that is damaged is a UserError.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.errors import UserError
from engine.storage.files import make_folder, write_json, write_text
from engine.storage.run_folders import config_file

STARTS_FILE = "wandb_starts"
"""The file that holds how often a run was started in W&B, whose steps may not come twice."""
TOLD_FILE = "told.json"
"""The file that says what each tracker was told (engine/watch/tracked.py)."""
_WANDB_ID, _MLFLOW_IDS = "wandb_id", "mlflow_*_id"
"""Files that hold an id; where MLflow has a folder in the run folder, its id has another name."""
_ONLINE, _MLFLOW = "online", "mlflow_"
"""What W&B is called where it has a server, and how the names of others than the run folder begin with MLflow."""
_SHOWN = 40
"""At most so many characters of a damaged value are shown."""
_SERVERS = ("http://", "https://", "databricks")
"""How a `tracking.uri` begins that leads to the same runs from everywhere."""


def read_tracking(run_dir: Path) -> dict[str, Any]:
    """Reads what of a run's tracker goes along with it; nothing where it has told none."""
    folder, is_server = run_dir / "tracking", _uri(run_dir).startswith(_SERVERS)
    files = [*folder.glob(_WANDB_ID), *(sorted(folder.glob(_MLFLOW_IDS)) if is_server else ())]
    names = (_ONLINE, _MLFLOW) if is_server else (_ONLINE,)
    told = {name: steps for name, steps in read_told(folder).items() if name.startswith(names)}
    ids = {file.name: _id(file) for file in files}
    return {"ids": ids, "starts": count_starts(folder), "told": told} if ids else {}


def check_tracking(run_dir: Path) -> None:
    """Refuses notes that are damaged, of whatever tracker, before a run begins that would meet them at every commit.

    Raises:
        UserError: with the file.
    """
    folder = run_dir / "tracking"
    count_starts(folder)
    read_told(folder)
    for file in (*folder.glob(_WANDB_ID), *folder.glob(_MLFLOW_IDS)):
        _id(file)


def restore_tracking(run_dir: Path, kept: Mapping[str, Any]) -> None:
    """Makes the tracker of a run on this disk go on with what it was elsewhere.

    Args:
        run_dir: the run folder.
        kept: what `read_tracking` read there; empty for runs that older versions committed.
    """
    folder = run_dir / "tracking"
    ids = {name: text for name, text in kept.get("ids", {}).items() if _is_id(name)}
    if not ids:
        return
    make_folder(folder, where=str(run_dir))
    for name, text in ids.items():
        write_text(folder / name, f"{text}\n")
    note_starts(folder, max(kept.get("starts", 0), count_starts(folder)))
    if told := {**read_told(folder), **kept.get("told", {})}:
        write_json(folder / TOLD_FILE, told)


def is_whole(kept: object) -> bool:
    """Tells whether what is to be restored has the form of what `read_tracking` returns."""
    if not isinstance(kept, dict):
        return False
    ids, starts, told = kept.get("ids", {}), kept.get("starts", 0), kept.get("told", {})
    has_ids = isinstance(ids, dict) and all(isinstance(text, str) and text for text in ids.values())
    return has_ids and isinstance(starts, int) and starts >= 0 and _is_told(told)


def count_starts(folder: Path) -> int:
    """Reads how often a run was started in W&B, on whichever machine; 0 where nobody has counted.

    Raises:
        UserError: the file has no such number.
    """
    file = folder / STARTS_FILE
    if not file.exists():
        return 0
    with _naming_damage(file):
        if not (text := _text(file)).isdecimal():
            raise ValueError(f"{text[:_SHOWN]!r} is no number of starts")
        return int(text)


def note_starts(folder: Path, number: int) -> None:
    """Notes how often a run was started in W&B."""
    write_text(folder / STARTS_FILE, f"{number}\n")


def _is_id(name: str) -> bool:
    """Tells whether a name is that of a file with an id, and leads nowhere else."""
    return name == _WANDB_ID or (Path(name).name == name and Path(name).match(_MLFLOW_IDS))


def _uri(run_dir: Path) -> str:
    """Returns `tracking.uri` of the config that the run was last started with; empty where it sets none."""
    file = config_file(run_dir)
    config = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    return str(((config or {}).get("tracking") or {}).get("uri") or "")


def _id(file: Path) -> str:
    with _naming_damage(file):
        if not (text := _text(file)):
            raise ValueError("it is empty")
        return text


def read_told(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Reads the fingerprints of steps that each tracker has, by its name and by entries; there may be no file yet.

    Raises:
        UserError: the file holds something else.
    """
    file = folder / TOLD_FILE
    if not file.exists():
        return {}
    with _naming_damage(file):
        told = json.loads(_text(file))
        if not _is_told(told):
            raise ValueError("it names no steps by trackers")
        return {name: has for name, has in told.items() if isinstance(has, dict)}


def _is_told(told: object) -> bool:
    """Tells whether a value has the form of what trackers were told; older versions kept a list by tracker."""
    return isinstance(told, dict) and all(_are_steps(has) for has in told.values())


def _are_steps(has: object) -> bool:
    return isinstance(has, list) or (isinstance(has, dict) and all(isinstance(each, list) for each in has.values()))


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def _naming_damage(file: Path) -> Iterator[None]:
    """Says in one line that a file is not what was written."""
    try:
        yield
    except ValueError as error:
        remedy = "restore it, or delete it: what it said is then counted anew, and told again"
        raise UserError(f"is damaged ({error})", where=str(file), remedy=remedy) from error
