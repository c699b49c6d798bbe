"""The seam between the engine loop and what writes."""

from engine.generation.generator import prompt_hash


def test_hashes_of_prompts_are_short_and_of_the_text() -> None:
    assert prompt_hash("one") == "7692c3ad3540bb80"
    assert prompt_hash("\ud800") != prompt_hash("")
