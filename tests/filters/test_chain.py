"""The chain is written down: it is whole wherever it is imported, in one order, and each filter gives its own name."""

import dataclasses
import math
import subprocess
import sys

import pyarrow as pa
import pytest
from omegaconf import OmegaConf

from engine.errors import UserError
from engine.filters import checks
from engine.filters.chain import FILTER_NAMES, FILTERS, FiltersConfig, filter_batch, judge
from engine.filters.contract import KEEP, PromptWords, Row, RowFilter, Verdict
from tests.support.paths import ROOT

HALVES = ((slice(0, 1), "a"), (slice(1, 4), "bcd"))


def test_every_check_is_in_the_chain_once() -> None:
    written = {function for name, function in vars(checks).items() if name.startswith("check_")}
    assert {row_filter.check for row_filter in FILTERS} == written
    assert len(FILTERS) == len(written) == len(set(FILTER_NAMES))


@pytest.mark.parametrize("row_filter", FILTERS, ids=FILTER_NAMES)
def test_a_check_is_called_like_its_filter(row_filter: RowFilter) -> None:
    assert row_filter.check.__name__ == f"check_{row_filter.name}"
    assert row_filter.setting.startswith(("examples.filters.", "samples."))


def test_the_chain_is_whole_in_a_process_that_imports_nothing_else() -> None:
    code = (
        "from engine.filters.chain import FiltersConfig, Row, judge;"
        "print(len(FiltersConfig().use), judge(Row('')).reason)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == [str(len(FILTERS)), "format"]


def test_the_first_filter_of_the_chain_gives_the_reason() -> None:
    both = Row("```")
    assert checks.check_length(both).reason == "length"
    for use in (["length", "format"], ["format", "length"]):
        assert [row_filter.name for row_filter in FiltersConfig(use=use).chain()] == ["format", "length"]
        assert judge(both, FiltersConfig(use=use).chain()).reason == "format"


def test_a_row_is_judged_by_the_whole_chain_unless_told_otherwise() -> None:
    assert judge(Row("where is the key")) is KEEP
    assert judge(Row("where is the", cut_off=True)) == Verdict("cut_off", "ended by the token limit")
    assert judge(Row("```"), ()) is KEEP


def test_all_filters_run_by_default() -> None:
    assert FiltersConfig().chain() == FILTERS
    assert FiltersConfig(use=[]).chain() == ()


def test_wrong_names_are_refused_with_the_right_ones() -> None:
    with pytest.raises(UserError, match=r"examples.filters.use: 'lenght' is no filter; did you mean 'length'\?"):
        FiltersConfig(use=["lenght"])
    with pytest.raises(UserError, match=r"examples.filters.use: 'copy' is listed twice; list it once"):
        FiltersConfig(use=["copy", "format", "copy"])


def test_bounds_are_checked_here_too() -> None:
    with pytest.raises(UserError, match=r"examples.filters.min_words: 9 is more than max_words=8"):
        FiltersConfig(min_words=9, max_words=8)


@pytest.mark.parametrize("least", [math.nan, math.inf])
def test_a_least_information_that_is_no_number_is_refused(least: float) -> None:
    with pytest.raises(UserError, match=r"examples.filters.min_information"):
        FiltersConfig(min_information=least)


def test_hydra_can_hold_the_config() -> None:
    config = OmegaConf.merge(OmegaConf.structured(FiltersConfig), {"use": ["copy"], "min_logprob": -2})
    assert OmegaConf.to_object(config) == FiltersConfig(use=["copy"], min_logprob=-2.0)


def some_samples() -> pa.Table:
    return pa.table(
        {
            "sample_id": [4, 7, 8, 9],
            "text": [' "where is the key"\nPassage:', "Query: where is", "where is the key\nand", "`"],
            "logprob": pa.array([-1.0, None, math.nan, 0.0], pa.float32()),
            "finish_reason": ["stop", "length", "length", "stop"],
        }
    )


def test_a_batch_is_judged_row_by_row() -> None:
    samples, config = some_samples(), FiltersConfig()
    judged = filter_batch(samples, ["a", "b", "c", "d"], PromptWords(), config)
    assert judged.column_names == ["sample_id", "query", "reason", "detail"]
    assert judged["query"].to_pylist() == ["where is the key", "where is", "where is the key", "`"]
    assert judged["reason"].to_pylist() == ["", "cut_off", "", "format"]
    halves = [filter_batch(samples[part], list(names), PromptWords(), config) for part, names in HALVES]
    assert pa.concat_tables(halves).equals(judged)


def test_a_batch_obeys_the_config() -> None:
    config = dataclasses.replace(FiltersConfig(use=["logprob"]), min_logprob=-0.5)
    judged = filter_batch(some_samples(), ["a", "b", "c", "d"], PromptWords(), config)
    assert judged["reason"].to_pylist() == ["logprob", "", "", ""]
