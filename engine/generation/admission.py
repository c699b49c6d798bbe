"""Decides what an engine asks next: how much at a time, and when the rest of a prefix may follow its first inquiry.

In: inquiries that wait, and what becomes of those that were sent. Out: those that may be sent now. The first inquiry
of a prefix goes alone: those that are sent before it was computed would each compute the prefix anew.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator

from engine.generation.conversation import Inquiry

_MOST_REMEMBERED = 4096
"""Prefixes of which it is known that they were computed, those asked for last: many more than a batch or a cache holds.
One that is forgotten is taken for cold, which costs its rows a step."""


class Admission:
    """The inquiries of one job that wait, and how many samples are in flight.

    Args:
        max_num_seqs: samples that the generator computes at a time; half as many more are sent ahead.
        max_num_batched_tokens: prompt tokens that the generator computes in one step.
    """

    def __init__(self, max_num_seqs: int, max_num_batched_tokens: int) -> None:
        self._most_in_flight = max_num_seqs + max_num_seqs // 2
        self._tokens_of_a_step = max_num_batched_tokens
        self._waiting: collections.deque[Inquiry] = collections.deque()
        self._in_flight = 0
        self._steps = 0
        self._warm_at: collections.OrderedDict[tuple[str, int], int] = collections.OrderedDict()
        """The step from which on a prefix of a turn is taken to be computed."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, inquiries: Iterable[Inquiry]) -> None:
        """Puts inquiries behind those that wait."""
        self._waiting.extend(inquiries)

    def add_first(self, inquiries: Iterable[Inquiry]) -> None:
        """Puts inquiries before those that wait, in their order."""
        self._waiting.extendleft(reversed(list(inquiries)))

    def take(self) -> Iterator[Inquiry]:
        """Gives the inquiries that may be sent now; the caller reports each with `sent` before it takes the next."""
        held: list[Inquiry] = []
        while self._waiting and self._in_flight < self._most_in_flight:
            inquiry = self._waiting.popleft()
            if self._may_go(inquiry):
                yield inquiry
            else:
                held.append(inquiry)
        self.add_first(held)

    def _may_go(self, inquiry: Inquiry) -> bool:
        """Tells whether the prefix was computed some steps ago, or this is the inquiry that has it computed.

        With nothing in flight no step will come: the one that went ahead was refused, or ended early.
        """
        row = inquiry.conversations[0].row
        prefix = (inquiry.turn, row.prefix)
        if prefix in self._warm_at:
            self._warm_at.move_to_end(prefix)
        if prefix in self._warm_at and self._in_flight:
            return self._steps >= self._warm_at[prefix]
        if inquiry.has_prefix and prefix not in self._warm_at:
            self._warm_at[prefix] = self._steps + 1 + row.prompt_tokens // self._tokens_of_a_step
            if len(self._warm_at) > _MOST_REMEMBERED:
                self._warm_at.popitem(last=False)
        return True

    def sent(self, num_samples: int) -> None:
        """Counts samples that the generator was asked for."""
        self._in_flight += num_samples

    def returned(self, num_samples: int) -> None:
        """Counts samples that the generator has written."""
        self._in_flight -= num_samples

    def count_step(self) -> None:
        """Counts a step of the generator."""
        self._steps += 1
