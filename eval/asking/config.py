"""What can be set about the systems of a report that need a model to be asked: nothing is asked by default.

In: YAML under `report`; the files of conf/expand/ are the defaults of its expansions. Out: a part of ReportConfig,
checked when it is made, and the settings of the steps that plan what is asked.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from engine.artifacts.judged import Criterion
from engine.errors import UserError, check_setting, suggest
from engine.runtime.identity import identity_of, placement
from engine.search.analyser import analyser_identity
from engine.search.encoder import EncoderConfig
from engine.task.config import PromptKind, TaskConfig, TurnConfig
from eval.retrieval.benchmark import KEY, benchmark_digest, load_benchmark

SHIPPED = Path(__file__).resolve().parents[2] / "conf" / "expand"
"""The folder of the expansions that ship."""
RERANKS = "reranks"
"""The name under which the report finds the scores of passages."""
FIRST = "base_half_words"
"""The name of the system whose first passages are put in another order: base and BM25, a half each."""
EXPANDED, BY, WITH, FAKE = "base_with_", "_by_", "_and_", "_fake"
"""What names of asked systems are made of: what an expansion follows, what stands between the first system and who
orders its passages, alone or with the first order, and the mark of answers that the fake generator computed."""
MOST_RERANKED = 100
"""The passages that a fusion takes of each of its parts: no more can be put into another order."""


def is_asked_name(name: str) -> bool:
    """Tells whether a name is kept for the systems that need a model to be asked."""
    return name.startswith((EXPANDED, FIRST))


class SearchedAs(Enum):
    """How a text that a model wrote for a query is searched."""

    query = "query"
    """As a query of its own; what the query and its texts find is fused."""
    passage = "passage"
    """As passages are read: its vector is averaged with that of the query."""


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class ExpansionConfig:
    """Texts that a model writes for a query. Templates see `row.query`."""

    prompt: str = ""
    """The end of the prompt (the message of a chat)."""
    instruction: str = ""
    """The start of every prompt (the system message of a chat)."""
    kind: PromptKind = PromptKind.auto
    stop: list[str] = field(default_factory=list)
    """Strings that end a text."""
    max_tokens: int = 48
    """Output tokens of a text."""
    temperature: float | None = None
    """How freely texts are drawn; null: as the generator's samples."""
    count: int = 3
    """The texts of each query."""
    searched_as: SearchedAs = SearchedAs.query

    def task(self, name: str) -> TaskConfig:
        """Makes the task that asks for a text."""
        turn = TurnConfig(self.prompt, max_tokens=self.max_tokens, temperature=self.temperature)
        return TaskConfig(name=name, kind=self.kind, instruction=self.instruction, stop=self.stop, turns={"text": turn})


def shipped_expansions() -> dict[str, ExpansionConfig]:
    """Reads the expansions that ship; they are defaults and no choices of a group, as the rubrics of a judge are."""

    def config_of(values: Mapping[str, Any]) -> ExpansionConfig:
        return ExpansionConfig(
            **{**values, "stop": list(values["stop"]), "searched_as": SearchedAs(values["searched_as"])}
        )

    return {name: config_of(values) for name, values in _shipped().items()}


@functools.cache
def _shipped() -> Mapping[str, dict[str, Any]]:
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(SHIPPED.glob("*.yaml"))}


