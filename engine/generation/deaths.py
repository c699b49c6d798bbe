"""How many deaths of engines a run bears: `samples.max_engine_deaths`, held against the work that is done.

In: each death, and how many samples are committed by then. Out: whether engines die for nothing. Nodes that come and go
end no run, since samples are committed in between, however many engines go at once; a defect that every engine meets
does, since each new engine dies of it before anything is committed.
"""

from __future__ import annotations


class Deaths:
    """Counts deaths in a row: each of an engine that was started after the death before, with nothing committed since.

    Args:
        allowed: how many there may be.
    """

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._next_index = 0
        self._committed = 0
        self.in_a_row = 0

    def count(self, index: int, next_index: int, committed: int) -> None:
        """Counts the death of an engine.

        Args:
            index: its number; engines are numbered as they are started.
            next_index: the number of the engine that will be started next.
            committed: samples of the job that all engines together have committed.
        """
        if committed > self._committed:
            self.in_a_row, self._committed = 0, committed
        if not self.in_a_row or index >= self._next_index:
            self.in_a_row += 1
            self._next_index = next_index

    @property
    def are_too_many(self) -> bool:
        """Tells whether there were more deaths in a row than are allowed."""
        return self.in_a_row > self._allowed
