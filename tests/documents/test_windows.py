"""Windows of tokens: sizes, overlap, and where a text is cut."""

import itertools
import random
import re

import pytest

from engine.documents.windows import MIN_WINDOW_TOKENS, ChunkSize, chunk_windows, last_space


def word_starts(text: str) -> list[int]:
    """A token for every word and every mark of punctuation."""
    return [token.start() for token in re.finditer(r"\w+|[^\w\s]", text)]


def cut(text: str, size: ChunkSize, starts: list[int] | None = None) -> list[str]:
    """The texts of all windows."""
    windows = chunk_windows(text, word_starts(text) if starts is None else starts, size)
    return [text[begin:end].strip() for begin, end, _ in windows]


def test_a_text_that_fits_is_one_window() -> None:
    text = "one two three"
    assert list(chunk_windows(text, word_starts(text), ChunkSize(16))) == [(0, len(text), 3)]
    assert list(chunk_windows("", [], ChunkSize(16))) == [(0, 0, 0)]


def test_a_window_ends_after_the_last_sentence_of_its_last_fifth() -> None:
    assert cut("w " * 17 + "end. " + "next " * 9, ChunkSize(20))[0].endswith("end.")
    assert cut("w " * 9 + "end. " + "next " * 19, ChunkSize(20))[0].endswith("next")


def test_without_a_sentence_a_window_ends_at_a_space() -> None:
    text = " ".join(f"word{number}" for number in range(50))
    windows = cut(text, ChunkSize(64), starts=list(range(len(text))))
    assert len(windows) > 3
    assert " ".join(windows) == text


@pytest.mark.parametrize(("text", "end"), [("3.14 " * 30, "3.14"), ("これは文です。" * 19, "。"), ("क ख। " * 30, "।")])
def test_only_what_ends_a_sentence_is_taken_for_its_end(text: str, end: str) -> None:
    assert all(window.endswith(end) for window in cut(text, ChunkSize(40), starts=list(range(len(text)))))


def test_no_letter_is_parted_from_its_marks() -> None:
    text = "ก่" * 300
    starts = [index for index in range(len(text)) for _ in range(3)]  # three bytes each, every byte a token
    assert all(window[0] == "ก" for window in cut(text, ChunkSize(40), starts))


def test_a_space_that_belongs_to_the_token_behind_it_is_not_counted_twice() -> None:
    text = "word " * 40
    with_space = [max(0, start - 1) for start in word_starts(text)]
    assert cut(text, ChunkSize(16), with_space) == cut(text, ChunkSize(16))


@pytest.mark.parametrize("seed", range(30))
def test_windows_leave_nothing_out_and_keep_their_sizes(seed: int) -> None:
    rng = random.Random(seed)
    half = rng.randint(8, 40)
    size = ChunkSize(2 * half, rng.randint(0, half), rng.randint(1, half))
    text = "".join(rng.choice(["word", "a", " ", " ", ". ", "。", "é", "\n\n"]) for _ in range(rng.randint(0, 600)))
    starts = word_starts(text)
    windows = list(chunk_windows(text, starts, size))
    assert windows[0][0] == 0
    assert windows[-1][1] == len(text)
    overlaps = []
    for (begin, end, _), (next_begin, _, _) in itertools.pairwise(windows):
        assert begin < next_begin
        assert not text[end:next_begin].strip()
        overlaps.append(sum(next_begin <= start < end for start in starts))
    assert max(overlaps[:-1], default=0) <= size.overlap_tokens, "the last may be longer, to hold min_tokens"
    for begin, end, tokens in windows:
        assert tokens == sum(begin <= start < end for start in starts) <= size.max_tokens
    if len(windows) > 1:
        assert windows[-1][2] >= size.min_tokens


def test_the_overlap_is_what_was_asked_for_where_no_sentence_is_nearer() -> None:
    text = " ".join(["word"] * 100)
    windows = list(chunk_windows(text, word_starts(text), ChunkSize(20, 6)))
    overlaps = [(end - begin + 1) // 5 for (_, end, _), (begin, _, _) in itertools.pairwise(windows)]
    assert set(overlaps) <= set(range(3, 7))


@pytest.mark.parametrize("sizes", [(MIN_WINDOW_TOKENS - 1, 0, 1), (32, 17, 1), (32, 0, 17), (32, -1, 1)], ids=str)
def test_sizes_with_which_windows_could_not_move_on_are_defects(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError):
        ChunkSize(*sizes)


@pytest.mark.parametrize(
    ("text", "end"), [("one two three", 8), ("one two", 4), ("one two ", 8), ("onetwothree", 9), ("one two  three", 9)]
)
def test_the_last_space_is_looked_for_between_two_characters(text: str, end: int) -> None:
    assert last_space(text, 2, min(9, len(text))) == end
