"""The processes of an engine end together: those that it started never outlive it.

In: the process that calls. Out: the leader of a process group that is killed as a whole when the leader ends, in
whatever way: on a GPU vLLM computes in processes of its own, and one that is left over keeps the card's memory.
"""

from __future__ import annotations

import os
import subprocess

_WATCH = 'exec 3<&0; (read -r _ <&3; kill -s KILL -- "-$0") &'
"""A shell that reads until the pipe is closed, and then kills the group that its first argument names."""


def lead_process_group() -> None:
    """Makes this process the leader of a group of its own, and has the whole group killed when this process is gone.

    A shell waits at a pipe whose other end this process alone holds: the kernel closes it, also after SIGKILL. The
    shell is no child of this process, because Ray ends the children of a worker before the worker itself. A child
    that was forked without another program in it would hold the pipe too; vLLM is told to spawn
    (engine/generation/vllm_generator.py).
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    reading, _writing = os.pipe()  # the writing end stays open for as long as this process lives
    subprocess.run(
        ["/bin/sh", "-c", _WATCH, str(os.getpid())],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )
    os.close(reading)
