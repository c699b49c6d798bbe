"""CPU seconds of a command and all that it starts, by kind of process: what Ray keeps busy beside driver and engines.

In: a process. Out: for each kind of process (driver, engine, gcs_server, raylet, ...) how many there were and the CPU
seconds that they used, user and system together, in the phases that the caller names; read from /proc. A process that
lives for less than a poll is not seen, and of each process the last moments before its end are not.
"""

from __future__ import annotations

import collections
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

POLL_SECONDS = 0.1
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_KINDS = (
    (r"gcs_server", "gcs_server"),
    (r"raylet/raylet", "raylet"),
    (r"dashboard/agent\.py|ray::DashboardAgent", "dashboard agent"),
    (r"runtime_env/agent/main\.py|ray::RuntimeEnvAgent", "runtime-env agent"),
    (r"log_monitor\.py", "log monitor"),
    (r"_private/monitor\.py", "autoscaler monitor"),
    (r"dashboard/dashboard\.py", "dashboard"),
    (r"ray::EngineActor", "engine"),
    (r"(?:setup|default)_worker\.py|ray::IDLE", "worker"),
    (r"ray::", "worker"),
)
"""What a command line holds, and the kind of process that it is; the first that fits. A Ray worker renames itself."""
_OTHER, _DRIVER = "other", "driver"


@dataclass
class Process:
    """One process: what it is, and its CPU seconds at each poll."""

    kind: str
    seconds: list[tuple[float, float]] = field(default_factory=list)
    """Pairs of the time, in seconds of the epoch, and the CPU seconds until then."""

    def between(self, begin: float, end: float) -> float:
        """CPU seconds from one time to another, by the last polls before both."""
        return self._until(end) - self._until(begin)

    def _until(self, when: float) -> float:
        return max((seconds for polled, seconds in self.seconds if polled <= when), default=0.0)


class Account:
    """A process and all that descend from it, those included whose parents have ended since."""

    def __init__(self) -> None:
        self._root = 0
        self._known: dict[tuple[int, int], Process] = {}
        """By the id of the process and the time when it started: ids are used again."""

    def watch(self, root: int) -> None:
        """Follows a process until it has ended; whoever started it waits for it afterwards.

        Args:
            root: its id.
        """
        self._root = root
        while self._poll():
            time.sleep(POLL_SECONDS)

    def _poll(self) -> bool:
        """Reads every process once; returns whether the root lives."""
        now, table = time.time(), dict(_processes())
        children: dict[int, list[int]] = collections.defaultdict(list)
        for pid, status in table.items():
            children[status.parent].append(pid)
        waiting = [pid for pid, status in table.items() if pid == self._root or (pid, status.started) in self._known]
        seen: set[int] = set()
        while waiting:
            if (pid := waiting.pop()) in seen:
                continue
            seen.add(pid)
            process = self._known.setdefault((pid, table[pid].started), Process(_OTHER))
            process.kind = self._kind(pid) or process.kind
            process.seconds.append((now, table[pid].cpu_seconds))
            waiting += children[pid]
        return self._root in table and not table[self._root].has_ended

    def _kind(self, pid: int) -> str:
        if pid == self._root:
            return _DRIVER
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has just ended
            return ""
        command = " ".join(words)
        return next((kind for pattern, kind in _KINDS if re.search(pattern, command)), Path(words[0]).name)

    def table(self, phases: Mapping[str, tuple[float, float]]) -> dict[str, dict[str, float]]:
        """CPU seconds by kind of process and phase, the kinds with the most first; `processes` counts them.

        Args:
            phases: begin and end by name, in seconds of the epoch.
        """
        found: dict[str, dict[str, float]] = {}
        for process in self._known.values():
            row = found.setdefault(process.kind, dict.fromkeys(("processes", *phases), 0.0))
            row["processes"] += 1
            for name, (begin, end) in phases.items():
                row[name] += process.between(begin, end)
        return dict(sorted(found.items(), key=lambda item: -sum(item[1][name] for name in phases)))


@dataclass(frozen=True)
class _Status:
    parent: int
    started: int
    """When it started, in ticks since the machine did."""
    cpu_seconds: float
    has_ended: bool
    """Whether it has ended, and nobody has waited for it yet."""


def _processes() -> Iterator[tuple[int, _Status]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has just ended
            continue
        fields = text[text.rindex(")") + 2 :].split()  # the name before may hold blanks and brackets
        seconds = (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
        yield int(folder.name), _Status(int(fields[1]), int(fields[19]), seconds, fields[0] == "Z")


def print_table(table: Mapping[str, Mapping[str, float]]) -> None:
    """Prints CPU seconds by kind of process, one column for each phase, and their sums."""
    columns = list(next(iter(table.values())))
    rows = [*table.items(), ("sum", {name: sum(row[name] for row in table.values()) for name in columns})]
    print(f"{'CPU seconds':20}" + "".join(f"{name:>12}" for name in columns))
    for kind, row in rows:
        figures = (f"{value:12.0f}" if name == "processes" else f"{value:12.2f}" for name, value in row.items())
        print(f"{kind:20}" + "".join(figures), flush=True)
