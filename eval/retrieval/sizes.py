"""How many bytes the index of a system takes in memory.

In: systems. Out: bytes by name. Texts and the weights of encoders are not counted, since every system shows the same
texts and an encoder does not grow with the collection. A system made of others counts what its parts take.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.search.fusion import FusedSystem
from engine.search.systems import Bm25System, DenseSystem, System


def index_sizes(systems: Iterable[System]) -> dict[str, int]:
    """Returns the bytes of each system's index by its name, without systems whose index is not known here."""
    sizes = {system.name: index_bytes(system) for system in systems}
    return {name: size for name, size in sizes.items() if size is not None}


def index_bytes(system: System) -> int | None:
    """Returns the bytes of a system's index; None where that is not known."""
    if isinstance(system, Bm25System):
        return system.index.num_bytes
    if isinstance(system, DenseSystem):
        return int(system.index.vectors.nbytes)
    if isinstance(system, FusedSystem):
        parts = [index_bytes(part.system) for part in system.parts if part.weight > 0]
        return None if None in parts else sum(part for part in parts if part is not None)
    return None
