"""The libraries that a system folder needs, and their versions on this machine.

In: nothing. Out: version by name, as pip knows them. Nothing is imported, since every run asks.
"""

from __future__ import annotations

from importlib.metadata import distributions, version

_FAISS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12")
"""The names under which faiss is installed; any of them reads the files of the others."""


def library_versions() -> dict[str, str]:
    """Returns the version of each library that reads a part of a system folder, by its name for pip."""
    names = ("numpy", "bm25s", "PyStemmer", "sentence-transformers", "transformers", "torch")
    faiss, *_ = [found.version for name in _FAISS for found in distributions(name=name)]
    return {name: version(name) for name in names} | {"faiss-cpu": faiss}
