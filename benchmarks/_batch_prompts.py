"""Made prompts for batch inference, in the shuffled order in which a file has them.

In: how many, and a seed. Out: requests of four kinds. Sentences are drawn from the word lists that the engine brings
along; they mean nothing, and a model is only timed on them.

- few_shot: one instruction, five of eight demonstrations in an order of their own for every ten prompts, and an input;
- documents: one system prompt, a document with twelve questions (each a prompt);
- chats: four long system prompts, a message of its own for each, and answers of 8 to 160 tokens (1 to 20);
- distinct: nothing is shared.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WORDS = Path(__file__).resolve().parent.parent / "engine" / "data" / "words"
SHORT_ANSWER = 16
LEAST_ANSWER, MOST_ANSWER = 8, 160


@dataclass(frozen=True)
class Request:
    """A prompt, and the tokens that are written for it."""

    prompt: str
    max_tokens: int = SHORT_ANSWER


def few_shot(count: int, seed: int) -> list[Request]:
    """Prompts with shuffled demonstrations."""
    rng = random.Random(seed)
    instruction = f"Instruction: {sentence(rng, 40)}\n\n"
    demonstrations = [f"Passage: {sentence(rng, 70)}\nQuery: {sentence(rng, 8)}\n\n" for _ in range(8)]
    orders = ["".join(rng.sample(demonstrations, 5)) for _ in range(-(-count // 10))]
    prompts = [f"{instruction}{orders[i // 10]}Passage: {sentence(rng, 30)}\nQuery:" for i in range(count)]
    return shuffled([Request(prompt) for prompt in prompts], rng)


def documents(count: int, seed: int) -> list[Request]:
    """Documents with many questions each."""
    rng = random.Random(seed)
    system = f"System: {sentence(rng, 60)}\n\n"
    texts = [f"{system}Document: {sentence(rng, 350)}\n\n" for _ in range(-(-count // 12))]
    prompts = [f"{texts[i // 12]}Question: {sentence(rng, 12)}\nAnswer:" for i in range(count)]
    return shuffled([Request(prompt) for prompt in prompts], rng)


def chats(count: int, seed: int) -> list[Request]:
    """Chats with long system prompts, as their template writes them, and answers of unequal length."""
    rng = random.Random(seed)
    systems = [f"<|im_start|>system\n{sentence(rng, 400)}<|im_end|>\n" for _ in range(4)]
    requests = [
        Request(
            f"{rng.choice(systems)}<|im_start|>user\n{sentence(rng, 20)}<|im_end|>\n<|im_start|>assistant\n",
            rng.choice([LEAST_ANSWER] * 3 + [MOST_ANSWER]),
        )
        for _ in range(count)
    ]
    return shuffled(requests, rng)


def distinct(count: int, seed: int) -> list[Request]:
    """Prompts of which no two begin alike."""
    rng = random.Random(seed)
    return [Request(f"{number} {sentence(rng, 120)}") for number in rng.sample(range(10**9), count)]


WORKLOADS: dict[str, Callable[[int, int], list[Request]]] = {
    "few_shot": few_shot,
    "documents": documents,
    "chats": chats,
    "distinct": distinct,
}
"""By name."""


def mixed(count: int, seed: int) -> list[Request]:
    """A file of all kinds that share anything, shuffled together."""
    third = count // 3
    requests = [*few_shot(third, seed), *documents(third, seed + 1), *chats(count - 2 * third, seed + 2)]
    return shuffled(requests, random.Random(seed))


def sentence(rng: random.Random, words: int) -> str:
    """So many words."""
    return " ".join(rng.choices(vocabulary(), k=words)) + "."


@cache
def vocabulary() -> list[str]:
    """The words that sentences are made of."""
    return [word for file in sorted(WORDS.glob("*.txt")) for word in file.read_text(encoding="utf-8").split()]


def shuffled(requests: list[Request], rng: random.Random) -> list[Request]:
    """The same in another order."""
    return rng.sample(requests, len(requests))
