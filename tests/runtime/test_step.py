"""What is wrapped around a step: skipping, reruns, records, locks, a disk that fills up."""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.runtime.cluster import ClusterConfig
from engine.runtime.identity import placement as not_identity
from engine.runtime.place import Place
from engine.runtime.step import Refusal, Step, describe, is_made, make
from engine.runtime.tracking import NoTracker
from engine.storage.files import lock_file, locked
from engine.storage.remote.store import RemoteStore
from engine.storage.store import StepRecord, Store, finish, is_done, read_record
from tests.support.object_store import Bucket
from tests.support.places import NoEngines, printed, quiet_place
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class WordsConfig:
    text: str = "some words"
    threads: int = not_identity(1)


class Notebook(NoTracker):
    """Keeps the summaries."""

    def __init__(self) -> None:
        self.summaries: dict[str, dict[str, object]] = {}

    def summary(self, noun: str, values: dict[str, object]) -> None:
        self.summaries[noun] = values


class Engines(NoEngines):
    """Engines of which another driver needs what they hold before it can go on."""

    def __init__(self, go_on: Callable[[], None]) -> None:
        self.purposes: list[str] = []
        self._go_on = go_on

    def release(self, place: Place, purpose: str) -> None:
        self.purposes.append(purpose)
        self._go_on()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return quiet_place(tmp_path, Notebook())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write_words(config: WordsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    source = "".join((folder / "words.txt").read_text() for folder in inputs.values())
    (output / "words.txt").write_text(source + config.text)
    with (place.store_dir / "calls").open("a") as calls:
        calls.write(f"{output.parent.name} ")
    return {"words": len(config.text.split()), "characters": len(config.text), "nested": {"a": 1}}


def count_words(config: WordsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    return write_words(config, inputs, output, place)


def fill_disk(config: WordsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    (output / "half").write_text("half")
    Path("/dev/full").write_text(config.text)
    return {}


def fill_disk_at_the_end(
    config: WordsConfig, inputs: Mapping[str, Path], output: Path, place: Place
) -> dict[str, object]:
    (output / f"record.json.{os.getpid()}.tmp").symlink_to("/dev/full")
    return {}


def break_off(config: WordsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    file = output / "rows"
    file.write_text((file.read_text() if file.exists() else "") + config.text)
    if len(file.read_text()) < 3 * len(config.text):
        raise FileNotFoundError(errno.ENOENT, "gone")
    return {"attempts": 3}


write_words.__module__ = fill_disk.__module__ = fill_disk_at_the_end.__module__ = (
    "engine.artifacts.columns"  # some source
)
count_words.__module__ = break_off.__module__ = "engine.errors"


def calls(place: Place) -> list[str]:
    return (place.store_dir / "calls").read_text().split()


def two_steps(first: WordsConfig, second: WordsConfig) -> tuple[Step, Step]:
    documents = Step("documents", write_words, first)
    return documents, Step("prompts", count_words, second, (documents,))


def test_runs_once_then_skips(place: Place, store: Store) -> None:
    step = Step("documents", write_words, WordsConfig())
    assert not is_made(step, store, place)
    folder = make(step, store, place)
    assert folder == store.folder("documents", step.fingerprint)
    assert (folder / "words.txt").read_text() == "some words"
    assert is_made(step, store, place)
    assert make(Step("documents", write_words, WordsConfig(threads=8)), store, place) == folder
    assert calls(place) == ["documents"]
    assert "documents  2 words, 10 characters in " in printed(place)
    assert "documents  unchanged: 2 words, 10 characters" in printed(place)


def test_says_so_when_another_run_makes_the_same(place: Place, store: Store) -> None:
    documents, _ = two_steps(WordsConfig("one two"), WordsConfig("three"))
    folder = store.folder(documents.noun, documents.fingerprint)
    folder.parent.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool, locked(folder.parent / f".{folder.name}.lock", wait=False):
        making = pool.submit(make, documents, store, place)
        wait_until(lambda: "waiting for it" in printed(place), "the news")
        folder.mkdir()
        finish(folder, StepRecord("documents", "", {}, {}, 0.0, 0, {"words": 9}))
        assert not making.done()
    assert making.result() == folder
    assert "another run is making the same; waiting for it" in printed(place)
    assert "made by another run: 9 words" in printed(place)
    assert not (place.store_dir / "calls").exists()


@pytest.mark.timeout(60)  # else it waits for ever
def test_engines_end_before_another_run_is_waited_for(place: Place, store: Store) -> None:
    documents, prompts = two_steps(WordsConfig("one two"), WordsConfig("three"))
    folder = store.folder(documents.noun, documents.fingerprint)
    folder.parent.mkdir(parents=True)
    with contextlib.ExitStack() as other:
        other.enter_context(locked(lock_file(folder), wait=False))
        engines = Engines(other.close)
        own = replace(place, engines=engines)
        assert make(documents, store, own) == folder
    assert make(prompts, store, own)
    assert engines.purposes == ["while another run makes the same"], "nobody else makes the prompts"
    assert calls(place) == ["documents", "prompts"], "the other one made nothing"


@pytest.mark.timeout(60)
def test_engines_end_before_another_machine_is_waited_for(bucket: Bucket, place: Place, tmp_path: Path) -> None:
    here = RemoteStore(bucket.url)
    bucket.use_cache(tmp_path / "elsewhere")
    there = RemoteStore(bucket.url)
    documents, _ = two_steps(WordsConfig("one two"), WordsConfig("three"))
    folder = there.cache.store.reserve(documents.noun, documents.fingerprint)
    with contextlib.ExitStack() as other:

        def go_on() -> None:
            finish(folder, StepRecord("documents", "", {}, {}, 0.0, 0, {"words": 9}))
            other.close()

        other.enter_context(there.producing(folder, lambda: None))
        engines = Engines(go_on)
        own = replace(place, engines=engines, sharing=here, store_dir=here.cache.store.root)
        assert is_done(make(documents, here.cache.store, own))
    assert len(engines.purposes) == 1
    assert "made by another run: 9 words" in printed(place)


def test_writes_down_what_made_it(place: Place, store: Store) -> None:
    documents, prompts = two_steps(WordsConfig("a b"), WordsConfig("c", threads=2))
    make(documents, store, place)
    folder = make(prompts, store, place)
    assert (folder / "words.txt").read_text() == "a bc"
    record = read_record(folder)
    assert record.seconds == pytest.approx(0.0, abs=1.0)
    assert replace(record, seconds=0.0) == StepRecord(
        noun="prompts",
        fingerprint=prompts.fingerprint,
        inputs={"documents": documents.fingerprint},
        config={"text": "c"},
        seconds=0.0,
        peak_memory_bytes=0,
        record={"words": 1, "characters": 1, "nested": {"a": 1}},
    )
    assert isinstance(place.tracker, Notebook)
    assert place.tracker.summaries["prompts"].keys() == {
        *("words", "characters", "nested", "seconds", "fingerprint", "inputs")
    }


def test_a_changed_config_reruns_the_step_and_those_behind_it(place: Place, store: Store) -> None:
    for first, second in (("a", "b"), ("a", "c"), ("d", "c"), ("a", "b")):
        for step in two_steps(WordsConfig(first), WordsConfig(second)):
            make(step, store, place)
    assert calls(place) == ["documents", "prompts", "prompts", "documents", "prompts"], "old outputs are found again"


def test_the_fingerprint_is_of_config_inputs_and_sources() -> None:
    documents, prompts = two_steps(WordsConfig("a"), WordsConfig("b"))
    assert len(prompts.fingerprint) == 16
    assert prompts.fingerprint != replace(prompts, inputs=()).fingerprint
    assert prompts.fingerprint != replace(prompts, config=WordsConfig("c")).fingerprint
    assert prompts.fingerprint == replace(prompts, config=WordsConfig("b", threads=3)).fingerprint
    assert documents.fingerprint != replace(documents, function=count_words).fingerprint, "another module made it"


@pytest.mark.parametrize("function", [fill_disk, fill_disk_at_the_end])
def test_a_disk_that_fills_up_is_one_line(place: Place, store: Store, function: object) -> None:
    step = Step("documents", function, WordsConfig())  # type: ignore[arg-type]
    folder = store.folder("documents", step.fingerprint)
    with pytest.raises(UserError, match=r"the disk is full \(No space left on device\)") as caught:
        make(step, store, place)
    assert caught.value.where == str(folder)
    assert "run the same command again: it continues" in caught.value.remedy
    assert not is_done(folder)


def test_is_refused_on_a_disk_that_is_nearly_full(place: Place, store: Store) -> None:
    poor = replace(place, cluster=ClusterConfig(min_free_disk_bytes=10**18))
    with pytest.raises(UserError, match="the disk is full"):
        make(Step("documents", write_words, WordsConfig()), store, poor)
    assert not (store.root / "calls").exists()


def test_what_an_attempt_left_is_kept_only_where_it_can_go_on(place: Place, store: Store) -> None:
    step = Step("samples", break_off, WordsConfig("x"), resumable=True)
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="gone"):
            make(step, store, place)
    assert read_record(make(step, store, place)).record == {"attempts": 3}
    fresh = replace(step, noun="examples", resumable=False)
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            make(fresh, store, place)
    assert (store.folder("examples", fresh.fingerprint) / "rows").read_text() == "x"


def test_a_killed_attempt_does_not_count(place: Place, store: Store) -> None:
    step = Step("documents", write_words, WordsConfig())
    folder = store.folder("documents", step.fingerprint)
    folder.mkdir(parents=True)
    (folder / "words.txt").write_text("so")
    (folder / "record.json").write_text(json.dumps({"record": {"words": 99}}))
    make(step, store, place)
    assert (folder / "words.txt").read_text() == "some words"
    assert describe(read_record(folder)) == "2 words, 10 characters"


def test_describes_counts_only() -> None:
    inner = {"planned": 1234, "flag": True, "rate": 2.5, "kept_rows": 5, "name": "x", "a": 1, "b": 2, "c": 3}
    record = StepRecord("samples", "", {}, {}, 0.0, 0, inner)
    assert describe(record) == "1,234 planned, 5 kept rows, 1 a, 2 b"
    untold = {"kept": 3, "validation": 0, "not_one_label": 0}
    assert describe(replace(record, record=untold)) == "3 kept, 0 validation"
    assert describe(replace(record, record=untold | {"not_one_label": 2})) == "3 kept, 0 validation, 2 not one label"
    assert describe(replace(record, record={})) == "done"
    one = dict.fromkeys(("prefixes", "queries", "rows", "kept"), 1)
    assert describe(replace(record, record=one)) == "1 prefix, 1 query, 1 row, 1 kept"


def test_a_step_of_round_zero_says_so_and_has_an_entry_of_its_own(place: Place, store: Store) -> None:
    documents, prompts = two_steps(WordsConfig("a"), WordsConfig("b"))
    small = replace(documents, part_of="round_0/values", name="about")
    folder = make(replace(prompts, inputs=(small,)), store, place) if make(small, store, place) else None
    assert "documents  round 0, values: 1 word" in printed(place)
    assert (small.entry, small.key) == ("round_0/values/documents", "about")
    assert (documents.entry, documents.key) == ("documents", "documents")
    assert folder is not None
    assert read_record(folder).inputs == {"about": small.fingerprint}


def refuse(config: WordsConfig, inputs: Mapping[str, Path], output: Path, place: Place) -> dict[str, object]:
    raise UserError(f"none of {config.text} is fit", where="examples", remedy="change a setting of examples")


def test_a_step_may_be_refused_in_the_words_of_who_asked_for_it(place: Place, store: Store) -> None:
    refuse.__module__ = "engine.errors"
    step = Step("examples", refuse, WordsConfig("eight"))
    with pytest.raises(UserError) as caught:
        make(step, store, place)
    assert str(caught.value) == "examples: none of eight is fit; change a setting of examples"
    with pytest.raises(UserError) as caught:
        make(replace(step, refusal=Refusal("demonstrations.self_instruct=2", "write some by hand")), store, place)
    assert str(caught.value) == "demonstrations.self_instruct=2: none of eight is fit; write some by hand"
