"""`synthmill status RUN`: how far a run is, from another terminal or another machine, while it goes on and afterwards.

In: the files of a run folder, and what was typed. Out: lines on the terminal, once or again and again, or JSON. Nothing
of the run is changed, and its driver does not notice.
"""

from __future__ import annotations

import errno
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from engine.errors import UserError
from engine.runtime.console import Console, pace_in_words
from engine.storage.typed import to_json_values
from engine.text.durations import format_seconds
from engine.visible import visible

if TYPE_CHECKING:
    from engine.runtime.activity import Count, Moment
    from engine.watch.life import Life
    from engine.watch.made import Kept, Made
    from engine.watch.status import Status
    from engine.watch.times import Times

NOT_WELL = 1
"""The exit code where a run has died, is late, stands still, or ended otherwise than finished."""
_FOLLOW_SECONDS = 5.0
_TRIES, _TRY_SECONDS = 3, 0.2
"""How often a run is read anew where its files change meanwhile, and how soon."""
_SECONDS_PER_HOUR = 3600.0
_EARLIER = "; of earlier starts: this one reads its input, and has changed nothing of the run yet"
_ENDINGS = {
    "finished": "finished",
    "out_of_time": "ended early",
    "interrupted": "was interrupted",
    "refused": "ended with a message",
    "failed": "failed",
}


@dataclass(frozen=True)
class Options:
    """The options of `status`."""

    run: str
    follow: bool = False
    """Whether it is shown again and again until the run has ended."""
    as_json: bool = False


class Seen(Protocol):
    """What is known of a run at a moment, and how that is told."""

    @property
    def is_well(self) -> bool:
        """Tells whether the run goes on as it should, or has finished."""

    @property
    def goes_on(self) -> bool:
        """Tells whether there will be more to see."""

    def as_json(self) -> dict[str, Any]:
        """Returns all that is known as JSON has it."""

    def lines(self) -> list[tuple[str, str]]:
        """Returns what is told, line by line: about what, and a text."""


S = TypeVar("S", bound=Seen)


@dataclass(frozen=True)
class View:
    """All that is known of a run at a moment."""

    run_dir: str
    status: Status | None
    """What its driver said last; None for a run that was made before drivers said anything."""
    life: Life | None
    made: Made | None
    kept: Kept | None

    @property
    def is_well(self) -> bool:
        """Tells whether the run goes on as it should, or has finished."""
        if self.status is None or self.life is None:
            return True
        if self.status.is_over:
            return self.status.state.value == "finished"
        return self.life.value == "goes on" and not self.status.still

    @property
    def goes_on(self) -> bool:
        """Tells whether there will be more to see."""
        return self.life is not None and self.life.value in ("goes on", "is late")

    def as_json(self) -> dict[str, Any]:
        """Returns all that is known as JSON has it."""
        return {**to_json_values(self)}

    def lines(self) -> list[tuple[str, str]]:
        """Returns what is told, line by line."""
        return lines(self)


def read_options(arguments: Sequence[str], usage: str) -> Options:
    """Reads what follows the command.

    Raises:
        UserError: an unknown option, no run, or more than one.
    """
    flags = {argument for argument in arguments if argument.startswith("-")}
    runs = [argument for argument in arguments if argument not in flags]
    if unknown := sorted(flags - {"--follow", "--json"}):
        raise UserError(f"there is no option {unknown[0]!r}", where="status", remedy=f"write: {usage}")
    if len(runs) != 1:
        raise UserError(f"{len(runs)} runs are named, and one is shown", where="status", remedy=f"write: {usage}")
    return Options(runs[0], "--follow" in flags, "--json" in flags)


def status(options: Options) -> int:
    """Shows how far a run is.

    Returns:
        The exit code: 0 for a run that goes on or has finished, `NOT_WELL` otherwise.
    """
    return watch(options, lambda before: look(options.run, before.status if before else None), _FOLLOW_SECONDS)


