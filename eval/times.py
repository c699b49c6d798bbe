"""Where the time of generation, curation and training went, and what stood idle meanwhile. All functions are pure.

In: the records of the steps. Out: a PhaseTimes for each. Only what was measured is said: where nobody measured what
engines held, or how long they had nothing to do, the figure is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.artifacts.examples import ExamplesRecord
from engine.artifacts.model import ModelRecord
from engine.artifacts.samples import SamplesRecord
from engine.text.durations import format_seconds

_WORDS = {
    "engine_load": "the slowest engine to load",
    "row_filters": "filters that judge one sample at a time",
    "duplicates": "the search for duplicates",
    "round_trip": "the round trip",
    "write": "writing",
    "prepare": "batches and hard negatives",
    "earlier": "earlier attempts",
    "start": "workers to start",
    "load": "the model to load",
    "save": "the model to be written",
}
_OF_WORKERS = ("start", "load", "save")


@dataclass(frozen=True)
class PhaseTimes:
    """Where the time of one step went; a figure that nobody measured is None."""

    seconds: float
    """The seconds of the step, in the start that finished it."""
    unit: str = ""
    """What stood idle, in the singular: `GPU`, `core`, `worker`; empty where nothing was measured."""
    idle_seconds: float | None = None
    """Seconds in which these had nothing to do, summed over all of them."""
    idle_share: float | None = None
    """The same as a share of all seconds that they were held; None too where nothing worked, so that nothing was."""
    waits: Mapping[str, float] = field(default_factory=dict)
    """Seconds by what the step waited for, or did, such as `engine_load`, `row_filters`, `prepare`."""


def phase_times(
    seconds: Mapping[str, float], samples: SamplesRecord, examples: ExamplesRecord, model: ModelRecord
) -> dict[str, PhaseTimes]:
    """Works out where the time of the three long steps went.

    Args:
        seconds: of each step, by what it makes.
        samples: what generation recorded; until the last committed row of all of them engines are idle before their own
            first request, while they load too, and behind their own last row.
        examples: what curation recorded; nobody measures what engines do meanwhile.
        model: what training recorded; workers are idle while they start, load, and while the model is written, of
            which the last attempt alone says how long it took.
    """
    return {
        "generation": _generation(seconds["samples"], samples),
        "curation": PhaseTimes(
            seconds["examples"],
            waits={name: examples.seconds[name] for name in _WORDS if name in examples.seconds},
        ),
        "training": _training(seconds["model"], model),
    }


def _generation(seconds: float, record: SamplesRecord) -> PhaseTimes:
    start = record.generation.engine_start_seconds
    waits = {"engine_load": start} if start else {}
    if record.idle is None:
        return PhaseTimes(seconds, waits=waits)
    unit, idle, worked = "core", record.idle.cpu_seconds, record.cost.cpu_seconds
    if record.cost.gpu_seconds:
        unit, idle, worked = "GPU", record.idle.gpu_seconds, record.cost.gpu_seconds
    return PhaseTimes(seconds, unit, idle, _share(idle, idle + worked), waits)


def _training(seconds: float, record: ModelRecord) -> PhaseTimes:
    phases = record.seconds
    waits = {name: phases[name] for name in _WORDS if name in phases}
    if not {*_OF_WORKERS, "loop"} <= phases.keys():
        return PhaseTimes(seconds, waits=waits)
    idle = sum(phases[name] for name in _OF_WORKERS)
    held = idle + phases["loop"]
    return PhaseTimes(seconds, "worker", round(idle * record.world_size, 3), _share(idle, held), waits)


def _share(idle: float, held: float) -> float | None:
    return round(idle / held, 4) if held else None


def idle_sentence(step: str, times: PhaseTimes) -> str:
    """Says how long one step took, what stood idle, and what it waited for."""
    text = f"{step.capitalize()} took {format_seconds(times.seconds)}"
    if times.idle_seconds is not None and times.idle_share is not None:
        held = {"worker": "its workers were held"}.get(times.unit, f"its engines held {times.unit}s")
        amount = f"{times.idle_seconds:,.0f} {times.unit}-seconds"
        text += f"; {100 * times.idle_share:.0f} % of the time that {held} they stood idle ({amount})"
    elif times.idle_seconds is not None:
        text += f"; no {'worker' if times.unit == 'worker' else 'engine'} worked"
    else:
        text += "; how long engines stood idle meanwhile is not measured"
    verb = "It was spent on" if step == "curation" else "It waited for"
    waits = [f"{_WORDS[name]} {format_seconds(value)}" for name, value in times.waits.items() if value]
    return f"{text}. {verb} {', '.join(waits)}." if waits else f"{text}."
