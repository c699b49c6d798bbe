"""The fake generator: text from the prompt alone, behind the interface of an engine."""

import time
from dataclasses import replace

import pytest

from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.fake_generator import MEMORY_BYTES, SAMPLES_PER_SECOND, FakeGenerator, fake_environment
from engine.generation.generator import Finished, Request, prompt_hash
from engine.generation.load import make_generator
from engine.task.sampling import Sampling
from engine.task.scores import Scoring

CONFIG = GeneratorConfig(generator=GeneratorKind.fake, seed=0, max_num_seqs=4, context_tokens=100)
SAMPLING = Sampling(0.7, 0.95, 48)
PROMPT = "Passage: The kestrel hovers above motorways.\nQuery:"


def drain(generator: FakeGenerator) -> list[Finished]:
    found = []
    while generator.num_unfinished():
        found += generator.step()
    return found


def test_the_same_prompt_gives_the_same_text_on_any_engine() -> None:
    texts = []
    for seed in (0, 1):
        generator = FakeGenerator(replace(CONFIG, seed=seed))
        assert generator.add(Request("7", PROMPT, 2, SAMPLING)) == prompt_hash(PROMPT)
        [finished] = drain(generator)
        assert (finished.request_id, finished.prompt_tokens, finished.cached_tokens) == ("7", 7, 0)
        texts.append([sample.text for sample in finished.samples])
    assert texts[0] == texts[1]
    assert texts[0][0] != texts[0][1]


def test_replicates_that_are_asked_for_again_get_the_text_that_they_had() -> None:
    """A driver that is killed may leave some replicates of a prompt written and others not."""
    texts: dict[int, str] = {}
    for replicates in ((0, 1, 2, 3), (2, 3), (1,)):
        generator = FakeGenerator(CONFIG)
        generator.add(Request("7", PROMPT, len(replicates), SAMPLING, replicates=replicates))
        [finished] = drain(generator)
        for replicate, sample in zip(replicates, finished.samples, strict=True):
            assert texts.setdefault(replicate, sample.text) == sample.text
    assert len(set(texts.values())) == 4


def test_writes_words_of_the_passage() -> None:
    generator = FakeGenerator(CONFIG)
    generator.add(Request("a", PROMPT, 1, SAMPLING))
    [sample] = drain(generator)[0].samples
    words = sample.text.removeprefix(" where is ").split()
    assert len(words) == 6
    assert set(words) <= {"passage", "kestrel", "hovers", "above", "motorways"}
    assert (sample.output_tokens, sample.logprob, sample.finish_reason) == (8, -1.0, "stop")


def test_a_prompt_without_words_is_written_about_too() -> None:
    generator = FakeGenerator(CONFIG)
    generator.add(Request("a", "", 1, SAMPLING))
    assert drain(generator)[0].samples[0].text == " where is " + " ".join(["nothing"] * 6)


def test_finishes_a_batch_at_a_time() -> None:
    generator = FakeGenerator(CONFIG)
    for number in range(10):
        generator.add(Request(str(number), PROMPT, 1, SAMPLING))
    sizes = []
    while generator.num_unfinished():
        sizes.append(len(generator.step()))
    assert sizes == [4, 4, 2]
    assert generator.step() == []
    assert generator.counters() == {"prefix_cache_queries": 70, "prefix_cache_hits": 0}


def test_refuses_what_does_not_fit_and_goes_on() -> None:
    generator = FakeGenerator(CONFIG)
    with pytest.raises(ValueError, match="the prompt has 101 tokens, the context 100"):
        generator.add(Request("a", "word " * 101, 1, SAMPLING))
    generator.add(Request("b", "word " * 100, 1, SAMPLING))
    assert [finished.request_id for finished in drain(generator)] == ["b"]


def test_takes_a_chat() -> None:
    generator = FakeGenerator(CONFIG)
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    assert generator.add(Request("a", chat, 1, SAMPLING)) == prompt_hash(f"Be brief.\n{PROMPT}")
    assert drain(generator)[0].prompt_tokens == 9


def test_is_as_slow_as_it_is_told_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAMPLES_PER_SECOND, "100")
    generator = FakeGenerator(CONFIG)
    for number in range(5):
        generator.add(Request(str(number), PROMPT, 4, SAMPLING))
    started = time.monotonic()
    assert [finished.request_id for finished in drain(generator)] == ["0", "1", "2", "3", "4"]
    assert time.monotonic() - started >= 0.2


def test_has_as_little_memory_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_BYTES, "1000")
    with pytest.raises(MemoryError, match="2000 bytes for the KV cache, 1000 there"):
        FakeGenerator(replace(CONFIG, kv_cache_bytes=2000))
    assert FakeGenerator(replace(CONFIG, kv_cache_bytes=1000)).num_unfinished() == 0


def test_what_it_is_told_is_passed_on_to_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEMORY_BYTES, raising=False)
    monkeypatch.setenv(SAMPLES_PER_SECOND, "7")
    assert fake_environment() == {SAMPLES_PER_SECOND: "7"}


def test_never_claims_to_be_a_model() -> None:
    assert CONFIG.model_name() == "fake"
    assert isinstance(make_generator(CONFIG, {}, seed=0), FakeGenerator)
    assert CONFIG.identity()["model"] == "fake"


def test_scores_are_the_same_on_any_engine_and_differ_by_prompt_and_text() -> None:
    found = []
    for prompt in (PROMPT, PROMPT, "Query:"):
        generator = FakeGenerator(CONFIG)
        generator.add(
            Request("s", prompt, 2, SAMPLING, scoring=Scoring((" why do kestrels hover", " no"), prompt=True))
        )
        [finished] = drain(generator)
        first, second = finished.samples
        assert first == second
        assert first.scores
        assert [score.tokens for score in first.scores.continuations] == [4, 1]
        assert all(-2 <= score.mean <= -1 for score in first.scores.continuations)
        assert len(first.scores.prompt) == len(prompt.split())
        assert first.scores.prompt[0] is None
        found.append(first.scores)
    assert found[0] == found[1]
    assert found[0].continuations != found[2].continuations
