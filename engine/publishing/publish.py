"""Publishes what a run made, after its last step or later; the same command again uploads nothing twice.

In: finished folders and a Target that the hub was asked about. Out: the repository, and a line for the user. It is no
step, since what it makes lies elsewhere: nothing of a run depends on it, and no fingerprint covers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.report import ReportFolder
from engine.publishing.contents import model_files, system_files
from engine.publishing.hub import upload

if TYPE_CHECKING:
    from engine.publishing.target import Target
    from engine.runtime.console import Console


def publish(target: Target, folders: Mapping[str, Path], console: Console) -> None:
    """Uploads a model with its card, and the search where that is asked for.

    Args:
        target: what `engine.publishing.hub.reach` returned.
        folders: the finished folders of the run by noun: `model`, `system` where that is asked for, and `report` where
            there is one.
        console: where the user looks.

    Raises:
        UserError: the hub refuses something, or cannot be reached.
    """
    if "report" in folders and _advised_model(folders["report"]) == "base":
        console.warn("the report advises the base and not the tuned model, which is published all the same")
    files = model_files(folders["model"], target.repo)
    if target.with_system:
        files += system_files(folders["system"])
    with console.waiting("publish", f"comparing with {target.repo}, and uploading"):
        done = upload(target, files)
    seen_by = "private" if done.is_private else "public"
    sent = f"{done.files} files of {done.num_bytes / 1e6:,.1f} MB uploaded" if done.files else "nothing to upload"
    removed = f", {done.removed} of an earlier upload removed" if done.removed else ""
    console.step("publish", f"{done.url}: {sent}, {done.unchanged} there already{removed}; {seen_by}")


def _advised_model(report: Path) -> str:
    """Returns the encoder that a report advises, base or tuned; empty where it compares no encoders."""
    values = ReportFolder(report).values()
    choice = (values.get("recommendation") or {}).get("choice") or values.get("decision") or {}
    return str(choice.get("model", ""))
