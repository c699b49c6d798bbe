"""What a template makes is bounded, however it makes it; what any prompt needs is rendered as Jinja2 renders it."""

from __future__ import annotations

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.text.sandbox import LONGEST_SOURCE, SandboxedTemplates

PLAIN, BOUNDED = ImmutableSandboxedEnvironment(), SandboxedTemplates()
HUGE = 10**9
DOUBLED = "{%% set n = namespace(x='aa') %%}{%% for i in range(90) %%}%s{%% endfor %%}{{ n.x }}"
NESTED = "{%% set n = namespace(x=['a']) %%}{%% for i in range(90) %%}{%% set n.x = [n.x, n.x] %%}{%% endfor %%}%s"
TOO_MUCH = {
    "repeated": "{{ 'a' * n }}",
    "constants": "{{ 'a' * 1000000000 }}{{ 9 ** (9 ** 9) }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "percent by a star": "{{ '%*d' % (n, 1) }}",
    "percent by a name": "{{ '%(a)1000000000d' % {'a': 1} }}",
    "percent, many": "{{ ('%(a)s' * 10000) % {'a': 'b' * 100000} }}",
    "digits": "{{ '%.1000000000f' % 1.5 }}",
    "the filter format": "{{ '%1000000000d' | format(1) }}",
    "format": "{{ '{:>1000000000}'.format('a') }}",
    "format by a field": "{{ '{:>{w}}'.format('a', w=n) }}",
    "format of a map": "{{ '{a:>1000000000}'.format_map({'a': 1}) }}",
    "format of markup": "{{ ('{:>1000000000}' | escape).format('a') }}",
    "format, many": "{{ ('{0}' * 30000).format('b' * 100000) }}",
    **{name: f"{{{{ 'a'.{name}(n) }}}}" for name in ("ljust", "rjust", "center", "zfill")},
    "expandtabs": "{{ ('\t' * 100000).expandtabs(100000) }}",
    "a method by name": "{{ 'a'['ljust'](n) }}{{ ('a' | attr('ljust'))(n) }}",
    "bytes": "{{ (5).to_bytes(n, 'big') }}",
    "translate": "{{ ('a' * 100000).translate({97: 'b' * 100000}) }}",
    "replace": "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "the filter replace": "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
    "join": "{{ ('b' * 100000).join('a' * 100000) }}",
    "the filter join": "{{ (['b' * 100000] * 100000) | join }}",
    "the filter center": "{{ 'a' | center(1000000000) }}",
    "indent": "{{ ('a\n' * 50000) | indent(100000) }}",
    "indent by a text": "{{ ('a\n' * 50000) | indent('b' * 100000) }}",
    "wordwrap": "{{ ('a ' * 50000) | wordwrap(1, wrapstring='b' * 100000) }}",
    "tojson": "{{ ([1] * 1000) | tojson(indent=100000) }}",
    "batch": "{{ [1] | batch(1000000000, 1) | list }}",
    "slice": "{{ [1] | slice(1000000000) | list }}",
    "round": "{{ 1 | round(-1000000000) }}",
    "sum": "{{ ([[1]] * 100000) | sum(start=[]) }}",
    "map": "{{ range(90000) | map('center', 90000) | list }}",
    "doubled by ~": DOUBLED % "{% set n.x = n.x ~ n.x %}",
    "doubled by +": DOUBLED % "{% set n.x = n.x + n.x %}",
    "doubled by a block": DOUBLED % "{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}",
    "doubled by format": DOUBLED % "{% set n.x = '%s%s' % (n.x, n.x) %}",
    "nested, written": NESTED % "{{ n.x }}",
    "nested, as text": NESTED % "{{ n.x ~ '' }}",
    "nested, as JSON": NESTED % "{{ n.x | tojson }}",
    "nested, by a filter": NESTED % "{{ n.x | string | length }}",
    "a name": NESTED % "{{ 'a' | attr(n.x) }}",
    "a separator": NESTED % "{{ ('<' | escape).partition(n.x) }}",
    "a part of a list": "{% for i in range(90000) %}{{ range(90000) | list | length }}{% endfor %}",
    "a sum in a loop": "{% for i in range(90000) %}{{ range(90000) | sum }}{% endfor %}",
    "copies": "{% set a = range(90000) | list %}{% for i in range(90000) %}{% set b = a.copy() %}{% endfor %}",
    "loops": "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
    "loops that test": "{% for i in range(90000) %}{% for j in range(90000) if j < 0 %}{% endfor %}{% endfor %}",
    "static text": "{% for i in range(90000) %}" + "a" * 10_000 + "{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(90) }}",
    "recursive loops": "{% for i in [1] recursive %}{{ loop([1, 2]) if loop.depth < 90 }}{% endfor %}",
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_whatever_makes_much_is_refused(name: str) -> None:
    template = BOUNDED.from_string(TOO_MUCH[name])
    with pytest.raises(OverflowError, match=r"too (large|much)"):
        template.render(n=HUGE)


def test_what_would_make_a_text_without_end_is_not_there() -> None:
    assert "lipsum" not in BOUNDED.globals


RENDERED = (
    "{{ a }}, {{ a | upper }} {{ n }} {{ none }} {{ a.missing }} {{ [1, 'b', {'c': none}] }}",
    "{% for x in items if x != 2 %}{{ loop.index }}/{{ loop.length }}{{ x }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for x in tree recursive %}{{ x.a }}({{ loop(x.b) }}){% else %}none{% endfor %}",
    "{% macro f(x, name='y') %}<{{ x }}{{ name }}{{ caller() if caller }}>{% endmacro %}{{ f(1) }}{{ f(2, name='z') }}",
    "{% macro f(x) %}<{{ x }}{{ caller() }}>{% endmacro %}{% call f(3) %}in{% endcall %}",
    "{% set b %}{{ a }}!{% endset %}{% filter upper %}{{ b }}{% endfilter %}{% block c %}{{ b }}{% endblock %}",
    "{{ 'x' ~ 1 ~ none ~ a }}{{ a + 'b' }}{{ [1] + [2] }}{{ 7 % 3 }}{{ '%s-%05.1f%%' % (a, 2.5) }}",
    "{{ '{0:>5}{1!r}{b}'.format(a, 'q', b=1) }}{{ '{a}'.format_map({'a': 2}) }}{{ '%(k)s' | format(k=1) }}",
    "{{ items | join(', ') }}{{ tree | join('-', attribute='a') }}{{ items | map('string') | join }}",
    "{{ a | replace('a', 'bb') | center(9) | indent(2, first=true) }}{{ a.replace('a', 'c', 1) }}{{ '|'.join(a) }}",
    "{{ items | tojson }}{{ {'a': items} | tojson(indent=2) }}{{ items | batch(2, 0) | list }}",
    "{{ items | slice(2) | list }}{{ 2.567 | round(1) }}{{ 1234567 | round }}{{ [[1], [2]] | sum(start=[]) }}",
    "{{ a.ljust(6) }}|{{ a.zfill(5) }}|{{ 'a\tb'.expandtabs(4) }}|{{ ('<' | escape) ~ a }}|{{ a.split('b') }}",
    "{{ items | sort(reverse=true) | first }}{{ a | wordwrap(2) }}{{ a | truncate(2, true, '') }}{{ 3 * a }}",
    "{{ missing | default('x') }}{{ missing | d(3) | int }}{{ a is string }}{{ 2 in items }}{{ cycler('a').next() }}",
)


@pytest.mark.parametrize("source", RENDERED)
def test_all_else_is_rendered_as_jinja2_renders_it(source: str) -> None:
    tree = [{"a": 1, "b": [{"a": 2, "b": []}]}, {"a": 3, "b": []}]
    values = {"a": "abab", "n": 5, "items": [3, 2, 1], "tree": tree}
    assert BOUNDED.from_string(source).render(values) == PLAIN.from_string(source).render(values)


def test_long_texts_of_a_users_are_rendered() -> None:
    text = "word " * 1_000_000
    template = BOUNDED.from_string(
        "{{ a | trim }}{% for i in range(1000) %}{{ i }}{% endfor %}{{ a.replace('w', 'v') }}"
    )
    assert len(template.render(a=text)) > 9_000_000


def test_each_rendering_may_spend_as_much() -> None:
    template = BOUNDED.from_string("{% for i in range(50000) %}{{ 'a' ~ i }}{% endfor %}")
    computed = BOUNDED.compile_expression("('a' * 100000) ~ n")
    for _ in range(4):
        template.render()
        assert len(computed(n=1)) == 100_001
    with pytest.raises(OverflowError, match="too large"):
        BOUNDED.compile_expression("'a' * n")(n=HUGE)


def test_a_template_may_be_so_long() -> None:
    BOUNDED.from_string("a" * LONGEST_SOURCE)
    with pytest.raises(ValueError, match="1,000,001 characters; 1,000,000 are allowed"):
        BOUNDED.from_string("a" * (LONGEST_SOURCE + 1))


MAKES_NOTHING = (
    "{{ rows | length }}{{ rows | count }}",
    "{{ (rows | first).text | length }}{{ (rows | last).text | truncate(9) | length }}{{ rows | random | length }}",
    "{{ (rows | default([]))[0] | length }}{{ (missing | d(rows)) | length }}{{ (row.items() | list) | length }}",
    "{{ rows | map(attribute='text') | first | length }}{{ rows | selectattr('text') | list | length }}",
    "{{ rows | rejectattr('text') | list | length }}{{ rows | batch(2) | list | length }}{{ rows | reverse | first }}",
    "{{ row.get('text') | length }}{{ rows.index(row) }}{{ row.keys() | list }}{{ dict(a=rows) | length }}",
    "{% set n = namespace(a=rows) %}{{ n.a | length }}{{ f(rows) }}{{ cycler(rows, row).next() | length }}",
    "{{ loop.cycle(rows, rows) | length }}{{ loop.changed(row) }}",
)


@pytest.mark.parametrize("source", MAKES_NOTHING)
def test_what_makes_nothing_pays_for_no_text(source: str) -> None:
    rows = [{"text": "a" * 40_000} for _ in range(20)]
    macro = "{% macro f(x) %}{{ x | length }}{% endmacro %}"
    template = BOUNDED.from_string(f"{macro}{{% for i in range(500) %}}{source}{{% endfor %}}")
    assert len(template.render(rows=rows, row=rows[0])) >= 500


def test_a_filter_pays_for_a_text_once() -> None:
    template = BOUNDED.from_string("{% for i in range(70) %}{% set b = a | upper %}{% endfor %}")
    assert template.render(a="a" * 700_000) == ""
