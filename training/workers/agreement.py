"""Decisions that the ranks of a training make together: two that decide differently wait for each other for ever.

In: each rank's own answer, after a look at its own memory, hardware or clock. Out: one answer, the same on all ranks.
"""

from __future__ import annotations

import torch
from torch import distributed


def is_so_on_all_ranks(answer: bool, device: torch.device) -> bool:
    """Returns whether every rank answered yes; each rank has to ask, and waits for the others.

    Args:
        answer: this rank's answer.
        device: what this rank computes on, since some backends exchange nothing in any other memory.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return answer
    votes = torch.tensor([int(answer)], device=device)
    distributed.all_reduce(votes, op=distributed.ReduceOp.MIN)
    return bool(votes.item())


def largest_on_all_ranks(number: int, device: torch.device) -> int:
    """Returns the largest number of all ranks; each rank has to ask, and waits for the others.

    Args:
        number: this rank's number.
        device: as for `is_so_on_all_ranks`.
    """
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return number
    numbers = torch.tensor([number], device=device)
    distributed.all_reduce(numbers, op=distributed.ReduceOp.MAX)
    return int(numbers.item())
