"""`synthmill status s3://...`: who works on a run behind a URL, and how far it is, without fetching anything.

In: the URL of a run. Out: lines on the terminal, once or again and again, or JSON, from the object of the run in the
store and from what its driver puts beside it (engine/watch/shared.py), which is up to a quarter of a minute old. While
nobody says that it ended, whether the driver lives is told by its claim on the run, by the clock of the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from engine.command_line.status import Options, View, ending, watch
from engine.storage.remote.claims import LEASE_SECONDS
from engine.storage.remote.opening import RunByUrl, look_at_run
from engine.storage.typed import from_json_values
from engine.text.durations import format_seconds
from engine.watch.life import Life
from engine.watch.made import Kept, Made
from engine.watch.status import FORMAT, Status

_FOLLOW_SECONDS = 15.0
"""As often as a driver says something."""
T = TypeVar("T")


@dataclass(frozen=True)
class ViewByUrl:
    """All that is known of a run behind a URL at a moment."""

    run: RunByUrl
    view: View
    """Of what its driver said last."""

    @property
    def is_well(self) -> bool:
        """Tells whether the run goes on as it should, or has finished, as far as is known."""
        return self.view.life is not Life.has_died and self.view.is_well

    @property
    def goes_on(self) -> bool:
        """Tells whether there will be more to see."""
        return self.view.life is Life.goes_on

    def as_json(self) -> dict[str, Any]:
        """Returns all that is known as JSON has it."""
        known = {name: value for name, value in asdict(self.run).items() if not name.startswith("said")}
        return known | {name: value for name, value in self.view.as_json().items() if name != "run_dir"}

    def lines(self) -> list[tuple[str, str]]:
        """Returns what is told, line by line: about what, and a text."""
        run = self.run
        told = [("run", f"{run.url}: {_in_words(self)}"), *self.view.lines()[1:]]
        entries = [f"{name} (of an earlier config)" if name in run.earlier else name for name in run.entries]
        if self.view.status is None:
            told.append(("made", ", ".join(entries) or "nothing that is linked yet"))
        elif run.earlier:
            told.append(("earlier", f"{', '.join(run.earlier)}: of an earlier config, until it is made anew"))
        return told


def show_run_by_url(options: Options) -> int:
    """Shows how far a run is.

    Returns:
        The exit code: 0 where somebody works on it who was heard of lately, or nobody does and it has finished, as far
        as is known; `NOT_WELL` otherwise, also where its driver went on by its last words and has ended since.

    Raises:
        UserError: there is no run behind the URL.
    """
    return watch(options, lambda _: look_by_url(options.run), _FOLLOW_SECONDS)


def look_by_url(url: str) -> ViewByUrl:
    """Reads all that is known of a run behind a URL.

    Raises:
        UserError: there is no run behind the URL.
    """
    run = look_at_run(url)
    said = run.said or {}
    status = said.get("status")
    status = from_json_values(Status, status) if status and status["format"] == FORMAT else None
    made, kept = _of_json(Made, said.get("made")), _of_json(Kept, said.get("kept"))
    return ViewByUrl(run, View(run.url, status, _life_of(run, status), made, kept))


def _of_json(kind: type[T], values: Mapping[str, Any] | None) -> T | None:
    return None if values is None else from_json_values(kind, values)


def _life_of(run: RunByUrl, status: Status | None) -> Life:
    """Tells how a run is: by what its driver said, and until it says that it ended by its claim.

    Who gives the claim back has ended, and did not die. How it ended is said right behind that, or never, where the
    store did not take it.
    """
    if status.is_over if status else not run.holder:
        return Life.has_ended
    if run.age_seconds <= LEASE_SECONDS:
        return Life.goes_on
    return Life.has_died if run.holder else Life.has_ended


def _in_words(seen: ViewByUrl) -> str:
    run, status = seen.run, seen.view.status
    ago = format_seconds(max(0.0, run.age_seconds))
    if status and status.is_over:
        message = f": {status.message}" if status.message else ""
        return f"{ending(status)}, {format_seconds(max(0.0, run.said_seconds))} ago{message}"
    if not run.holder and not status:
        return f"nobody works on it, for {ago}"
    driver = _driver(run, status)
    if seen.view.life is Life.has_died:
        lasted = f" after {format_seconds(max(0.0, status.written - status.began))}" if status else ""
        goes_on = "the command that started it goes on from there"
        return f"has died or is cut off ({driver}){lasted}, not heard of for {ago}; {goes_on}"
    if seen.view.life is Life.has_ended:
        return f"has ended ({driver}), {ago} ago; how is not known, since the last that it said did not come through"
    if not run.holder:
        return f"is about to end ({driver})"
    unsaid = "" if status else "; how far it is was not said yet, `synthmill status` on that machine may know"
    return f"goes on ({driver}), heard of {ago} ago{unsaid}"


def _driver(run: RunByUrl, status: Status | None) -> str:
    if status:
        return f"pid {status.driver.pid} on {status.driver.host}"
    host, process, _ = run.holder.split("/")
    return f"pid {process} on {host}"
