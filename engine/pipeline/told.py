"""What a run says of itself on the terminal: its folder, what becomes of an earlier one, and what models are asked.

In: the config of a run, its steps, its place. Out: lines for the person who started it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from engine.generation.config import GeneratorKind
from engine.judge.stages import judge_is_generator, writes_samples
from engine.pipeline.adaptation import judges
from engine.pipeline.asked import asked_of_models, question_of_report
from engine.pipeline.config import RunConfig
from engine.pipeline.teaching import question_of_teacher
from engine.runtime.console import Console
from engine.runtime.place import Place
from engine.runtime.step import ASKED, JUDGE, TEACHING, Step
from engine.storage.remote.address import is_url
from engine.storage.remote.opening import below
from training.config import ModelConfig
from training.losses.combinations import listed, possible_losses
from training.losses.settings import READ_BY, LossSettings


def shown_folder(config: RunConfig, place: Place) -> str:
    """Returns the run folder as a person would type it: its URL where it has one, or its path from here."""
    run_dir, here = place.run_dir, Path.cwd()
    if is_url(config.runs_dir):
        return below(config.runs_dir, run_dir.relative_to(place.shared.runs_dir).as_posix())
    return str(run_dir.relative_to(here)) if run_dir.is_relative_to(here) else str(run_dir)


def tell_of_folder(config: RunConfig, place: Place) -> None:
    """Tells where a run lies, and how to look at it from elsewhere."""
    shown = shown_folder(config, place)
    place.console.step("run", f"{shown}; to look at it: synthmill status {shlex.quote(shown)}")


def tell_of_kept(nouns: Sequence[str], config: RunConfig, place: Place) -> None:
    """Tells which entries of the run folder stay those of an earlier config for now; nothing where none does."""
    if nouns:
        is_one = len(nouns) == 1
        until = f"of the earlier config until {'it is' if is_one else 'they are'} made anew"
        place.console.step("run", f"{_entries(nouns, config, place)} {'stays' if is_one else 'stay'} {until}")


def tell_of_replaced(nouns: Sequence[str], config: RunConfig, place: Place) -> None:
    """Tells which entries of the run folder were another config's, and how to keep both; nothing where none was."""
    if nouns:
        what = f"{_entries(nouns, config, place)} of an earlier config"
        place.console.step("replaced", f"{what}; with run_dir=ANOTHER_FOLDER the command keeps both")


def _entries(nouns: Sequence[str], config: RunConfig, place: Place) -> str:
    """Names entries of the run folder in a row."""
    *most, last = [f"{shown_folder(config, place)}/{noun}" for noun in nouns]
    return f"{', '.join(most)} and {last}" if most else last


def tell_of_models(config: RunConfig, chosen: Sequence[Step], console: Console) -> None:
    """Tells what models are asked beside the generator (by a judge, the report, a teacher), and what none reads."""
    _warn_of_judge(config, chosen, console)
    _tell_of_report(config, chosen, console)
    _tell_of_teacher(config, chosen, console)
    _tell_of_unread(chosen, console)


def _warn_of_judge(config: RunConfig, chosen: Sequence[Step], console: Console) -> None:
    """Tells where a model is asked what it thinks of its own samples, or where no model is asked at all."""
    if not any(step.part_of.startswith(f"{JUDGE}/") for step in chosen):
        return
    if config.samples.generator is GeneratorKind.fake:
        named = ", ".join(dict.fromkeys(stage.generator.model for stage in judges(config)))
        what = f"samples.generator=fake computes the judge's verdicts too: {named} is not asked"
        console.warn(f"{what}, and they mean nothing")
    elif judge_is_generator(judges(config), config.samples):
        console.warn("the judge is the generator, and models favour what they wrote; judge.model names another one")


def _tell_of_report(config: RunConfig, chosen: Sequence[Step], console: Console) -> None:
    """Tells what the report will have models asked, which costs as generation does, and what its figures are worth."""
    if not any(step.part_of.startswith(f"{ASKED}/") for step in chosen):
        return
    for line in asked_of_models(config):
        console.step("report", line)
    question = question_of_report(config)
    if config.samples.generator is GeneratorKind.fake:
        console.warn("samples.generator=fake computes what models are asked for the report: its figures mean nothing")
    elif question and writes_samples(question.generator, config.samples) and not config.report.asked_queries().judged():
        what = f"{config.report.rerank_by} is asked of the model that wrote the held-out queries, which figures flatter"
        console.warn(f"{what}; judged queries, or another model, tell more")


def _tell_of_teacher(config: RunConfig, chosen: Sequence[Step], console: Console) -> None:
    """Tells which model will score the candidates of all training queries, and what it is worth."""
    if not any(step.part_of.startswith(f"{TEACHING}/") and step.needs_engines for step in chosen):
        return
    teacher, scorer = config.model.teacher, question_of_teacher(config).generator.model_name()
    console.step("teacher", f"{teacher.by}: {scorer} scores {1 + teacher.top + teacher.deeper} passages of each query")
    if config.samples.generator is GeneratorKind.fake:
        console.warn("samples.generator=fake computes what the teacher says: what is learned of it means nothing")


def _tell_of_unread(chosen: Sequence[Step], console: Console) -> None:
    """Tells which settings of losses were changed that no loss of the run reads, of whatever models it trains.

    They are not refused, since a search over losses sets them for those points whose loss reads them.
    """
    models = [step.config for step in chosen if isinstance(step.config, ModelConfig)]
    default = {field.name: field.default for field in fields(LossSettings)}
    for name, readers in READ_BY.items():
        for value in dict.fromkeys(getattr(model, name) for model in models):
            trained = [model for model in models if getattr(model, name) == value]
            is_read = any(possible_losses(model.family, model.loss).intersection(readers) for model in trained)
            if value != default[name] and not is_read:
                losses = ", ".join(dict.fromkeys(model.loss.value for model in trained))
                by = listed([reader.value for reader in readers])
                console.step("model", f"model.{name}={value:g} is read by the loss {by} only, and the loss is {losses}")