@dataclass(frozen=True)
class AskingConfig:
    """The systems of a report for which a model is asked about each query."""

    expand: Any = field(default_factory=list)
    """An expansion of conf/expand/ or a list of them, `rewrites`, `hypothetical`: for every query that the report
    searches a model writes texts, with which the base model searches as well."""
    expansions: dict[str, ExpansionConfig] = field(default_factory=shipped_expansions)
    """What can be written for a query, by name: the files of conf/expand/, and those of the user's own folder."""
    rerank_by: str = ""
    """What the first passages of base + words are put in another order by: `likelihood`, that of the query given the
    passage, by the generator; or a rubric of conf/judge/, by the judge (`judge.model`). Empty: nothing is."""
    rerank_depth: int = 20
    """The number of passages of each query that are put in another order, 1 to 100."""
    rerank_weight: float = 0.4
    """The weight of what the model says beside the first order, 0 to 1, both standardised; chosen on CACM."""
    generator: dict[str, Any] = field(default_factory=dict)
    """Settings of the model that writes expansions and gives likelihoods, where they differ from `samples`:
    `{model: Qwen/Qwen3-0.6B, instruct: true}`."""
    max_generated_queries: int = 300
    """Where a model is asked: more judged queries than this are refused, and where there are none, at most so many
    held-out ones are measured on."""
    reranked: Criterion | None = field(default=None, metadata={"omegaconf_ignore": True})
    """Where the scores of passages stand: no setting, since it follows from `rerank_by` and the judge."""

    def check_asking(self) -> None:
        """Refuses expansions that there are not, and sizes that ask for nothing or for what no system finds."""
        for name in self.expanded_by():
            if name not in self.expansions:
                remedy = suggest(str(name), self.expansions)
                raise UserError(f"there is no expansion {name!r}", where="report.expand", remedy=remedy)
            if name == RERANKS or "/" in name:  # it names a folder of the run, beside that of rerank_by
                what = f"{name!r} cannot be the name of an expansion"
                raise UserError(what, where="report.expansions", remedy="call it otherwise")
            where, expansion = f"report.expansions.{name}", self.expansions[name]
            if not expansion.prompt.strip():
                raise UserError("asks nothing", where=f"{where}.prompt", remedy="write a template with row.query in it")
            check_setting(expansion.count >= 1, f"{where}.count", expansion.count, "1 or more")
        depth, weight, most = self.rerank_depth, self.rerank_weight, self.max_generated_queries
        check_setting(1 <= depth <= MOST_RERANKED, "report.rerank_depth", depth, f"1 to {MOST_RERANKED}")
        check_setting(0 < weight <= 1, "report.rerank_weight", weight, "above 0, and 1 at most")
        check_setting(most >= 1, "report.max_generated_queries", most, "1 or more")

    def expanded_by(self) -> tuple[str, ...]:
        """Returns the names of the expansions that are asked for, in order, each once."""
        names = self.expand if isinstance(self.expand, list | tuple) else [self.expand] if self.expand else []
        return tuple(dict.fromkeys(map(str, names)))

    @property
    def asks(self) -> bool:
        """Tells whether a model is asked anything."""
        return bool(self.expanded_by() or self.rerank_by)

    def most_held_out(self, limit: int) -> int:
        """Returns how many held-out queries are measured on at most, where no query is judged; 0: all of them.

        Args:
            limit: `report.max_held_out`.
        """
        return min(filter(None, (limit, self.max_generated_queries)), default=0) if self.asks else limit

    def asking_identity(self) -> dict[str, object]:
        """Returns what decides about these systems beside the answers; nothing where no model is asked."""
        if not self.asks:
            return {}
        searched = {name: self.expansions[name].searched_as for name in self.expanded_by()}
        most, weight = self.max_generated_queries, self.rerank_weight
        return {"searched": identity_of(searched), "most": most, "reranked": identity_of(self.reranked), "mix": weight}


ASKING = tuple(AskingConfig.__dataclass_fields__)
"""The names of these settings."""


@dataclass(frozen=True)
class AskedQueries:
    """Which queries a model is asked about: the judged ones, or held-out ones where there are none."""

    benchmark: str
    split: str
    most: int
    """Most judged queries; the same as `report.max_generated_queries`."""
    held_out: int
    """Most held-out queries; 0: all of them."""
    key: str = placement(KEY)
    """The key that the benchmark stands under, for messages."""

    def identity(self) -> dict[str, object]:
        """Returns what decides which queries these are: the benchmark's content, and how many held-out ones."""
        return {"benchmark": benchmark_digest(self.benchmark, self.split, key=self.key), "held_out": self.held_out}

    def check(self) -> None:
        """Refuses to ask about more judged queries than allowed.

        Raises:
            UserError: there are more.
        """
        if (count := self.judged()) > self.most:
            remedy = f"raise it to {count} or more, or leave report.expand and report.rerank_by out"
            where = f"report.max_generated_queries={self.most}"
            raise UserError(f"there are {count:,} judged queries to ask a model about", where=where, remedy=remedy)

    def judged(self) -> int:
        """Counts the judged queries."""
        benchmark = load_benchmark(self.benchmark, self.split, key=self.key)
        return len(benchmark.queries) if benchmark else 0


@dataclass(frozen=True)
class PairsConfig:
    """The plan of one question about the first passages of every query."""

    task: TaskConfig
    """The question, as turns that are scored about a passage and the condition `engine.artifacts.judged.QUERY`."""
    asked: AskedQueries
    depth: int
    """The number of passages of each query."""
    encoder: EncoderConfig
    """The base model, and how BM25 reads words beside it."""
    bm25_k1: float
    bm25_b: float
    language: str

    def identity(self) -> dict[str, object]:
        """Returns the fields, with who stems in place of the language."""
        parts = {name: identity_of(value) for name, value in vars(self).items()}
        return parts | {"language": analyser_identity(self.language)}


def asked_in_words(config: AskingConfig, asked: AskedQueries, generator: str, scorer: str) -> list[str]:
    """Says what a report will have models asked, a line for each question; nothing where none is.

    Args:
        config: what is asked for.
        asked: about which queries.
        generator: the name of the model that writes expansions.
        scorer: that of the model that scores passages.
    """
    held_out = f"at most {asked.held_out:,}" if asked.held_out else "all"
    judged = asked.judged()
    about = f"each of {judged:,} judged queries" if judged else f"each of {held_out} queries of held-out documents"
    written = {name: config.expansions[name].count for name in config.expanded_by()}
    lines = [f"{name}: {generator} writes {count} texts for {about}" for name, count in written.items()]
    if config.rerank_by:
        lines.append(f"{config.rerank_by}: {scorer} scores {config.rerank_depth} passages for {about}")
    return lines