def watch(options: Options, look_again: Callable[[S | None], S], seconds: float) -> int:
    """Shows what is known of a run: once, or until it has ended. On a terminal each view takes the place of the last.

    Args:
        options: what was typed.
        look_again: reads it, given what was known before.
        seconds: the pause between two looks.

    Returns:
        The exit code: 0 where the run is well, or was not looked at to the end; `NOT_WELL` otherwise.
    """
    console = Console()
    seen: S | None = None
    try:
        seen = look_again(None)
        _show(seen, options, console)
        while options.follow and seen.goes_on:
            time.sleep(seconds)
            seen = look_again(seen)
            if not options.as_json and not console.rich.is_terminal:
                console.verbatim("")
            _show(seen, options, console)
    except KeyboardInterrupt:  # who has seen enough; the run goes on
        if not options.follow:
            raise
    return 0 if seen is None or seen.is_well else NOT_WELL


def _show(seen: Seen, options: Options, console: Console) -> None:
    if options.as_json:
        values = {**seen.as_json(), "is_well": seen.is_well}
        sys.stdout.write(visible(json.dumps(values, ensure_ascii=False)) + "\n")
        sys.stdout.flush()
        return
    if options.follow and console.rich.is_terminal:
        console.rich.clear()
    for noun, text in seen.lines():
        console.step(noun, text)


def look(run: str, before: Status | None = None) -> View:
    """Reads all that is known of a run.

    While the run goes on its files are replaced, merged and deleted: where one goes between two readings, or cannot be
    found any more on a shared disk, everything is read once more.

    Args:
        run: the run folder, as a user typed it.
        before: what its driver had said when it was looked at some seconds ago.

    Raises:
        UserError: there is no such run, or something of it cannot be read.
    """
    for tries in reversed(range(_TRIES)):
        try:
            return _look(run, before)
        except OSError as error:
            if tries and (isinstance(error, FileNotFoundError) or error.errno == errno.ESTALE):
                time.sleep(_TRY_SECONDS)
                continue
            if error.errno == errno.ENAMETOOLONG:
                error.filename = run  # which is told in one line, as by every command
                raise
            where, remedy = str(error.filename or run), "ask again, or as who made the run"
            raise UserError(f"cannot be read ({error.strerror or error})", where=where, remedy=remedy) from error
    raise AssertionError("the last try returns or raises")


def _look(run: str, before: Status | None) -> View:
    from engine.watch.life import life_of
    from engine.watch.made import kept_so_far, made_so_far
    from engine.watch.status import find_status

    folder, said = find_status(run)

    def read_again() -> Status | None:
        nonlocal said
        said = find_status(run)[1] or said
        return said

    life = life_of(said, read_again, time.sleep, before) if said else None
    return View(str(folder), said, life, made_so_far(folder), kept_so_far(folder))


def lines(view: View) -> list[tuple[str, str]]:
    """Says what is known in lines, each with a word that it is about."""
    told = [("run", f"{view.run_dir}: {_life(view)}")]
    if view.status is not None:
        has_ended = view.life is not None and view.life.value == "has ended"  # which it may not have said itself
        told += _of_status(view.status, is_over=view.status.is_over or has_ended)
    if view.status is not None:
        told += _times(view.status.times)
    earlier = "" if view.status is None or view.status.has_begun else _EARLIER
    if view.made is not None:
        told.append(("generated", f"{_made(view.made)}{earlier}"))
    if view.kept is not None:
        told.append(("kept", f"{_kept(view.kept, is_last=_is_last_curation(view.status))}{earlier}"))
    if view.made is not None and (cost := _cost(view.made)):
        told.append(("cost", f"{cost}{earlier}"))
    return told


def _is_last_curation(said: Status | None) -> bool:
    """Tells whether no round is to come whose curation takes the place of what is there."""
    return said is None or not any(entry.startswith("examples (") for entry in _left(said))


def _left(said: Status) -> list[str]:
    """Lists what is not made yet."""
    return [entry for entry in said.steps if entry not in said.made]


def _life(view: View) -> str:
    said = view.status
    if said is None or view.life is None:
        return "no driver has written a status there"
    driver = f"pid {said.driver.pid} on {said.driver.host}"
    ago = format_seconds(max(0.0, time.time() - said.written))
    lasted = format_seconds(max(0.0, said.written - said.began))
    if said.is_over:
        message = f": {said.message}" if said.message else ""
        return f"{_ENDINGS[said.state.value]} after {lasted}, {ago} ago{message}"
    if view.life.value == "has died":
        return f"has died ({driver}) after {lasted}, about {ago} ago; the command that started it goes on from there"
    why = "it is stopped, its machine is overloaded, or its disk is full"
    late = f"; it has written nothing for {ago}: {why}" if _is_late(view) else ""
    return f"goes on ({driver}), for {lasted}{late}"


