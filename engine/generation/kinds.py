"""How the turns of a task address the model that answers them, where the task leaves it open: `kind: auto`.

Here turns are also held against what their model can do.

In: a task and the generator's config. Out: the task with a kind for every turn, so that all that follows (plan,
forecast, cache blocks, task.json, engines) reads one answer. An instruct model is asked in chats, as it was trained;
any other continues a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.errors import UserError, suggest
from engine.generation.config import GeneratorConfig, GeneratorKind, generator_configs, model_configs
from engine.models.chat_template import read_chat_template
from engine.models.resolve import resolve_model
from engine.task.compiled import compile_task
from engine.task.config import PromptKind, TaskConfig, TurnConfig
from engine.task.turns import Turn, has_messages


def settle_kinds(task: TaskConfig, config: GeneratorConfig) -> TaskConfig:
    """Settles the kind of each turn that leaves it open (`auto`), by what suits the model that it names.

    A kind that the task or a turn sets stays. Messages make a chat of any turn.
    """
    configs = model_configs(config)

    def kind_of(turn: TurnConfig) -> PromptKind:
        kind = turn.kind or task.kind
        if kind is not PromptKind.auto:
            return kind
        is_chat = has_messages(turn) or configs.get(turn.model, config).instruct
        return PromptKind.chat if is_chat else PromptKind.completion

    settled = kind_of(TurnConfig())
    kinds = {name: kind_of(turn) for name, turn in task.turns.items()}
    turns = {
        name: replace(turn, kind=None if turn.kind is None and kinds[name] is settled else kinds[name])
        for name, turn in task.turns.items()
    }
    return replace(task, kind=settled, turns=turns)


def check_scores(turn: Turn, config: GeneratorConfig, key: str) -> None:
    """Holds a turn that is scored against the model that scores it.

    vLLM 0.32 breaks where it is to compute `prompt_logprobs` with an adapter: its indices of adapters are those of the
    tokens that are drawn.

    Args:
        turn: of a task.
        config: of its model.
        key: what the settings of that model stand under, such as `samples` or `samples.models.judge`.

    Raises:
        UserError: the model has an adapter.
    """
    if turn.is_scored and config.lora and config.generator is not GeneratorKind.fake:
        what = f"a model with an adapter cannot score, and {turn.where} is scored"
        remedy = "merge the adapter into the model, or let a model without one score (samples.models, and `model`)"
        raise UserError(what, where=f"{key}.lora={config.lora}", remedy=remedy)


def check_chat(turn: Turn, config: GeneratorConfig, key: str) -> None:
    """Holds a turn that is a chat against the model that answers it.

    Args:
        turn: of a task whose kinds are settled.
        config: of its model.
        key: what the settings of that model stand under, such as `samples` or `samples.models.judge`.

    Raises:
        UserError: the model has no chat template.
    """
    if turn.config.kind is not PromptKind.chat or config.generator is GeneratorKind.fake:
        return
    key = f"{key}.model"
    where = f"{key}={config.model}"
    if read_chat_template(resolve_model(config.model, key=key), where=where) is None:
        what = f"the model has no chat template, and {turn.where} is a chat"
        raise UserError(what, where=where, remedy="set samples.instruct=false, or the task's kind to completion")


def check_models(task: TaskConfig, config: GeneratorConfig) -> None:
    """Compares the models that turns name with those that the config has.

    Raises:
        UserError: a turn names a model that does not exist, that cannot chat or cannot score, or no turn names one of
            the models.
    """
    known = model_configs(config)
    turns = compile_task(settle_kinds(task, config)).turns
    for turn in turns.values():
        if turn.config.model not in known:
            remedy = suggest(turn.config.model, config.models) if config.models else "add it to samples.models"
            raise UserError(f"there is no model {turn.config.model!r}", where=f"{turn.where}.model", remedy=remedy)
        for key, model in _models_of(turn, config):
            check_chat(turn, model, key)
            check_scores(turn, model, key)
    if unused := known.keys() - {turn.config.model for turn in turns.values()} - {""}:
        name = min(unused)
        remedy = f"write `model: {name}` in a turn of the task, or leave it out; for shares of samples use samples.mix"
        raise UserError(f"no turn names the model {name!r}", where=f"samples.models.{name}", remedy=remedy)


def _models_of(turn: Turn, config: GeneratorConfig) -> Iterator[tuple[str, GeneratorConfig]]:
    """Gives the configs that answer a turn, those of all generators of a mix among them, and the keys of each."""
    if turn.config.model:
        yield f"samples.models.{turn.config.model}", model_configs(config)[turn.config.model]
    elif not config.mix:
        yield "samples", config
    for name, generator in ({} if turn.config.model else generator_configs(config)).items():
        yield f"samples.mix.{name}", generator
