"""Waits until a GPU has given back the memory of an engine that ended before a new one starts there.

In: the share of each visible GPU that an engine takes. Out: nothing; the wait is over when that much is free, or after
a while, since a card that other programs hold is the engine's own finding. Asks nvidia-smi.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time

_POLL_SECONDS = 1.0
_ASK_SECONDS = 20.0


def wait_for_gpu_memory(share: float, timeout_seconds: float = 60.0) -> None:
    """Waits until every GPU that this process may use has a share of its memory free.

    Args:
        share: of the memory of a GPU, between 0 and 1.
        timeout_seconds: how long to wait at most.
    """
    deadline = time.monotonic() + timeout_seconds
    while any(free < share for free in free_shares(_ask_driver())) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def free_shares(answer: str) -> list[float]:
    """Returns the share of each GPU's memory that is free.

    Args:
        answer: lines `FREE, TOTAL` in MiB; a line without numbers, as of a part of a card, is left out.
    """
    pairs = [line.split(",") for line in answer.splitlines()]
    numbers = [(free.strip(), total.strip()) for free, total in (pair for pair in pairs if len(pair) == 2)]
    return [int(free) / int(total) for free, total in numbers if free.isdecimal() and total.isdecimal() and int(total)]


def _ask_driver() -> str:
    """Asks nvidia-smi about the GPUs of this process; returns nothing where there is none, or it cannot say."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    command = [*query, f"--id={visible}"] if visible else query
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False).stdout
    except subprocess.TimeoutExpired:
        return ""