def _is_late(view: View) -> bool:
    return view.life is not None and view.life.value == "is late"


def _of_status(said: Status, *, is_over: bool) -> list[tuple[str, str]]:
    """Says what the driver knows; of one that has ended, what was made."""
    left = _left(said)
    told = [("made", ", ".join(said.made))] if said.made else []
    if is_over:
        return [*told, ("not made", ", ".join(left))] if left else told
    moment = said.moment
    if moment.step:
        told.append(("now", f"{moment.step}, for {format_seconds(moment.step_seconds)}"))
    told += [(count.noun, progress(count)) for count in moment.counts]
    if said.engines_wanted:
        told.append(("engines", _engines(said)))
    told += [("waits", f"{wait.noun}: {wait.text}, for {format_seconds(wait.seconds)}") for wait in moment.waits]
    told += [("still", text) for text in said.still]
    now = next((entry for entry in left if entry.partition(" ")[0] == moment.step), "")  # of its rounds the first
    if later := [entry for entry in left if entry != now]:
        told.append(("to do", ", ".join(later)))
    return [*told, ("said", _said(moment))] if moment.line else told


def _said(moment: Moment) -> str:
    """Says what the terminal was told last, and how long ago: what it says may be over by now."""
    return f"{moment.line} ({format_seconds(moment.line_seconds)} ago)" if moment.line_seconds >= 1 else moment.line


def progress(count: Count) -> str:
    """Says how far a phase is, how fast, and how long the rest takes, as the terminal of the run does."""
    return f"{count.done:,}/{count.total:,} {count.unit}, {pace_in_words(count)}"


def _engines(said: Status) -> str:
    states = [engine.state for engine in said.engines]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    alive = sum(state in ("ready", "working") for state in states)
    return f"{alive} of {said.engines_wanted} alive" + (f" ({counted})" if counted else "")


def _made(made: Made) -> str:
    failed = f", {made.failed:,} failed" if made.failed else ""
    return f"{made.generated:,} samples{failed}, by what engines noted last, in all that they were asked for"


def _kept(kept: Kept, *, is_last: bool) -> str:
    share = f"{kept.kept / kept.of:.0%}" if kept.of else "none"
    if kept.is_curated and is_last:
        return f"{share} ({kept.kept:,} of {kept.of:,})"
    if kept.is_curated:
        return f"{share} so far: curation kept {kept.kept:,} of {kept.of:,}, and another round is to come"
    return f"{share} so far: the row filters let pass {kept.kept:,} of the last {kept.of:,} samples"


def _cost(made: Made) -> str:
    amounts = {"GPU-hours": made.gpu_seconds, "core-hours": made.cpu_seconds}
    told = [f"{seconds / _SECONDS_PER_HOUR:.2f} {unit}" for unit, seconds in amounts.items() if seconds]
    price = "" if made.price is None else f"; {made.price:,.2f} at the prices of samples.price_per_*_hour"
    return f"{' and '.join(told)} of engines{price}" if told else ""


def _times(times: Times) -> list[tuple[str, str]]:
    """Says where the time of the last start went, and what engines held without working."""
    told = []
    if spent := _longest_first(times.steps):
        told.append(("spent", ", ".join(f"{format_seconds(seconds)} {step}" for step, seconds in spent)))
    if waited := _longest_first(times.waits):
        told.append(("waited", "; ".join(f"{format_seconds(seconds)} {what}" for what, seconds in waited)))
    if held := times.held_seconds:
        idle = times.idle_seconds
        why = ", ".join(f"{seconds / held:.0%} {doing}" for doing, seconds in _longest_first(idle))
        amount = f"{held / _SECONDS_PER_HOUR:.2f} {times.unit}-hours that engines held"
        told.append(("idle", f"{sum(idle.values()) / held:.0%} of {amount}" + (f" ({why})" if why else "")))
    return told


def _longest_first(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Lists what lasted a second or longer."""
    return sorted(((name, each) for name, each in seconds.items() if each >= 1), key=lambda item: -item[1])


def ending(said: Status) -> str:
    """Says how a start ended that is over, and how long it took."""
    return f"{_ENDINGS[said.state.value]} after {format_seconds(max(0.0, said.written - said.began))}"
