"""The tokens of later turns are forecast from some samples, as far as they do not depend on answers."""

from __future__ import annotations

from collections.abc import Sequence

from engine.models.chat_template import ChatTemplate
from engine.task.compiled import compile_task
from engine.task.config import ParserKind, PromptKind, TaskConfig, TurnConfig
from engine.task.forecast import LaterTurns, later_prompts
from engine.task.render import Ask

TASK = TaskConfig(
    turns={
        "facts": TurnConfig(prompt="List: {{ row.body }}", parser=ParserKind.list),
        "pick": TurnConfig(prompt="Of {{ turns.facts.items[0] }} in {{ row.body }}: {{ row.note }}"),
        "end": TurnConfig(messages=[{"role": "user", "content": "{{ turns.pick.text }} again"}], kind=PromptKind.chat),
    }
)


def about(body: str, **columns: str) -> Ask:
    return Ask({}, 0, {}, {}, {"body": body, **columns})


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_later_prompts_show_one_word_for_each_answer() -> None:
    assert later_prompts(compile_task(TASK), about("bees dance", note="why")) == [
        "Of x in bees dance: why",
        [{"role": "user", "content": "x again"}],
    ]


def test_the_samples_that_were_seen_stand_for_the_plan() -> None:
    later = LaterTurns(compile_task(TASK), words)
    later.see(about("bees", note="why"))
    later.see(about("bees and ants", note="why"))
    later.see(about("no note, so this sample will fail alone"))
    assert later.tokens(10) == 10 * ((5 + 2) + (7 + 2)) / 2
    chats = LaterTurns(compile_task(TASK), words, lambda messages: "<s> " + messages[0]["content"])
    chats.see(about("bees", note="why"))
    assert chats.tokens(1) == 5 + 3


def test_a_sample_whose_chat_the_model_refuses_is_not_counted() -> None:
    template = ChatTemplate("{{ raise_exception('no') if 'ants' in messages[0].content else 'x y' }}", {}, "m")
    asks = TurnConfig(messages=[{"role": "user", "content": "{{ row.body }}"}], kind=PromptKind.chat)
    later = LaterTurns(compile_task(TaskConfig(turns={"a": TurnConfig(prompt="?"), "b": asks})), words, template)
    later.see(about("bees"))
    later.see(about("ants"))
    assert later.tokens(10) == 20


def test_a_task_of_one_turn_has_no_later_prompts() -> None:
    later = LaterTurns(compile_task(TaskConfig(prompt="{{ row.body }}")), words)
    later.see(about("bees"))
    assert later.tokens(10) == 0
