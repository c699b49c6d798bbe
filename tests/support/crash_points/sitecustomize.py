"""Stops a process at a named moment, so that a test can kill it there; nothing of this is in the product.

With this folder on PYTHONPATH and SYNTHMILL_STOP_AT=POINT, the first Python process (the driver, one of Ray's workers)
that comes to a file operation which is that point makes the file SYNTHMILL_STOP_MARKER and waits there:

    open         the folder of a start that has taken over is about to be made
    rename       a part of an engine is written and fsynced, and not yet renamed
    list         an entry of the manifest is written and fsynced, and has no number yet; not the first one
    merge        the same as rename, for a merged part
    delete       a merged part counts, and a part it replaces is about to be deleted
    before_done  everything is there but `_DONE` of the samples
"""

import os
import time
from pathlib import Path


def point_of(operation: str, path: Path, target: object) -> str:
    """The name of the moment before a file operation, or nothing."""
    name, folder = Path(str(target)).name, Path(str(target)).parent
    if operation == "rename" and name.startswith("part-e"):
        return "rename"
    if operation == "rename" and name.startswith("part-merged"):
        return "merge"
    if operation == "link":
        return "list" if name > "00000001.json" else ""
    if operation == "replace" and name == "_DONE" and folder.parent.name == "samples":
        return "before_done"
    if operation == "unlink" and path.suffix == ".parquet":
        return "delete"
    return "open" if operation == "mkdir" and path.name.startswith("attempt-") else ""


def install(at: str, marker: str) -> None:
    """Makes this process stop at a point, unless another has stopped there already."""

    def stopping(operation):  # noqa: ANN001, ANN202  # runs in every process, before anything else is imported
        owner = os if operation == "link" else Path
        original = getattr(owner, operation)

        def wrapped(self, *arguments, **options):  # noqa: ANN001, ANN002, ANN003, ANN202
            target = arguments[0] if arguments and operation in {"rename", "replace", "link"} else self
            if point_of(operation, self, target) == at:
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    return original(self, *arguments, **options)
                time.sleep(600)
            return original(self, *arguments, **options)

        setattr(owner, operation, wrapped)

    for operation in ("rename", "replace", "unlink", "mkdir", "link"):
        stopping(operation)


if os.environ.get("SYNTHMILL_STOP_AT"):
    install(os.environ["SYNTHMILL_STOP_AT"], os.environ["SYNTHMILL_STOP_MARKER"])
