"""Documents to passages: cleaning, ids, sizes by a real tokenizer, texts that are not text."""

import itertools

import pytest
from tokenizers import Tokenizer

from engine.documents import chunking
from engine.documents.chunking import ChunkedDocument, Passage, chunk_documents, clean_document, token_starts
from engine.documents.readers.document import SourceDocument
from engine.documents.windows import ChunkSize, chunk_windows
from engine.models.tokenizer import load_tokenizer
from tests.support.tokenizers import byte_tokenizer

SENTENCES = " ".join(f"Sentence number {index} says that item {index * 7} is heavy." for index in range(200))
CHINESE = "天气很好我们去公园散步。" * 100
THAI = "วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนสาธารณะ" * 40


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer("bundled:all-minilm-l6-v2", key="documents.tokenizer")


def chunk(tokenizer: Tokenizer, text: str, size: ChunkSize, title: str = "") -> ChunkedDocument:
    return next(chunk_documents([SourceDocument("d", title, text)], tokenizer, size))


def texts(chunked: ChunkedDocument) -> list[str]:
    return [passage.text for passage in chunked.passages]


def test_a_document_that_fits_is_one_passage_with_its_own_id(tokenizer: Tokenizer) -> None:
    assert chunk(tokenizer, " Short Text. ", ChunkSize(16, 8), "A  title").passages == (
        Passage("d", "d", "A title", "Short Text.", 0, 3),
    )


def test_later_chunks_are_numbered_from_two(tokenizer: Tokenizer) -> None:
    passages = chunk(tokenizer, SENTENCES, ChunkSize(64, 16), "T").passages
    assert [passage.passage_id for passage in passages[:3]] == ["d", "d#2", "d#3"]
    assert [passage.position for passage in passages] == list(range(len(passages)))
    assert {(passage.document_id, passage.title) for passage in passages} == {("d", "T")}


@pytest.mark.parametrize("size", [ChunkSize(64, 0), ChunkSize(64, 16), ChunkSize(64, 32), ChunkSize(100, 20, 50)])
def test_chunks_are_slices_within_size_that_leave_nothing_out(tokenizer: Tokenizer, size: ChunkSize) -> None:
    passages = chunk(tokenizer, SENTENCES, size).passages
    covered = 0
    for passage in passages:
        begin = SENTENCES.index(passage.text)
        assert not SENTENCES[covered:begin].strip()
        covered = begin + len(passage.text)
        num_tokens = len(tokenizer.encode(passage.text, add_special_tokens=False))
        assert passage.num_tokens == num_tokens <= size.max_tokens
        assert num_tokens >= size.min_tokens
    assert covered == len(SENTENCES)


def test_chunks_are_cut_at_sentences(tokenizer: Tokenizer) -> None:
    passages = texts(chunk(tokenizer, SENTENCES, ChunkSize(100, 30)))
    assert all(text.startswith("Sentence") and text.endswith("heavy.") for text in passages)
    overlaps = [set(first.split(". ")) & set(second.split(". ")) for first, second in itertools.pairwise(passages)]
    assert all(overlaps)


def test_without_sentences_chunks_are_cut_at_words(tokenizer: Tokenizer) -> None:
    words = [f"word{index}" for index in range(500)]
    for text in texts(chunk(tokenizer, " ".join(words), ChunkSize(64, 16))):
        assert set(text.split()) <= set(words)


def test_a_decimal_point_ends_no_sentence(tokenizer: Tokenizer) -> None:
    for text in texts(chunk(tokenizer, "value 3.14 or " * 200, ChunkSize(32, 8))):
        assert not text.endswith("3.")


@pytest.mark.parametrize(
    "text", [CHINESE, THAI, "ab" * 3000, "👩‍👩‍👧 " * 200], ids=["chinese", "thai", "letters", "emoji"]
)
@pytest.mark.parametrize("name", ["wordpiece", "bytes"])
def test_texts_without_spaces_lose_nothing(tokenizer: Tokenizer, text: str, name: str) -> None:
    used = tokenizer if name == "wordpiece" else byte_tokenizer()
    text = text.strip()
    size = ChunkSize(48, 0)
    (starts,) = token_starts([text], used)
    windows = list(chunk_windows(text, starts, size))
    assert "".join(text[begin:end] for begin, end, _ in windows) == text
    assert all(tokens <= size.max_tokens for _, _, tokens in windows)
    if text == CHINESE.strip() and name == "wordpiece":
        assert all(text[:end].endswith("。") for _, end, _ in windows)


def test_spaces_that_belong_to_tokens_do_not_make_chunks_too_long() -> None:
    tokenizer = byte_tokenizer()
    for passage in chunk(tokenizer, SENTENCES, ChunkSize(64, 16)).passages:
        assert len(tokenizer.encode(passage.text)) <= 64


def test_a_long_text_is_tokenised_in_pieces(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = token_starts([SENTENCES], tokenizer)
    monkeypatch.setattr(chunking, "SEGMENT_CHARACTERS", 500)
    monkeypatch.setattr(chunking, "GROUP_SEGMENTS", 3)
    assert token_starts(["", SENTENCES, "x"], tokenizer)[1] == whole


def test_the_result_does_not_depend_on_threads_or_batches(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [SourceDocument(str(index), "", SENTENCES[: index * 97]) for index in range(40)]
    single = list(chunk_documents(documents, tokenizer, ChunkSize(64, 16)))
    monkeypatch.setattr(chunking, "BATCH_DOCUMENTS", 7)
    assert list(chunk_documents(documents, tokenizer, ChunkSize(64, 16), num_threads=3)) == single
    assert [result.document_id for result in single] == [document.id for document in documents]


@pytest.mark.parametrize(
    ("title", "text", "reason"),
    [
        ("", " \n\t ", "empty"),
        ("", "two words", "too short"),
        ("three more words", "two words", ""),
        ("five words in the title", "", ""),
        ("", "\x00\x01\x02\x03 binary \x04\x05\x06", "control characters"),
        ("", "\x00", "control characters"),
        ("", "\ud800\udfff" * 9, "control characters"),
        ("", "\u200b\u200b", "too short"),
    ],
)
def test_what_is_no_passage_has_a_reason(tokenizer: Tokenizer, title: str, text: str, reason: str) -> None:
    chunked = chunk(tokenizer, text, ChunkSize(16, 0, 5), title)
    assert chunked.reason == reason
    assert bool(chunked.passages) == (not reason)


def test_a_title_alone_is_a_passage_without_text(tokenizer: Tokenizer) -> None:
    assert chunk(tokenizer, "", ChunkSize(16), "On Locks").passages == (Passage("d", "d", "On Locks", "", 0, 0),)


def test_stray_control_characters_and_surrogates_are_cleaned() -> None:
    dirty = SourceDocument(
        "i\ud800d\x00", "A\x07\ttitle", "a long enough text\x00with \ud83d one or two\r\nlines\x0cof it"
    )
    clean = clean_document(dirty)
    assert clean.id == "i\\ud800d\\u0000"
    assert clean.title == "A title"
    assert clean.text == "a long enough text with   one or two\nlines\nof it"
    clean.text.encode()
