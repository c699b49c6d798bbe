"""A task as conf/task/*.yaml writes it: what is asked in which turns, and the conditions that samples are drawn under.

In: YAML, or task.json beside a plan. Out: dataclasses that hold what was written. Here they are only filled in: a task
is checked where it is compiled (engine/task/compiled.py), and conditions where they are made
(engine/prompts/conditions), because both know the name of what they refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from engine.runtime.identity import fields_of
from engine.storage.digests import content_digest

DATA = Path(__file__).resolve().parents[1] / "data"
"""The folder of demonstrations and word lists that ship."""

PACKAGE_FILE = "package:"
"""The beginning of the name of a file that ships."""


class PromptKind(Enum):
    """How the model is addressed."""

    auto = "auto"
    """Chats where the model is an instruct model (`samples.instruct`), else completions."""
    completion = "completion"
    """Plain text that the model continues: for base models, and for small instruct models with demonstrations."""
    chat = "chat"
    """Messages through the model's chat template; a thinking mode is off unless `samples.thinking` asks for it."""


class ParserKind(Enum):
    """How an answer is read."""

    text = "text"
    """The answer is the text as it stands."""
    json = "json"
    """A JSON value; with `json_schema`, its top-level fields become columns."""
    list = "list"
    """One item per line, numbers and bullets removed; field `items`."""
    python = "python"
    """Source code, out of its fence if it has one; it must compile, and is never run."""


class QueryTrait(Enum):
    """What of a query log can be the weights of a condition."""

    form = "form"
    """Whether a query is a question or keywords, the values `question` and `keywords`."""
    words = "words"
    """The number of its words, the values `1`, `2` and so on."""


class ScoreKind(Enum):
    """By what choices are compared that are scored in place of written."""

    sum = "sum"
    """By the log-probability of the whole text."""
    mean = "mean"
    """By the mean per token, so that a long choice is not the less likely for its length."""


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class TurnConfig:
    """One turn of a task, one call of a model. What is left out (null) is the task's, and then the generator config's.

    Templates see `passage.title` and `passage.text` (or `row.NAME`, the columns of a row), `condition.NAME` and, of
    earlier turns, `turns.NAME.text`, `turns.NAME.reasoning` and `turns.NAME.FIELD`; naming an earlier turn is what
    makes a turn wait for it.
    """

    prompt: str = ""
    """The end of the prompt (the last message of a chat)."""
    messages: list[dict[str, str]] = field(default_factory=list)
    """For chats, in place of `prompt`: {role, content} messages, so that earlier turns can be a dialogue."""
    conversation: str = ""
    """For chats about rows, in place of `prompt`: the column that holds the whole chat, as {role, content} messages."""
    model: str = ""
    """One of `samples.models` that answers; empty for `samples.model`."""
    kind: PromptKind | None = None
    instruction: str | None = None
    demonstration: str | None = None
    stop: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    json_schema: dict[str, Any] = field(default_factory=dict)
    """A JSON schema that the engine holds the model to; top-level properties become columns `field_NAME`."""
    choice: list[str] = field(default_factory=list)
    """The answer is one of these: the model is held to writing one, or scores each where `score` is set."""
    score: ScoreKind | None = None
    """With `choice`: nothing is written. Each choice is scored as it would stand right after the prompt, the answer is
    the likeliest, and columns `score_TURN_CHOICE` hold their probabilities, which sum to 1: `sum` or `mean`."""
    continuation: str = ""
    """A template: nothing is written. The answer is this text, and columns `score_TURN_logprob`, `_tokens` and `_mean`
    hold its log-probability right after the prompt."""
    prompt_logprobs: bool = False
    """Nothing is written: the column `score_TURN_prompt_logprobs` holds the log-probability of each prompt token."""
    regex: str = ""
    """The answer matches this; its named groups become columns `field_NAME`."""
    parser: ParserKind = ParserKind.text
    answer_after: str = ""
    """What comes before this marker is reasoning, what comes after it is the answer."""
    keep_if: str = ""
    """A Jinja2 expression over `text`, `field.NAME`, `passage`, `row`, `condition` and `turns` that must
    hold."""


@dataclass
class RangeConfig:
    """A range of numbers, both ends included, which are drawn evenly."""

    low: float
    high: float
    step: float = 1.0


