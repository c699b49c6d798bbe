"""`preview=N`: what would be asked, without an engine; and with `sample=true`, with one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console as RichConsole
from rich.table import Table

from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.command_line.preview import (
    crossed,
    in_order,
    joint_table,
    money_forecast,
    shares_table,
    tokens_forecast,
)
from engine.samples.config import SamplesConfig
from tests.support.command_line import CommandLineHere
from tests.support.corpus import write_corpus


def shown(table: Table) -> str:
    console = RichConsole(width=80, record=True)
    console.print(table)
    return console.export_text()


def test_numbers_are_in_the_order_of_numbers() -> None:
    assert in_order(["11", "", "2.5", "-1", "4"]) == ["", "-1", "2.5", "4", "11"]
    assert in_order(["11", "4", "a few"]) == ["11", "4", "a few"]
    text = shown(shares_table("months", {"1": 0.5, "11": 0.25, "4": 0.25}))
    assert [line.split()[1] for line in text.splitlines() if "%" in line] == ["1", "4", "11"]


def test_the_name_of_a_condition_is_one_line_over_narrow_values() -> None:
    text = shown(shares_table("months_since_the_purchase", {"1": 0.5, "[b]": 0.5}))
    assert "condition months_since_the_purchase" in text
    assert "[b]" in text


def test_only_conditions_of_few_values_are_crossed() -> None:
    assert crossed({"area": 3, "months": 9, "one": 1, "mood": 8}) == ("area", "mood")
    assert crossed({"area": 3, "months": 9}) is None
    assert crossed({"customer": 4, "customer_path": 3}) is None
    assert crossed({"customer": 9, "customer_path": 3, "mood": 2}) == ("customer_path", "mood")


def test_two_conditions_are_shown_together(tmp_path: Path) -> None:
    parts = [(["a", "a", "b"], ["[x]", "", "[x]"]), (["b"] * 5, [""] * 5)]
    for number, (down, across) in enumerate(parts):
        table = pa.table({"condition_down": down, "condition_across": across})
        pq.write_table(table, tmp_path / f"plan-{number:05d}.parquet")
    text = shown(joint_table(PromptsFolder(tmp_path), "down", "across"))
    assert "down by across" in text
    rows = [line.replace("│", " ").split() for line in text.splitlines() if "%" in line]
    assert rows == [["a", "12.5%", "12.5%"], ["b", "62.5%", "12.5%"]]
    assert "(none)" in text


def test_the_forecast_says_what_it_knows_of_later_turns() -> None:
    record = PromptsRecord(
        planned=4,
        prefixes=1,
        prompt_tokens=1000,
        num_values={},
        distribution={},
        ended_early="",
        demonstrations=0,
        demonstration_sets=0,
    )
    assert tokens_forecast(record, 80) == (
        "4 samples, 1,000 prompt tokens (1 shared prefix is computed once), at most 80 output tokens"
    )
    assert tokens_forecast(replace(record, prefixes=2, later_prompt_tokens=500), 80) == (
        "4 samples, 1,500 prompt tokens (2 shared prefixes are computed once; 500 are of later turns, without the "
        "answers that these show), at most 80 output tokens"
    )


def test_preview_shows_what_the_plan_holds(synthmill_here: CommandLineHere) -> None:
    write_corpus(synthmill_here.folder / "corpus", 20)
    given = "length: {values: [short, long]}, noun: {file: 'package:words/nouns.txt'}"
    quotas = "task.quotas=[{where: {length: short}, max: 12}, {where: {length: long}, max: 20}]"
    done = synthmill_here.run(
        *("experiment=adapt", "collection=corpus", "preview=1", f"task.attributes={{{given}}}", quotas)
    )
    assert done.returncode == 0, done.stderr
    assert "form by length" in done.stdout
    assert "37.5%" in done.stdout, "12 of 32"
    assert re.search(r"noun: \d\d values, most frequent", done.stdout)
    assert "no cell was free after 32 of 60 samples" in done.stdout + done.stderr


def test_the_forecast_of_money_needs_a_price() -> None:
    on_gpu = SamplesConfig(gpus_per_engine=2, price_per_gpu_hour=2.5)
    assert money_forecast(7200, on_gpu, 16) == " and for at most 10.00 at the prices of samples.price_per_*_hour"
    on_cores = SamplesConfig(gpus_per_engine=0, price_per_cpu_hour=0.05)
    assert "at most 0.40 " in money_forecast(7200, on_cores, 4)
    assert money_forecast(7200, SamplesConfig(gpus_per_engine=0, price_per_gpu_hour=2.5), 4) == ""


def test_preview_prints_prompts_distribution_and_forecast(synthmill_here: CommandLineHere) -> None:
    write_corpus(synthmill_here.folder / "corpus", 20)
    done = synthmill_here.run("experiment=adapt", "collection=corpus", "preview=2", "run_dir=run")
    assert done.returncode == 0, done.stderr
    assert "Passage:" in done.stdout
    assert "condition form" in done.stdout
    assert "60 samples" in done.stdout
    assert not (synthmill_here.folder / "run").exists(), "a preview is no run"


def test_preview_generates_when_asked(synthmill_here: CommandLineHere) -> None:
    write_corpus(synthmill_here.folder / "corpus", 20)
    given = ("task=fact_cards", "documents.path=corpus", "samples=fake", "task.turns.fact.keep_if=''")
    done = synthmill_here.run(*given, "preview=2", "sample=true")
    assert done.returncode == 0, done.stderr
    assert "20 samples in at most" in done.stdout
    panels = done.stdout[done.stdout.index("turn fact · sample 0") :].split("╭")
    assert [panel.split(" ─")[0].rpartition("turn ")[2][:15] for panel in panels[:4]] == [
        "fact · sample 0",
        "card · sample 0",
        "fact · sample 1",
        "card · sample 1",
    ]
    assert "Passage: Notes on" in panels[0]
    written = panels[0].partition("answer ─")[2].split("│")[2].strip()
    assert written.startswith("where is ")
    assert f"Fact: {written}" in panels[1], "the real answer, in the prompt of the turn that reads it"
    assert '{"title":' in panels[1]
    assert ["audience: " in panel for panel in panels[:4]] == [True, False, True, False]
    assert "(fact)" not in done.stdout
