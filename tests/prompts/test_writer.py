"""The writer of a plan: its files, and counts that stay small however many values there are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from engine.artifacts.columns import PROMPTS
from engine.artifacts.prompts import PromptsFolder
from engine.errors import UserError
from engine.prompts.writer import write_plan


def chunk(start: int, values: list[str], prefixes: list[int] | None = None) -> pa.Table:
    """Planned rows with these values of a condition, each prompt 100 tokens long."""
    count = len(values)
    columns: dict[str, object] = dict.fromkeys(("replicate", "round", "demonstration_set"), [0] * count)
    columns |= dict.fromkeys(("passage_id", "cell", "demonstrations"), [""] * count)
    columns |= {"sample_id": range(start, start + count), "prefix": prefixes or [0] * count}
    columns |= {"prompt_tokens": [100] * count, "condition_word": values}
    schema = pa.schema([*PROMPTS, ("condition_word", pa.string())])
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def test_every_chunk_is_a_file_and_all_are_counted(tmp_path: Path) -> None:
    folder = PromptsFolder(tmp_path)
    chunks = [chunk(0, ["a", "b", "a"], [7, 8, 7]), chunk(3, ["a"], [9])]
    record = write_plan(iter(chunks), 4, folder)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["plan-00000.parquet", "plan-00001.parquet"]
    assert folder.plan().to_pydict() == pa.concat_tables(chunks).to_pydict()
    assert (record.planned, record.prompt_tokens, record.prefixes) == (4, 400, 3)
    assert (record.num_values, record.distribution) == ({"word": 2}, {"word": {"a": 0.75, "b": 0.25}})
    assert record.ended_early == ""


def test_a_plan_that_quotas_ended_says_after_how_many_samples(tmp_path: Path) -> None:
    record = write_plan(iter([chunk(0, ["a"] * 3)]), 4000, PromptsFolder(tmp_path))
    assert record.ended_early == "no cell was free after 3 of 4,000 samples"


def test_a_plan_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the quotas let nothing be planned") as caught:
        write_plan(iter([]), 4, PromptsFolder(tmp_path))
    assert caught.value.where == "task.quotas"


@pytest.mark.parametrize(("number", "shown"), [(20, 20), (21, 20)])
def test_the_record_names_the_most_frequent_values_only(tmp_path: Path, number: int, shown: int) -> None:
    values = [f"v{value:02}" for value in range(number) for _ in range(value + 1)]
    record = write_plan(iter([chunk(0, values)]), len(values), PromptsFolder(tmp_path))
    assert record.num_values == {"word": number}
    counts = Counter(values)
    shares = record.distribution["word"]
    assert len(shares) == shown
    assert shares == {value: round(counts[value] / len(values), 4) for value in shares}
    expected = sorted(counts) if shown == number else [value for value, _ in counts.most_common(20)]
    assert list(shares) == expected, "few values by name, many by frequency"


def test_counts_of_very_many_values_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.prompts.writer._COUNTED_VALUES", 50)
    chunks = [chunk(100 * n, ["often"] * 60 + [f"{n} {value}" for value in range(40)]) for n in range(5)]
    record = write_plan(iter(chunks), 500, PromptsFolder(tmp_path))
    assert record.num_values == {"word": 201}, "values that are no longer named are counted"
    assert next(iter(record.distribution["word"].items())) == ("often", 0.6)
