"""Generation on a GPU: the samples step, plain vLLM on the same prompts, and plain vLLM on prompts in random order.

A random Llama is written here with a tokenizer trained on made texts, so that nothing has to be fetched: how fast an
engine is does not depend on what its weights say. Three processes, one after the other:

- planned: `synthmill ... until=samples`: passages with five demonstrations of seeded sets, asked set by set;
- plain: `vllm.LLM.generate`, the same prompts in the same order;
- random: `vllm.LLM.generate`, the same passages with five demonstrations drawn anew for each, shuffled.

`gpu.generation ratio` is planned over plain in samples per second, which is what Ray, the engine loop and committing
cost; `gpu.prefix_planning ratio` is planned over random. Every passage is asked for once. Sampling is greedy and has no
stop, so that all sides write answers of the same length, but for the rare ones that a random model ends itself.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _plain
from benchmarks._measure import Generated, call_in_own_process, print_ratio, print_value, run_samples
from benchmarks.generation_overhead import plain_side
from benchmarks.prefix_planning import random_side

DEMONSTRATIONS, PER_PROMPT, SETS = 40, 5, 48
DEMONSTRATION_WORDS, PASSAGE_WORDS, QUERY_WORDS = 60, 60, 7
MAX_TOKENS = 32
CONTEXT_TOKENS = 4096


@dataclass(frozen=True)
class GeneratorSize:
    """The random generator, and how much it writes."""

    layers: int
    width: int
    heads: int
    vocabulary: int
    samples: int


LARGE = GeneratorSize(layers=16, width=2048, heads=32, vocabulary=32_000, samples=6_000)
"""The shape of a Llama of a billion parameters."""
SMALL = GeneratorSize(layers=2, width=128, heads=2, vocabulary=600, samples=32)


def measure(folder: Path, encoder: Path, size: GeneratorSize, overrides: Iterable[str] = ()) -> None:
    """Runs the three sides and prints what they reached.

    Args:
        folder: an empty one.
        encoder: a model folder, which the run would train if it went on.
        size: of the generator.
        overrides: further settings of the run, for all sides.
    """
    from engine.command_line.compose import load_config

    model = write_generator(folder / "generator", size)
    settings = [*write_collection(folder, size.samples), *settings_of(model, encoder), *overrides]
    config, _ = load_config(settings)
    ours = run_samples(settings, folder / "planned")
    asked = {"overrides": settings, "run": str(folder / "planned" / "run")}
    environment = _plain.environment(config)
    plain = call_in_own_process(plain_side, asked, folder / "plain.log", environment)
    drawn = call_in_own_process(random_side, asked, folder / "random.log", environment)
    report(ours, plain, drawn)


def report(planned: Generated, plain: Mapping[str, Any], drawn: Mapping[str, Any]) -> None:
    """Prints the ratios of samples per second, and what each side did.

    Raises:
        AssertionError: the sides wrote different numbers of samples.
    """
    made = (planned.samples, plain["samples"], drawn["samples"])
    assert len(set(made)) == 1, f"{made} samples were written: the sides were asked different things"
    print_ratio("gpu.generation", [planned.per_second * plain["seconds"] / plain["samples"]])
    print_ratio("gpu.prefix_planning", [planned.per_second * drawn["seconds"] / drawn["samples"]])
    sides = {"planned": vars(planned), "plain": plain, "random": drawn}
    for side, found in sides.items():
        print_value(f"gpu.generation_rate.{side}", [found["samples"] / found["seconds"]], "samples/s")
        print_value(f"gpu.generation_hit_rate.{side}", [found["hit_rate"]], "share")
        print_value(f"gpu.generation_output.{side}", [found["output_tokens"] / found["samples"]], "tokens each")
        print_value(f"gpu.generation_start.{side}", [found["start_seconds"]], "s")


def settings_of(model: Path, encoder: Path) -> list[str]:
    """The overrides that make a run use these models, with nothing that is bundled or fetched."""
    return [
        f"model.base={encoder}",
        f"documents.tokenizer={encoder}",
        f"samples.model={model}",
        "samples.temperature=0",
        f"samples.max_tokens={MAX_TOKENS}",
        f"samples.context_tokens={CONTEXT_TOKENS}",
        "task.stop=[]",
    ]


def write_collection(folder: Path, samples: int) -> list[str]:
    """Writes passages and demonstrations of made words, and returns the overrides that name them."""
    passages = made_texts(samples, PASSAGE_WORDS, 1)
    shown = made_texts(DEMONSTRATIONS, DEMONSTRATION_WORDS, 2)
    asked = made_texts(DEMONSTRATIONS, QUERY_WORDS, 3)
    rows = {
        "passages.jsonl": [{"_id": f"p{number}", "title": "", "text": text} for number, text in enumerate(passages)],
        "demonstrations.jsonl": [
            {"document": document, "query": query} for document, query in zip(shown, asked, strict=True)
        ],
    }
    for name, written in rows.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in written), encoding="utf-8")
    return [
        f"documents.path={folder / 'passages.jsonl'}",
        f"demonstrations.path={folder / 'demonstrations.jsonl'}",
        f"demonstrations.per_prompt={PER_PROMPT}",
        f"demonstrations.num_sets={SETS}",
        "prompts.per_passage=1",
        f"prompts.max_samples={samples}",
    ]


def made_texts(count: int, words: int, seed: int) -> list[str]:
    """Texts of made words of two to four syllables, a sentence each."""
    rng = random.Random(seed)
    syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]

    def word() -> str:
        return "".join(rng.choices(syllables, k=rng.randint(2, 4)))

    return [" ".join(word() for _ in range(words)).capitalize() + "." for _ in range(count)]


def write_generator(folder: Path, size: GeneratorSize) -> Path:
    """Writes a random Llama in bf16 and its tokenizer; returns its folder."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    end = "<|endoftext|>"
    bpe.train_from_iterator(
        made_texts(2_000, PASSAGE_WORDS, 0), vocab_size=size.vocabulary, special_tokens=[end], show_progress=False
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=end, eos_token=end, pad_token=end)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=max(1, size.heads // 4),
        intermediate_size=4 * size.width,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=True,
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(shape)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
