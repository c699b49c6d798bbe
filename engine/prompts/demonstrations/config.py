"""The settings of demonstrations: where they come from, which of them a prompt shows, and how long they may be.

In: YAML under `demonstrations`. Out: a frozen config, checked when it is made. Its identity is the content of the
source, so that a pool which is renamed or copied plans nothing anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from omegaconf import II

from engine.artifacts.collection import collection_files
from engine.errors import UserError, check_setting
from engine.runtime.identity import fields_of
from engine.search.encoder import EncoderConfig, encoder_of_base
from engine.storage.digests import content_digest, file_digests


class Selection(Enum):
    """How the demonstrations of a prompt are chosen."""

    random = "random"
    """A prompt shows a random set; the sets are seeded."""
    diverse = "diverse"
    """A prompt shows a set that is spread out over the pool: each next demonstration is farthest from those before."""
    nearest = "nearest"
    """A prompt shows the demonstrations whose documents are most like its passage. There are more prefixes, and so the
    cache is hit less often."""


BUNDLED = {
    f"bundled:{name}": Path(__file__).resolve().parents[2] / "data" / f"{name}_demonstrations.jsonl"
    for name in ("general", "python")
}
"""The files of the pools that ship, by name. Each passage has a question and a keyword query, written for this project:
one pool is on everyday subjects, the other on Python's own documentation."""

_LEAST_VALUES = {
    "from_qrels": 0,
    "min_per_prompt": 0,
    "per_prompt": 1,
    "num_sets": 1,
    "max_document_tokens": 1,
    "cache_block": 1,
}
"""The least value of each number, by field."""


@dataclass(frozen=True)
class DemonstrationsConfig:
    """Where demonstrations come from and how many a prompt shows."""

    path: str = ""
    """A file (JSONL, CSV, TSV, Parquet; of another ending: JSON lines) with `document`, `query` and, where the document
    has a title, `title`; further fields are condition values. `bundled:general` and `bundled:python`
    ship; empty is `bundled:general`."""
    from_qrels: int = 0
    """So many judged queries of the collection are shown instead; they are left out of the evaluation."""
    complete: bool = True
    """Judged queries do not say what form they have: they are shown for the first value of the condition that chooses
    demonstrations (questions), and the general set shows the others (keywords). false: judged queries alone."""
    self_instruct: int = 0
    """The generator writes so many in round 0 instead: zero-shot samples that pass the row filters."""
    collection: str = II("collection")
    select: Selection = Selection.random
    per_prompt: int = 3
    """Number of demonstrations in each prompt; fewer where the pool holds fewer."""
    min_per_prompt: int = 0
    """Each set shows a random number of demonstrations from this to `per_prompt`; 0 shows `per_prompt` always."""
    num_sets: int = 8
    """Number of sets drawn for each value of a condition that comes from demonstrations. More sets make samples more
    varied, and each costs its prefix once: at ten samples a set no variety was lost (benchmarks/RESULTS.md)."""
    max_document_tokens: int = 160
    """Longer documents of demonstrations are cut, at the tokens of the generator's tokenizer."""
    cache_block: int = 128
    """Tokens in a block of the KV cache: a set's longest documents are cut so that its prefix fills whole blocks
    (engine/prompts/demonstrations/fit.py). Blocks of 128 on CPU are whole blocks of 16 on GPU; 1 cuts nothing."""
    encoder: EncoderConfig = field(default_factory=encoder_of_base)
    """The encoder that measures likeness, for `diverse` and `nearest`."""
    seed: int = II("seed")

    def __post_init__(self) -> None:
        check_setting(
            self.min_per_prompt <= self.per_prompt,
            "demonstrations.min_per_prompt",
            self.min_per_prompt,
            f"at most {self.per_prompt}",
            fault=f"is more than per_prompt={self.per_prompt}",
        )
        sources = {"path": self.path, "from_qrels": self.from_qrels, "self_instruct": self.self_instruct}
        given = [f"demonstrations.{name}" for name, value in sources.items() if value]
        if len(given) > 1:
            raise UserError(
                f"two sources of demonstrations: {given[0]}={sources[given[0].partition('.')[2]]} and {given[1]}",
                where=given[1],
                remedy=f"set only one of {' and '.join(given)}",
            )
        for name, least in _LEAST_VALUES.items():
            value = getattr(self, name)
            check_setting(value >= least, f"demonstrations.{name}", value, f"{least} or more", fault="is too small")

    def identity(self) -> dict[str, object]:
        """Names the source by its content in place of its path."""
        unused = ["encoder"] if self.select is Selection.random else []
        identity = fields_of(self, without=unused) | {"path": content_digest(self.pool_file()), "collection": ""}
        if self.from_qrels:
            identity["collection"] = file_digests(collection_files(Path(self.collection).expanduser()))
        return identity

    def pool_file(self) -> Path:
        """Finds the file that `path` names.

        Raises:
            UserError: there is no such file.
        """
        name = self.path or "bundled:general"
        file = BUNDLED.get(name, Path(name).expanduser())
        if not file.is_file():
            raise UserError(
                f"no such file: {self.path}",
                where="demonstrations.path",
                remedy=f"name a file of rows with `document` and `query` (JSONL, CSV, TSV or Parquet), or one of "
                f"{', '.join(BUNDLED)}",
            )
        return file
