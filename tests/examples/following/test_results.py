"""What is worked out beside generation is found by the id of its sample, by the same settings alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.examples.config import ExamplesConfig
from engine.examples.duplicates.config import DedupConfig
from engine.examples.duplicates.exact import exact_duplicates
from engine.examples.duplicates.minhash import near_duplicates
from engine.examples.following.results import Results, begin_results, belongs_to, reading_results, results_of, work_out
from engine.filters.chain import FiltersConfig, filter_batch
from engine.filters.contract import PromptWords

CONFIG = ExamplesConfig(dedup=DedupConfig(threshold=0.6), seed=0)
PASSAGE = "Honey bees dance in the hive to tell the others in which direction the flowers are."
TEXTS = ["how do bees tell where flowers are", "How do bees tell where flowers are?", "bees", "", "why do bees dance"]
TEXTS += ["how do bees tell where flowers are now", "what is a mortgage", "why do bees dance so much"]


def samples(ids: list[int]) -> pa.Table:
    texts = [TEXTS[each % len(TEXTS)] for each in ids]
    columns = {"sample_id": pa.array(ids, pa.int64()), "text": pa.array(texts, pa.string())}
    return pa.table({**columns, "logprob": [-1.0] * len(ids), "finish_reason": ["stop"] * len(ids)})


def work_out_of(ids: list[int], config: ExamplesConfig = CONFIG) -> pa.Table:
    return work_out(samples(ids), [PASSAGE] * len(ids), PromptWords(), config)


def test_results_are_what_the_filters_and_both_searches_for_duplicates_work_out_themselves(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for ids in ([9, 2, 30], [4], [17, 0, 1, 5]):
        results.add(work_out_of(ids), np.array([*ids, ids[0] + 100]))
    known = Results(tmp_path)
    read = pa.concat_tables(known.verdicts()).sort_by("sample_id")
    ids = [0, 1, 2, 4, 5, 9, 17, 30]
    plain = filter_batch(samples(ids), [PASSAGE] * 8, PromptWords(), CONFIG.filters)
    assert read.to_pylist() == plain.to_pylist()
    every = [*ids[::-1], 50, 51]  # those that are not known are worked out, in any order
    texts = [TEXTS[each % len(TEXTS)] for each in every]
    expected = exact_duplicates(np.array(every), texts)
    assert (exact_duplicates(np.array(every), ["another text"] * 8 + texts[8:], known.hashes()) == expected).all()
    expected = near_duplicates(np.array(every), texts, CONFIG.dedup)
    assert len(set(expected.tolist())) < len(set(texts)), "something is similar"
    found = near_duplicates(np.array(every), texts, CONFIG.dedup, known=known.signatures(CONFIG.dedup))
    assert (found == expected).all()
    few = np.array([1, 4])  # the others were rejected before
    chosen = [texts[every.index(each)] for each in few]
    assert near_duplicates(few, chosen, CONFIG.dedup, known=known.signatures(CONFIG.dedup)).tolist() == [1, 4]


def test_what_was_looked_at_is_known_failures_included(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.add(work_out_of([7, 3]), np.array([7, 3, 4]))
    results.add(work_out_of([]), np.array([9]))
    again = Results(tmp_path)
    assert np.flatnonzero(again.covered(12).contains(np.arange(12))).tolist() == [3, 4, 7, 9]
    assert sorted(again.ids().tolist()) == [3, 7]
    assert [len(table) for table in again.verdicts()] == [2]
    assert [len(hashed.ids) for hashed in again.hashes()] == [2]
    assert len(list(again.signatures(CONFIG.dedup))) == 1


def test_a_folder_that_was_made_again_and_other_settings_find_nothing(tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "store" / "samples" / "abc"
    folder.mkdir(parents=True)
    assert not results_of(store, folder, CONFIG).ids().size, "nobody has followed it"
    place = begin_results(store, folder, CONFIG)
    place.mkdir()
    assert begin_results(store, folder, CONFIG) == place
    assert belongs_to(place, folder)
    Results(place).add(work_out_of([7, 3]), np.array([7, 3]))
    assert results_of(store, folder, CONFIG).ids().size == 2
    assert not results_of(store, folder, ExamplesConfig(filters=FiltersConfig(max_words=3), seed=0)).ids().size
    for config in (ExamplesConfig(seed=1, dedup=CONFIG.dedup, follow=True), CONFIG):
        assert results_of(store, folder, config).ids().size == 2, "it decides nothing here"
    shutil.rmtree(folder)
    folder.mkdir()
    assert not results_of(store, folder, CONFIG).ids().size
    assert not belongs_to(place, folder)
    begin_results(store, folder, CONFIG)
    assert not place.exists(), "nobody would ever read it"


def test_results_are_removed_once_they_are_used(tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "store" / "samples" / "abc"
    folder.mkdir(parents=True)
    other = ExamplesConfig(filters=FiltersConfig(max_words=3), seed=0)
    first, second = (begin_results(store, folder, config) for config in (CONFIG, other))
    for made in (first, second):
        made.mkdir()
    with pytest.raises(KeyError), reading_results(store, folder, CONFIG):
        raise KeyError("the step was cut off")
    assert first.exists(), "the next start uses them"
    with reading_results(store, folder, CONFIG):
        assert first.exists()
    assert second.exists()
    assert not first.exists()
    for config in (CONFIG, other):
        with reading_results(store, folder, config):
            pass
    assert [each.name for each in (store / "followed").iterdir()] == [".marking.lock"]


def test_names_that_are_given_at_the_same_time_are_one(tmp_path: Path) -> None:
    """Each of two runs would otherwise look for its own, and one of them would find nothing."""
    store, folder = tmp_path / "store", tmp_path / "store" / "samples" / "abc"
    folder.mkdir(parents=True)
    code = "import sys; from pathlib import Path; from tests.examples.following.test_results import *; "
    code += "sys.stdin.read(); print(begin_results(Path(sys.argv[1]), Path(sys.argv[2]), CONFIG))"
    command = [sys.executable, "-c", code, str(store), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for run in runs:
        run.stdin.close()  # all are loaded, or wait for it
    assert len({run.stdout.read() for run in runs}) == 1
    assert [run.wait() for run in runs] == [0] * 4