@dataclass
class WrittenConfig:
    """Values that the generator writes in round 0, once, before anything is planned."""

    prompt: str = ""
    """The prompt, which asks for a list, one item per line."""
    count: int = 20
    """Number of different values to keep: those that were written most often."""
    temperature: float = 0.9
    max_tokens: int = 160


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is a value of a mapping
class AttributeConfig:
    """One condition that samples are drawn under: one of `values`, `file`, `range`, `taxonomy`, `depends_on`."""

    values: Any = None  # not {}: OmegaConf lets no list take the place of a mapping
    """A list, or a mapping value -> weight; weights are relative, so shares are weights."""
    from_demonstrations: bool = False
    """Only values that demonstrations carry are drawn, and a sample is shown demonstrations of its own value;
    where no demonstration carries one, the condition is the empty string."""
    from_queries: QueryTrait | None = None
    """Where there is a log (`queries.path`), the weights of `values` are those of its queries: of `form` those of the
    values `question` and `keywords`, which share what they had; of `words` all, since the values are its lengths."""
    file: str = ""
    """A word list: one value per line, `#` comments, a weight after a tab; `package:words/nouns.txt` ships."""
    range: RangeConfig | None = None
    """`{low: 1, high: 10}`, with `step: 0.5` for fractions."""
    written: WrittenConfig | None = None
    """`{prompt: "...", count: 20}`: values that the generator writes itself."""
    taxonomy: Any = None
    """A tree, as nested mappings with lists at the ends, drawn branch by branch, each level evenly. The value is the
    leaf; `NAME_path` is the way to it, as in `science/physics`."""
    depends_on: str = ""
    """The attribute whose value decides what this one is drawn from."""
    by: Any = None
    """For `depends_on`: its value -> a list or a mapping with weights; `values` are the default."""
    pick: Any = 0
    """With `values` or `file`: a random subset of this size, or of `[MIN, MAX]`, joined in the listed order."""

    def __post_init__(self) -> None:
        # Whatever is wrong with the values is refused by `make_conditions`, which knows the attribute's name.
        self.values, self.by = ({} if raw is None else raw for raw in (self.values, self.by))
        if isinstance(self.values, Sequence) and not isinstance(self.values, str):
            texts = [_plain(value) for value in self.values]
            if len(set(texts)) == len(texts) and None not in texts:
                self.values = dict.fromkeys(texts, 1.0)

    def identity(self) -> dict[str, object]:
        """Returns what decides about the values: all fields, with the content of a word list in place of its path."""
        return fields_of(self) | ({"file": content_digest(word_file(self.file))} if self.file else {})


def word_file(name: str) -> Path:
    """Returns the path of a word list; `package:words/nouns.txt` is a list that ships."""
    packaged = name.startswith(PACKAGE_FILE)
    return DATA / name.removeprefix(PACKAGE_FILE) if packaged else Path(name).expanduser()


def _plain(value: object) -> str | None:
    """A YAML value as text; None for what is not written as it is read (`yes` is a truth value, `~` nothing)."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


@dataclass  # not frozen: OmegaConf cannot fill a read-only dataclass that is an element of a list
class QuotaConfig:
    """At most `max` samples of the whole plan have the values of `where`."""

    where: dict[str, Any] = field(default_factory=dict)
    """Attribute -> a value or a list of values; all must match."""
    max: int = 0


@dataclass(frozen=True)
class TaskConfig:
    """A task: what is asked for, as Jinja2 templates, and the conditions that samples are drawn under.

    Templates see `condition.NAME`; `prompt` sees also `passage.title` and `passage.text`, and `demonstration`
    sees `demonstration.document` and `demonstration.query`. A task of several turns names them under `turns`; what a
    turn leaves out is the task's. The last turn's answer is the sample's `text`.
    """

    name: str = "queries"
    kind: PromptKind = PromptKind.auto
    instruction: str = ""
    """The start of every prompt (the system message of a chat)."""
    demonstration: str = ""
    """One demonstration of a completion prompt. In a chat it is the user's message, by `prompt` where this one is
    empty or writes `demonstration.query`, which is the answer."""
    prompt: str = ""
    """The end of the prompt, with the passage; for a task of one turn."""
    stop: list[str] = field(default_factory=list)
    """Strings that end a sample."""
    turns: dict[str, TurnConfig] = field(default_factory=dict)
    """The turns of a task of several, in an order in which each comes after those it names."""
    attributes: dict[str, AttributeConfig] = field(default_factory=dict)
    """The conditions that samples are drawn under."""
    exclude: list[dict[str, Any]] = field(default_factory=list)
    """Combinations that are never drawn: `{attribute: value or [values], ...}`."""
    quotas: list[QuotaConfig] = field(default_factory=list)
    """How many samples of the whole plan may have a combination: `{where: {attribute: value}, max: N}`."""
