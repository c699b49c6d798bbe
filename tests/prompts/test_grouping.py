"""Unplanned prompts that begin alike become neighbours, however the file is shuffled, and cuts cost next to nothing."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from engine.prompts.grouping import GroupingSettings, PrefixNumbers, Sharing, group_prompts, shared_with_previous

EXACT = GroupingSettings(block_bytes=1, least_rows=5)


def nested(seed: int) -> list[str]:
    """Prompts of a few systems, each with documents, each with questions; in no order."""
    rng = random.Random(seed)

    def text(length: int) -> str:
        return "".join(rng.choices("abcdefgh é한", k=length))

    prompts = []
    for system in [text(rng.choice([0, 400])) for _ in range(rng.randrange(1, 4))]:
        for _ in range(rng.randrange(1, 30)):
            document = system + text(rng.choice([5, 50, 300]))
            prompts += [document + text(rng.randrange(60)) for _ in range(rng.choice([1, 3, 40]))]
    return rng.sample(prompts, len(prompts))


def group(
    prompts: Sequence[str], folder: Path, settings: GroupingSettings = EXACT, rows_of_table: int = 100
) -> pa.Table:
    """The prompts with their numbers, grouped."""
    rows = pa.table({"row": range(len(prompts)), "prompt": prompts})
    pieces = [rows.slice(start, rows_of_table) for start in range(0, len(prompts), rows_of_table)]
    grouped = pa.concat_tables(group_prompts(pieces, folder, settings))
    assert list(folder.iterdir()) == [], "no file stays"
    return grouped


def common_bytes(left: str, right: str) -> int:
    """What two texts have in common at their beginning."""
    pairs = zip(left.encode(), right.encode(), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_share_what_any_order_can_share(seed: int, tmp_path: Path) -> None:
    prompts = nested(seed)
    grouped = group(prompts, tmp_path)
    assert sorted(grouped["row"].to_pylist()) == list(range(len(prompts))), "each row once"
    ordered = grouped["prompt"].to_pylist()
    assert ordered == [prompts[row] for row in grouped["row"].to_pylist()]
    shared = [0, *(common_bytes(left, right) for left, right in itertools.pairwise(ordered))]
    assert grouped["shared_bytes"].to_pylist() == shared
    beginnings: set[bytes] = set()
    for prompt in map(str.encode, prompts):  # in file order, with a cache that forgets nothing
        beginnings.update(prompt[: end + 1] for end in range(len(prompt)))
    assert sum(shared) == sum(len(prompt.encode()) for prompt in prompts) - len(beginnings)
    prefixes = np.array(grouped["prefix"])
    assert prefixes[0] == 0
    assert set(np.diff(prefixes)) <= {0, 1}, "prefixes ascend along the order"


@pytest.mark.parametrize("seed", range(3))
def test_shuffling_and_cutting_the_file_change_nothing(seed: int, tmp_path: Path) -> None:
    prompts = nested(seed)
    first = group(prompts, tmp_path)
    assert group(prompts, tmp_path, rows_of_table=1) == first
    assert group(prompts, tmp_path, replace(EXACT, memory_bytes=3000), rows_of_table=9) == first
    shuffled = random.Random(seed).sample(prompts, len(prompts))
    columns = ["prompt", "prefix", "shared_bytes"]
    assert group(shuffled, tmp_path).select(columns) == first.select(columns)


@pytest.mark.parametrize("seed", range(6))
def test_prefixes_that_run_anywhere_lose_little(seed: int, tmp_path: Path) -> None:
    settings = replace(EXACT, cut_cost=0.05)
    grouped = group(nested(seed), tmp_path, settings)
    prefixes, shared = np.array(grouped["prefix"]), np.array(grouped["shared_bytes"], np.int64)
    lengths = np.array(pc.binary_length(grouped["prompt"]))
    is_first = np.diff(prefixes, prepend=-1) != 0
    saved = np.bincount(prefixes, np.where(is_first, 0, shared))
    computed = np.bincount(prefixes, lengths) - saved
    lost = np.where(is_first, shared, 0)[is_first][1:]  # what is computed again, by the prefix before the cut
    assert (lost <= 0.05 * np.minimum(saved, computed)[:-1]).all()
    assert (np.bincount(prefixes)[:-1] >= settings.least_rows).all()


def test_prompts_that_share_nothing_are_cut_evenly(tmp_path: Path) -> None:
    prompts = [f"{number:08}" for number in range(100)]
    settings = GroupingSettings(block_bytes=64, least_rows=10)
    grouped = group(prompts, tmp_path, settings)
    assert np.bincount(grouped["prefix"]).tolist() == [10] * 10, "less than a block ties no rows together"


def test_a_long_system_prompt_does_not_tie_all_rows_together(tmp_path: Path) -> None:
    prompts = ["s" * 500 + f"{number:050}" * 2 for number in range(2000)]
    grouped = group(random.Random(0).sample(prompts, 2000), tmp_path, GroupingSettings(least_rows=10))
    rows = np.bincount(grouped["prefix"])
    assert len(rows) > 2, "several engines can work"
    assert rows[0] > 100, "each computes the system prompt once for many rows"


def test_equal_prompts_have_one_prefix(tmp_path: Path) -> None:
    grouped = group(["the same prompt, longer than a block of the cache has bytes, many times"] * 500, tmp_path)
    assert set(grouped["prefix"].to_pylist()) == {0}
    assert grouped["row"].to_pylist() == list(range(500))


def test_numbers_do_not_depend_on_pieces() -> None:
    rng = np.random.default_rng(0)
    shared = rng.choice([0, 64, 640], 3000)
    lengths = shared + rng.integers(1, 200, 3000)
    whole = PrefixNumbers(EXACT).assign(lengths, shared)
    numbers = PrefixNumbers(EXACT)
    cuts = [slice(start, start + 37) for start in range(0, 3000, 37)]
    assert np.concatenate([numbers.assign(lengths[cut], shared[cut]) for cut in cuts]).tolist() == whole.tolist()
    assert whole[-1] > 10


def test_texts_longer_than_a_window_are_compared_to_their_ends() -> None:
    texts = ["", "a", "a" * 64, "a" * 200, "a" * 200 + "b", "é" * 100, "é" * 100 + "x"]
    lengths, shared = shared_with_previous(pa.array(texts, pa.large_string()), b"")
    assert lengths.tolist() == [0, 1, 64, 200, 201, 200, 201]
    assert shared.tolist() == [0, 0, 1, 64, 200, 0, 200]
    _, shared = shared_with_previous(pa.array(texts, pa.large_string()).slice(3, 1), b"a" * 150)
    assert shared.tolist() == [150]


@pytest.mark.parametrize(("block_tokens", "shared"), [(1, 16 + 32), (16, 16 + 32), (20, 20), (128, 0)])
def test_what_is_shared_is_told_in_whole_blocks_of_tokens(block_tokens: int, shared: int, tmp_path: Path) -> None:
    prompts = ["x" * 64 * number for number in range(1, 4)]  # of 16, 32 and 48 tokens
    beginnings = {"prompt": prompts, "prompt_bytes": [64, 128, 2 * 192]}  # half of the last one is not compared
    rows = pa.table({**beginnings, "prompt_tokens": pa.array([16, 32, 96], pa.int32())})
    sharing = Sharing(block_tokens)
    assert sum(table.num_rows for table in sharing.count(group_prompts([rows], tmp_path))) == 3
    assert (sharing.tokens, sharing.shared_tokens) == (144, shared)


def test_the_last_token_of_a_prompt_is_computed_wherever_it_stands(tmp_path: Path) -> None:
    rows = pa.table({"prompt": ["x" * 128] * 3, "prompt_bytes": [128] * 3, "prompt_tokens": pa.array([32] * 3)})
    sharing = Sharing(16)
    list(sharing.count(group_prompts([rows], tmp_path)))
    assert sharing.shared_tokens == 2 * 16, "of two blocks the second holds the last token"


def test_the_forecast_is_what_a_cache_of_blocks_saves(tmp_path: Path) -> None:
    prompts = [prompt for seed in range(3) for prompt in nested(seed) if prompt]
    lengths = [len(prompt.encode()) for prompt in prompts]  # a token is a byte
    rows = pa.table({"prompt": prompts, "prompt_bytes": lengths, "prompt_tokens": pa.array(lengths, pa.int32())})
    sharing = Sharing(4)
    ordered = [text for table in sharing.count(group_prompts([rows], tmp_path)) for text in table["prompt"].to_pylist()]
    blocks, saved = set[bytes](), 0
    for prompt in map(str.encode, ordered):
        saved += 4 * sum(prompt[:end] in blocks for end in range(4, len(prompt), 4))
        blocks.update(prompt[:end] for end in range(4, len(prompt) + 1, 4))
    assert sharing.shared_tokens == saved
    assert saved > 0
