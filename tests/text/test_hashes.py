"""Hashes of texts and draws from them: fixed for ever, uniform, independent."""

import unicodedata

import numpy as np
import pytest

from engine.text.hashes import mix, query_key, text_hash, text_hashes, uniform

KEYS = text_hashes([f"text {number}" for number in range(20_000)])


def test_a_text_has_the_same_hash_on_every_machine() -> None:
    assert text_hash("") == 0xB4B2797457A0A6E4
    assert text_hash("passage") == 0x9B8182AD2A5B706F
    assert text_hash("\ud800") == 0x680D7D923E780842


def test_many_texts_have_the_hashes_of_each() -> None:
    assert text_hashes(["passage", "é"]).tolist() == [text_hash("passage"), text_hash("é")]
    assert text_hashes([]).shape == (0,)


def test_queries_count_as_equal_whatever_their_case_white_space_and_characters() -> None:
    assert query_key(" Was  heißt\nÉ? ") == "was heisst é?"
    query = "꿀벌 ǰ É?"
    assert query_key(unicodedata.normalize("NFD", query)) == query_key(query) != query_key("꿀벌 j E?")


@pytest.mark.parametrize(
    ("seed", "output"), [(1, 0xE220A8397B1DCDAF), (2, 0x6E789E6AA1B965F4), (3, 0x06C45D188009454F)]
)
def test_draws_are_those_of_splitmix64(seed: int, output: int) -> None:
    """The generator's first three outputs from the state 0, as its authors' code gives them."""
    assert mix(np.zeros(1, np.uint64), seed, stream=0).tolist() == [output]


def test_an_array_of_numbers_gives_a_draw_for_each() -> None:
    drawn = mix(KEYS[:, None], 7, 1, np.arange(3))
    assert drawn.shape == (20_000, 3)
    assert np.array_equal(drawn[:, 2], mix(KEYS, 7, 1, 2))
    assert np.array_equal(drawn[:, 0], mix(KEYS, 7, 1))


def test_seeds_streams_and_numbers_are_independent() -> None:
    draws = [uniform(mix(KEYS, *arguments)) for arguments in ((7, 1), (8, 1), (7, 2), (7, 1, 1))]
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 4 / np.sqrt(len(KEYS))


def test_floats_are_uniform_and_never_0_or_1() -> None:
    floats = uniform(mix(KEYS, 7, 1))
    counts = np.bincount((floats * 20).astype(int), minlength=20)
    assert np.abs(counts - len(KEYS) / 20).max() < 5 * np.sqrt(len(KEYS) / 20)
    extremes = uniform(np.array([0, 0xFFFFFFFFFFFFFFFF], np.uint64))
    assert 0 < extremes[0] < 1e-15
    assert 1 - 1e-15 < extremes[1] < 1
