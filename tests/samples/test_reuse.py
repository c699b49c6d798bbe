"""What earlier samples folders hold is taken over: only what is new or was cut off is asked for again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import PROMPTS
from engine.artifacts.documents import DocumentsFolder
from engine.artifacts.prompts import PlannedRow, PromptsFolder
from engine.artifacts.samples import SamplesFolder, SamplesRecord
from engine.generation.pools import EnginePools
from engine.runtime.cluster import ClusterConfig
from engine.runtime.place import Place
from engine.samples import reuse
from engine.samples.config import SamplesConfig
from engine.samples.reuse import find_sources, make_recipe
from engine.samples.step import generate_samples
from engine.storage.files import locked
from engine.storage.parts import committed_parts
from engine.task.config import TaskConfig, TurnConfig
from engine.task.render import Demonstration, Messages
from tests.support.committed import begin
from tests.support.jobs import FAKE, TASK
from tests.support.places import quiet_place
from tests.support.rows import write_plan, write_rows

Sampled = dict[tuple[str, str], str]
WORDS = ("bread", "bees", "motorways", "thunderstorms", "tablecloths", "grandmothers", "pumps", "towers")


class Mill:
    """Plans and generates into one store, with one engine for all versions."""

    def __init__(self, root: Path, where: Place) -> None:
        self.root, self.place = root, where
        self.number = 0

    def plan(self, documents: int, forms: tuple[str, ...] = ("",), task: TaskConfig = TASK) -> dict[str, Path]:
        """One sample of each document for each form; documents that are added come first and move every id."""
        self.number += 1
        folders = {noun: self.root / noun / str(self.number) for noun in ("documents", "prompts")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        names = [f"p{i}" for i in reversed(range(documents))]
        texts = [f"about {WORDS[i % 8]} and {WORDS[i * 3 % 7]} in town {i}" for i in reversed(range(documents))]
        passages = pa.table({"passage_id": names, "title": [""] * documents, "text": texts})
        pq.write_table(passages, folders["documents"] / "passages.parquet")
        keys = [(name, f"form={form}") for name in names for form in forms]
        columns: dict[str, Any] = {
            "sample_id": range(len(keys)),
            "passage_id": [name for name, _ in keys],
            "cell": [cell for _, cell in keys],
            **{name: [0] * len(keys) for name in ("replicate", "round", "demonstration_set", "prefix")},
            "prompt_tokens": [20] * len(keys),
            "demonstrations": [""] * len(keys),
        }
        table = pa.table(columns, schema=PROMPTS)
        table = table.append_column("condition_form", pa.array([cell.partition("=")[2] for _, cell in keys]))
        pq.write_table(table, folders["prompts"] / "plan-00000.parquet", row_group_size=16)
        PromptsFolder(folders["prompts"]).write_basis(task, [], [])
        return folders

    def write(self, config: SamplesConfig, inputs: dict[str, Path], name: str) -> SamplesRecord:
        """Generates into a folder of the store; returns the record."""
        output = self.root / "samples" / name
        output.mkdir(parents=True, exist_ok=True)
        return generate_samples(config, inputs, output, self.place)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return SamplesFolder(self.root / "samples" / name).rows().to_pylist()

    def texts(self, name: str) -> Sampled:
        return {(row["passage_id"], row["cell"]): row["text"] for row in self.rows(name)}


def asked(record: SamplesRecord) -> int:
    """Requests that engines of this folder were given."""
    return record.generation.requests


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Iterator[Place]:
    """A place whose engines stay: nothing here is about their start."""
    folder = tmp_path_factory.mktemp("engines")
    place = replace(quiet_place(folder, cluster=ClusterConfig(num_cpus=2)), engines=EnginePools())
    yield place
    place.engines.stop()


@pytest.fixture
def mill(tmp_path: Path, where: Place) -> Mill:
    return Mill(tmp_path / "store", where)


def test_a_larger_limit_asks_again_only_for_what_was_cut_off(mill: Mill) -> None:
    inputs = mill.plan(60)
    short, long = replace(FAKE, max_tokens=8), replace(FAKE, max_tokens=20)
    assert asked(mill.write(short, inputs, "short")) == 60
    cut = [row for row in mill.rows("short") if row["finish_reason"] == "length"]
    assert 10 < len(cut) < 50
    record = mill.write(long, inputs, "long")
    assert (asked(record), record.carried, record.generated) == (len(cut), 60 - len(cut), 60)
    rows = mill.rows("long")
    assert {row["sample_id"] for row in rows if row["attempt"]} == {row["sample_id"] for row in cut}
    assert {row["finish_reason"] for row in rows} == {"stop"}
    whole = {row["sample_id"]: row for row in mill.rows("short") if row["finish_reason"] == "stop"}
    assert all(row | {"attempt": 1} == whole[row["sample_id"]] for row in rows if not row["attempt"])
    # A smaller limit takes over what ended by itself and fits; the same limit takes over everything.
    again = mill.write(replace(FAKE, max_tokens=9), inputs, "less")
    assert asked(again) == sum(row["output_tokens"] > 9 for row in rows)
    (mill.root / "samples" / "short" / "recipe.json").touch()
    assert asked(mill.write(short, mill.plan(60), "same")) == 0, "cut off at the same limit is cut off again"


def test_added_documents_and_values_ask_only_for_what_is_new(mill: Mill) -> None:
    mill.write(FAKE, mill.plan(30, ("a",)), "first")
    more = mill.write(FAKE, mill.plan(50, ("a",)), "documents")
    assert (asked(more), more.carried, more.planned) == (20, 30, 50)
    values = mill.write(FAKE, mill.plan(50, ("a", "b")), "values")
    assert (asked(values), values.carried, values.planned) == (50, 50, 100)
    assert mill.texts("first").items() <= mill.texts("documents").items() <= mill.texts("values").items()
    assert [row["sample_id"] for row in mill.rows("values")] == list(range(100))
    assert {row["condition_form"] for row in mill.rows("values") if not row["attempt"]} == {"a"}


def test_what_may_have_been_written_otherwise_is_not_taken_over(mill: Mill) -> None:
    inputs = mill.plan(20)
    mill.write(FAKE, inputs, "first")
    assert asked(mill.write(replace(FAKE, temperature=0.1), inputs, "other sampling")) == 20
    other = mill.plan(20, task=replace(TASK, prompt="Other words: {{ passage.text }}\nQuery:"))
    assert asked(mill.write(FAKE, other, "other template")) == 20
    changed = mill.plan(20)
    passages = pq.read_table(changed["documents"] / "passages.parquet")
    texts = ["edited " + text if i == 3 else text for i, text in enumerate(passages["text"].to_pylist())]
    pq.write_table(passages.set_column(2, "text", [texts]), changed["documents"] / "passages.parquet")
    assert asked(mill.write(FAKE, changed, "edited document")) == 1


def test_nothing_is_rendered_where_the_prompts_are_known_to_be_the_same(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    hashed = PlannedRow.input_hash

    def counting(row: PlannedRow, prompt: str | Messages) -> str:
        rendered.append(hashed(row, prompt))
        return rendered[-1]

    monkeypatch.setattr(PlannedRow, "input_hash", counting)
    mill.write(FAKE, mill.plan(20, ("a",)), "first")
    more = mill.write(FAKE, mill.plan(20, ("a", "b")), "more values")
    assert (more.carried, rendered) == (20, []), "the same passages and demonstrations"
    other = mill.write(FAKE, mill.plan(30, ("a",)), "more documents")
    assert (other.carried, len(rendered)) == (20, 20), "other passages; what one source gave no other is asked for"


def test_another_demonstration_set_is_another_prompt(mill: Mill) -> None:
    mill.write(FAKE, mill.plan(20), "first")
    shown = [[Demonstration("a text", "a query")], [Demonstration("another text", "another query")]]
    task = replace(TASK, demonstration="{{ demonstration.document }}: {{ demonstration.query }}\n")
    for number in range(2):  # the same sets, of which the second plan shows another
        inputs = mill.plan(20, task=task)
        PromptsFolder(inputs["prompts"]).write_basis(task, shown[0], shown)
        plan = inputs["prompts"] / "plan-00000.parquet"
        rows = pq.read_table(plan)
        index = rows.schema.get_field_index("demonstration_set")
        sets = pa.array([number if row < 15 else 0 for row in range(20)], pa.int32())
        pq.write_table(rows.set_column(index, "demonstration_set", sets), plan)
        record = mill.write(FAKE, inputs, f"set {number}")
    assert (asked(record), record.carried) == (15, 5)


def test_what_was_turned_down_is_taken_over_under_the_same_limits(mill: Mill) -> None:
    turn = TurnConfig(TASK.prompt, stop=TASK.stop, keep_if="text | length % 2 == 0")
    picky = TaskConfig(turns={"query": turn})
    first = mill.write(FAKE, mill.plan(40, task=picky), "first")
    assert 0 < first.turned_down == first.failed < 40
    more = mill.write(FAKE, mill.plan(50, task=picky), "more")
    assert (asked(more), more.carried, more.planned) == (10, 40, 50)
    assert more.turned_down >= first.turned_down
    reasons = {row["passage_id"]: row["error"] for row in mill.rows("first")}
    assert reasons.items() <= {row["passage_id"]: row["error"] for row in mill.rows("more")}.items()
    longer = mill.write(replace(FAKE, max_tokens=FAKE.max_tokens + 1), mill.plan(40, task=picky), "longer")
    assert asked(longer) >= first.failed, "with more room it may become something else"


def test_failed_rows_and_locked_folders_are_left(mill: Mill) -> None:
    tight = replace(FAKE, context_tokens=8, max_tokens=7, max_failed_share=1.0)
    inputs = mill.plan(20)
    assert mill.write(tight, inputs, "failed").failed == 20
    again = mill.write(tight, mill.plan(20), "failed again")
    assert (again.carried, again.failed) == (0, 20), "what could not be asked is refused anew"
    assert asked(mill.write(replace(FAKE, max_tokens=9), inputs, "wide")) == 20
    with locked(mill.root / "samples" / ".wide.lock", wait=False):
        assert asked(mill.write(FAKE, mill.plan(20), "while another writes")) == 20


def test_a_folder_that_clean_removes_meanwhile_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = Mill(tmp_path, quiet_place(tmp_path)).plan(4)
    prompts, documents = PromptsFolder(inputs["prompts"]), DocumentsFolder(inputs["documents"])
    for name in ("source", "new"):
        parts = begin(tmp_path / "samples" / name)
        reuse.note_recipe(parts.folder, make_recipe(FAKE, prompts, documents.passages_file))

    def removed(*arguments: Any) -> list[Path]:
        sources = find_sources(*arguments)
        assert [source.name for source in sources] == ["source"]
        shutil.rmtree(sources[0])  # no run needs it, and nobody holds its lock yet
        return sources

    monkeypatch.setattr(reuse, "find_sources", removed)
    assert reuse.reuse_rows(parts, prompts, documents.joinable()) == 0


def test_a_folder_that_clean_removes_while_sources_are_looked_for_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, recipe_of = reuse.Recipe("text", 8, 512), reuse._recipe_of
    for name in ("gone", "there"):
        reuse.note_recipe(begin(tmp_path / name).folder, recipe)

    def clean_first(folder: Path) -> reuse.Recipe:
        shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        return recipe_of(folder)

    monkeypatch.setattr(reuse, "_recipe_of", clean_first)
    assert [source.name for source in find_sources(tmp_path / "own", recipe)] == ["there"]


def test_sources_are_those_of_the_same_recipe_newest_first(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    prompts = PromptsFolder(tmp_path / "prompts")
    prompts.write_basis(TASK, [], [])
    documents = DocumentsFolder(tmp_path)
    recipe = make_recipe(FAKE, prompts, documents.passages_file)
    assert recipe.text == make_recipe(replace(FAKE, max_tokens=5, num_engines=3), prompts, documents.passages_file).text
    assert recipe.text != make_recipe(replace(FAKE, seed=1), prompts, documents.passages_file).text
    for name in ("b", "a", "own", "foreign", "older version", ".c.fetched"):
        (tmp_path / name / ("attempt-0001" if name == "older version" else "manifest")).mkdir(parents=True)
        values = vars(recipe) | ({"text": "other"} if name == "foreign" else {})
        (tmp_path / name / "recipe.json").write_text(json.dumps(values))
    assert [source.name for source in find_sources(tmp_path / "own", recipe)] == ["a", "b"]
    (tmp_path / "b" / "newer").mkdir()
    assert [source.name for source in find_sources(tmp_path / "own", recipe)] == ["b", "a"]


def test_other_code_that_writes_is_another_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = PromptsFolder(tmp_path)
    prompts.write_basis(TASK, [], [])
    before = make_recipe(FAKE, prompts, DocumentsFolder(tmp_path).passages_file)
    monkeypatch.setattr("engine.generation.config.source_hash", lambda module: f"edited {module}")
    assert make_recipe(FAKE, prompts, DocumentsFolder(tmp_path).passages_file).text != before.text


@pytest.mark.parametrize("parts", range(3))
def test_a_kill_while_taking_over_takes_nothing_twice(mill: Mill, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    monkeypatch.setattr("engine.storage.merging._ROW_GROUP_ROWS", 7)
    mill.write(replace(FAKE, part_rows=7), mill.plan(40), "first")
    inputs = mill.plan(50)
    write = reuse.write_part
    written: list[Path] = []

    def dying(part: Path, table: pa.Table) -> None:
        if len(written) == parts:
            raise KeyboardInterrupt
        write(part, table)
        written.append(part)

    with monkeypatch.context() as patch:
        patch.setattr(reuse, "_PART_ROWS", 10)
        patch.setattr(reuse, "write_part", dying)
        patch.setattr(reuse, "_GROUP_ROWS", 7)
        with pytest.raises(KeyboardInterrupt):
            mill.write(FAKE, inputs, "second")
    found = committed_parts(mill.root / "samples" / "second")
    assert len(found) == parts
    record = mill.write(FAKE, inputs, "second")
    assert (asked(record), record.carried, record.planned) == (10, 40, 50)
    table = SamplesFolder(mill.root / "samples" / "second").rows()
    assert table["sample_id"].to_pylist() == list(range(50))
    assert pc.sum(pc.equal(table["attempt"], 0)).as_py() == 40


def about_rows(mill: Mill, name: str, bodies: dict[str, str], temperatures: dict[str, float]) -> dict[str, Path]:
    """A plan about rows of one task, whose ids are names."""
    columns: dict[str, list[object]] = {"body": [*bodies.values()], "unread": [name] * len(bodies)}
    sampling: dict[str, list[object]] = {"temperature": [temperatures.get(row) for row in bodies]}
    rows = write_rows(mill.root / "rows" / name, [*bodies], columns, sampling=sampling)
    prompts, _ = write_plan(mill.root / "prompts" / name, rows)
    return {"rows": rows.path, "prompts": prompts.path}


def test_a_changed_file_of_rows_asks_only_for_what_is_new(mill: Mill) -> None:
    bodies = {f"r{number}": f"subject number {number}" for number in range(20)}
    assert asked(mill.write(FAKE, about_rows(mill, "first", bodies, {}), "first")) == 20
    same = mill.write(FAKE, about_rows(mill, "same", dict(reversed(bodies.items())), {}), "same")
    assert (asked(same), same.carried) == (0, 20), "neither order nor columns that no prompt reads count"
    more = {"new": "another", **bodies, "r3": "edited"}
    record = mill.write(FAKE, about_rows(mill, "more", more, {"r5": 0.5}), "more")
    assert (asked(record), record.carried) == (3, 18), "one row is new, one edited, one drawn otherwise"
    texts = {row["passage_id"]: row["text"] for row in mill.rows("more")}
    assert {row["passage_id"]: row["text"] for row in mill.rows("first") if row["passage_id"] not in ("r3", "r5")} == {
        name: text for name, text in texts.items() if name not in ("new", "r3", "r5")
    }
