"""`synthmill status s3://...`: who works on a run behind a URL, and what it has made, without fetching anything.

In: the URL of a run. Out: lines on the terminal, or JSON, from the one object of the run in the store. How far a step
is stands on the disk of its driver, where `synthmill status` says it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from engine.runtime.console import Console
from engine.storage.remote.claims import LEASE_SECONDS
from engine.storage.remote.opening import RunByUrl, look_at_run
from engine.text.durations import format_seconds
from engine.visible import visible


def show_run_by_url(url: str, *, as_json: bool) -> bool:
    """Shows who works on a run.

    Returns:
        Whether it is well: somebody works on it who was heard of lately, or nobody does.

    Raises:
        UserError: there is no run behind the URL.
    """
    run = look_at_run(url)
    is_well = not run.holder or run.age_seconds <= LEASE_SECONDS
    if as_json:
        sys.stdout.write(visible(json.dumps({**asdict(run), "is_well": is_well}, ensure_ascii=False)) + "\n")
        return is_well
    console = Console()
    console.step("run", f"{run.url}: {_in_words(run, is_well=is_well)}")
    entries = [f"{name} (of an earlier config)" if name in run.earlier else name for name in run.entries]
    console.step("made", ", ".join(entries) or "nothing that is linked yet")
    return is_well


def _in_words(run: RunByUrl, *, is_well: bool) -> str:
    ago = format_seconds(max(0.0, run.age_seconds))
    if not run.holder:
        return f"nobody works on it, for {ago}"
    host, process, _ = run.holder.split("/")
    driver = f"pid {process} on {host}"
    if is_well:
        return f"goes on ({driver}), heard of {ago} ago; `synthmill status` on {host} tells more"
    return f"has died or is cut off ({driver}), not heard of for {ago}; the command that started it goes on from there"
