"""Chat templates read from a model's folder: the same text as transformers makes, and mistakes that are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.models.chat_template import CHAT_OPTIONS, ChatTemplate, read_chat_template
from engine.models.resolve import resolve_model
from tests.support.tokenizers import LLAMA_CHAT, llama_tokenizer

MESSAGES = [
    {"role": "system", "content": "Ask <one> question."},
    {"role": "user", "content": "Bees & honey"},
    {"role": "assistant", "content": "who\nmakes it"},
    {"role": "user", "content": "Tea"},
]
TEMPLATES = {
    "llama": LLAMA_CHAT,
    "blocks": "{% for m in messages %}\n  {% if loop.last %}{% break %}{% endif %}\n{{ m.content }}\n{% endfor %}",
    "generation": "{% for m in messages %}{% generation %}{{ m.content | trim }}{% endgeneration %}{% endfor %}",
    "json": "{{ messages | tojson }}{{ messages | tojson(indent=2) }}{{ eos_token is defined }}",
    "thinking": "{{ messages[-1].content }}{% if enable_thinking is false %}<think></think>{% endif %}",
    "date": "{{ strftime_now('%Y') }}{{ messages[0].content }}",
}


def write_template(folder: Path, source: object, **config: object) -> Path:
    """A folder with a tokenizer's config that holds a template."""
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": source, **config}))
    return folder


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_renders_as_transformers_renders_it(name: str, tmp_path: Path) -> None:
    template = read_chat_template(write_template(tmp_path, TEMPLATES[name], bos_token="<s>"), where="m")
    assert template is not None
    expected = llama_tokenizer(TEMPLATES[name]).apply_chat_template(MESSAGES, tokenize=False, **CHAT_OPTIONS)
    assert template(MESSAGES) == expected


def test_the_bundled_model_has_one() -> None:
    from transformers import AutoTokenizer

    folder = resolve_model("bundled:smollm2-135m-instruct", key="samples.model")
    template = read_chat_template(folder, where="m")
    assert template is not None
    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(MESSAGES[1:], tokenize=False, **CHAT_OPTIONS)
    assert template(MESSAGES[1:]) == expected


def test_where_a_template_is_written(tmp_path: Path) -> None:
    assert read_chat_template(tmp_path, where="m") is None, "no file at all"
    assert read_chat_template(write_template(tmp_path, None), where="m") is None
    several = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d{{ bos_token }}"}]
    folder = write_template(tmp_path, several, bos_token={"content": "<b>", "lstrip": False})
    named = read_chat_template(folder, where="m")
    assert named is not None
    assert named(MESSAGES) == "d<b>"
    (tmp_path / "chat_template.jinja").write_text("file")
    of_file = read_chat_template(folder, where="m")
    assert of_file is not None
    assert of_file(MESSAGES) == "file", "it wins, as in transformers"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{% if %}", "does not parse"),
        ("{{ raise_exception('roles must alternate') }}", "refuses the messages: roles must alternate"),
        ("{{ messages[0].content + 1 }}", "refuses the messages"),
    ],
)
def test_a_mistake_is_named_with_the_model(source: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        ChatTemplate(source, {}, "samples.model=x")(MESSAGES)
    assert caught.value.where == "samples.model=x"


def test_a_template_runs_no_code() -> None:
    source = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages }}"
    with pytest.raises(UserError, match="unsafe"):
        ChatTemplate(source, {}, "samples.model=x")([{"role": "user", "content": "x"}])


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ 'a' * 10 ** 10 }}", "too large"),
        ("{{ messages[0].content.ljust(10000000000) }}", "too large"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "too much"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages.content.role.x }}", "has no attribute 'content'"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{{ " + "(" * 9000 + " }}", "does not parse: .*recursion"),
        ("a" * 1_000_001, "does not parse: it is too long"),
    ],
)
def test_whatever_a_template_computes_or_raises_is_one_line(source: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        ChatTemplate(source, {}, "samples.model=x")([{"role": "user", "content": "x"}])
    assert caught.value.where == "samples.model=x"


REASONING = """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not message.content.startswith('<tool_response>') %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == "assistant" and '</think>' in content %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
{%- endfor %}"""
"""Models that think have such templates: the number of all messages is asked for at each."""


@pytest.mark.parametrize(("turns", "characters"), [(100, 5_200), (400, 700), (200, 20_000)])
def test_a_long_chat_is_rendered(turns: int, characters: int) -> None:
    roles = ("user", "assistant")
    chat = [{"role": roles[turn % 2], "content": "<think>a</think>\n" + "b" * characters} for turn in range(turns)]
    text = ChatTemplate(REASONING, {}, "samples.model=x")(chat)
    assert text.count("b") == turns * characters


@pytest.mark.parametrize("config", ["[]", "{", '{"chat_template": 3}', '{"chat_template": [{"name": "a"}]}'])
def test_a_broken_config_of_a_tokenizer_is_one_line(config: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(config)
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_chat_template(tmp_path, where="samples.model=x")
    assert caught.value.where == "samples.model=x"
