"""Dataclasses as JSON: every record of a step, and tasks, come back as they were, whatever their texts hold."""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import json
import math
import pkgutil
import random
import types
import typing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import engine.artifacts
from engine.artifacts.model import Losses, ModelFolder, ModelRecord
from engine.storage.store import StepRecord, finish, read_record
from engine.storage.typed import from_json_values, to_json_values
from engine.task.config import AttributeConfig, ParserKind, PromptKind, RangeConfig, TaskConfig, TurnConfig

PIECES = (
    "${seed}",
    "${",
    "}",
    "\\",
    "\\n",
    "\n",
    "\t",
    '"',
    "'",
    "{{ passage.text }}",
    "{",
    ": ",
    "#",
    "\0",
    " ",
    "ü",
    "字",
    "🙂",
)
"""What YAML, JSON, Jinja2 or OmegaConf could take for more than text."""


def record_classes() -> list[type[Any]]:
    """Every dataclass called ...Record in engine/artifacts, and the record of a step around them."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.iter_modules(engine.artifacts.__path__, "engine.artifacts.")
    ]
    named = {value for module in modules for name, value in vars(module).items() if name.endswith("Record")}
    return [StepRecord, *sorted(filter(dataclasses.is_dataclass, named - {StepRecord}), key=lambda kind: kind.__name__)]


def random_text(source: random.Random) -> str:
    return "".join(source.choice(PIECES) for _ in range(source.randrange(6)))


def random_json(source: random.Random, depth: int = 2) -> Any:
    """A JSON value, nested at most `depth` deep."""
    kind = source.randrange(7 if depth else 5)
    if kind == 5:
        return [random_json(source, depth - 1) for _ in range(source.randrange(3))]
    if kind == 6:
        return {random_text(source): random_json(source, depth - 1) for _ in range(source.randrange(3))}
    return [None, source.random() < 0.5, source.randrange(-9, 2**40), source.uniform(-1, 1e9), random_text(source)][
        kind
    ]


def random_value(kind: Any, source: random.Random) -> Any:
    """A value of an annotated type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return random_value(source.choice(arguments), source)
    if origin in (list, collections.abc.Sequence):
        return [random_value(arguments[0], source) for _ in range(source.randrange(3))]
    if origin in (dict, collections.abc.Mapping):
        return {random_text(source): random_value(arguments[1], source) for _ in range(source.randrange(3))}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{each.name: random_value(hints[each.name], source) for each in dataclasses.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return source.choice(list(kind))
    plain = {str: random_text, bool: lambda draw: draw.random() < 0.5, types.NoneType: lambda _: None, Any: random_json}
    numbers = {int: lambda draw: draw.randrange(-9, 2**40), float: lambda draw: draw.uniform(-1, 1e9)}
    return (plain | numbers)[kind](source)


def through_a_file(record: Any) -> Any:
    """What is read back from the text that is written."""
    return from_json_values(type(record), json.loads(json.dumps(to_json_values(record), ensure_ascii=False)))


@dataclass(frozen=True)
class Traced:
    value: int
    written_in: str = field(default="", compare=False)


def test_what_equal_dataclasses_may_differ_in_is_not_written() -> None:
    assert to_json_values(Traced(3, "a file")) == to_json_values(Traced(3)) == {"value": 3}
    assert from_json_values(Traced, {"value": 3}) == Traced(3, "elsewhere")


def test_every_step_that_leaves_a_record_is_among_them() -> None:
    names = {kind.__name__ for kind in record_classes()}
    assert names >= {"DocumentsRecord", "PromptsRecord", "SamplesRecord", "ExamplesRecord", "ModelRecord", "StepRecord"}


@pytest.mark.parametrize("kind", [*record_classes(), TaskConfig], ids=lambda kind: kind.__name__)
def test_any_record_and_any_task_come_back_as_they_were(kind: type[Any]) -> None:
    for seed in range(40):
        record = random_value(kind, random.Random(seed))
        again = through_a_file(record)
        assert type(again) is kind
        assert again == record, f"seed {seed}"
        assert repr(again) == repr(record), "1 and 1.0 are equal, and would not be the same plan"


def test_a_task_comes_back_with_everything_that_could_be_taken_for_something_else() -> None:
    task = TaskConfig(
        name="${name}",
        kind=PromptKind.chat,
        prompt="a \\ backslash, ${an.interpolation}, {{ a.template }} and \\n",
        stop=["\n", "${}", ""],
        turns={"first": TurnConfig(kind=None, parser=ParserKind.json, json_schema={"a": {"enum": [1, None, "${x}"]}})},
        attributes={
            "level": AttributeConfig(range=RangeConfig(1, 10, 0.5)),
            "topic": AttributeConfig(taxonomy={"science": {"physics": ["optics", "heat"]}}, pick=[1, 2]),
        },
        exclude=[{"level": ["1", "2"], "topic": "optics"}],
    )
    again = through_a_file(task)
    assert again == task
    assert again.turns["first"].kind is None
    assert again.turns["first"].parser is ParserKind.json
    assert isinstance(again.attributes["level"].range, RangeConfig)


@dataclass(frozen=True)
class Small:
    """A record with one field that must be given and two that need not."""

    count: int
    name: str = "unnamed"
    shares: dict[str, float] = field(default_factory=dict)


def test_a_field_that_is_left_out_has_its_default() -> None:
    assert from_json_values(Small, {"count": 3}) == Small(3, "unnamed", {})
    assert to_json_values(Small(3)) == {"count": 3, "name": "unnamed", "shares": {}}


@pytest.mark.parametrize("values", [{}, {"count": "many"}, {"count": None}, {"count": 1, "shares": [1.0]}])
def test_values_that_no_record_has_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        from_json_values(Small, values)


def test_numbers_that_json_does_not_know_stay_what_they_are(tmp_path: Path) -> None:
    record = ModelRecord(
        9.5, 1, 1, 1, 32, 2e-5, 1, Losses(math.nan, math.inf), 1, "bf16", "mnrl", 0, 0, {"loop": -math.inf}
    )
    config = {"min_logprob": -math.inf}
    finish(tmp_path, StepRecord("model", "f", {}, config, 0.0, 0, to_json_values(record)))
    back = ModelFolder(tmp_path).record()
    assert math.isnan(back.loss.first)
    assert (back.loss.last, back.seconds["loop"]) == (math.inf, -math.inf)
    assert read_record(tmp_path).config == config
