"""The generation section of benchmarks/gpu.py: what it asks, what it prints, and all of it small on a CPU."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import _gpu_generation, gpu
from benchmarks._gpu_generation import SMALL, measure, report, write_collection, write_generator
from benchmarks._measure import Generated

PLANNED = Generated(
    samples=32,
    seconds=4.0,
    hit_rate=0.8,
    output_tokens=1024,
    start_seconds=9.0,
    first_prompt_seconds=3.0,
    first_admitted=0.0,
)


def peer(seconds: float, samples: int = 32) -> dict[str, float]:
    """What a side with plain vLLM hands back."""
    return {"samples": samples, "seconds": seconds, "hit_rate": 0.5, "output_tokens": 1024, "start_seconds": 9.0}


def test_ratios_are_those_of_samples_per_second(capsys: pytest.CaptureFixture[str]) -> None:
    report(PLANNED, peer(3.0), peer(10.0))
    lines = capsys.readouterr().out.splitlines()
    assert "gpu.generation ratio 0.750 (0.750..0.750 of 1 pairs)" in lines
    assert "gpu.prefix_planning ratio 2.500 (2.500..2.500 of 1 pairs)" in lines
    assert "gpu.generation_output.random value 32.000 tokens each" in lines


def test_sides_that_wrote_different_numbers_are_not_compared() -> None:
    with pytest.raises(AssertionError, match="asked different things"):
        report(PLANNED, peer(3.0), peer(10.0, samples=31))


def test_a_collection_is_the_same_each_time_and_has_a_passage_for_every_sample(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        overrides = write_collection(folder, 20)
        assert f"documents.path={folder / 'passages.jsonl'}" in overrides
    first, second = [(folder / "passages.jsonl").read_text(encoding="utf-8") for folder in folders]
    assert first == second
    assert len(set(first.splitlines())) == 20


def test_the_random_generator_reads_made_words_in_few_tokens(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(write_generator(tmp_path, replace(SMALL, vocabulary=6_000)))
    [text] = _gpu_generation.made_texts(1, 50, 7)
    assert 50 <= len(tokenizer.encode(text)) <= 150


def test_only_the_sections_that_are_asked_for_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--small", "--sections", "search"])
    assert gpu.main() == 0
    names = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert names == {"device", "gpu.search"}


@pytest.mark.soak  # a run and two processes with an engine each, two minutes
def test_the_section_runs_small_with_real_engines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = gpu.write_base(tmp_path / "base", gpu.SMALL)
    (tmp_path / "section").mkdir()
    measure(tmp_path / "section", base, SMALL, ["samples.kv_cache_bytes=200000000"])
    values = dict(line.split(" value ") for line in capsys.readouterr().out.splitlines() if " value " in line)
    assert values["gpu.generation_output.planned"] == values["gpu.generation_output.plain"]
    assert values["gpu.generation_hit_rate.planned"] == values["gpu.generation_hit_rate.plain"]
    rates = {side: float(values[f"gpu.generation_hit_rate.{side}"].split()[0]) for side in ("planned", "random")}
    assert rates["planned"] > rates["random"]
