"""Jinja2's immutable sandbox, in which what a template computes is bounded: memory by it, and time with it.

In: sources of templates and expressions that anybody wrote, and values that a model may have written. Out: templates
that render as Jinja2 renders them, or raise an OverflowError. Each rendering may spend so many units, and more where it
is given more: one for each character that it makes, and some for each part of a list, each call, and each round of a
loop. What an operation will make is reckoned before it makes it, and what makes nothing pays for no text. Nothing is
computed while a template is compiled: constants would be folded there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping
from string import Formatter
from typing import Any

from jinja2 import Template, nodes, pass_context, pass_eval_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEscapeFormatter, SandboxedFormatter, safe_range
from jinja2.utils import Cycler, Joiner, Namespace
from markupsafe import Markup

from engine.text.budget import (
    CALL,
    LARGEST,
    NODE,
    PART,
    length_of,
    parts_of,
    rendering,
    spend,
    units_of,
    width_of,
)

LONGEST_SOURCE = 1_000_000
"""The characters of the longest template: some models have templates of 20,000."""
_PERCENT = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(\*|\d*)(?:\.(\*|\d*))?")
_NUMBER = re.compile(r"\d+")
_IN_LOOP_TEST = "of a test in a loop"
"""The name of a filter that no template can write."""
_SIZED_METHODS = frozenset({"ljust", "rjust", "center", "zfill", "to_bytes"})
"""The methods of texts and numbers of which a number is a size."""
_HANDED_ON = frozenset({"length", "count", "first", "last", "default", "d", "random", "items"})
"""The filters that make nothing of what they are given: a number, or a part of it."""
_BY_PARTS = frozenset({"list", "reverse", "batch", "slice", "map", "select", "reject", "selectattr", "rejectattr"})
"""The filters that look at each part of what they are given once, and at no text."""
_LITTLE = frozenset({"truncate", "attr"})
"""The filters that give at most a part of what they are given, and pay for that."""
_FREE_CALLS = (safe_range, dict, Namespace, Cycler, Joiner)
_FREE_KINDS = (Macro, LoopContext, BlockReference)
_FREE_HOLDERS = (Mapping, list, tuple, LoopContext, Cycler)
"""What is called without making a text of its arguments; macros and blocks pay for what they write."""


class _Template(Template):
    """A template each of whose renderings may spend so much."""

    def render(self, *args: Any, **kwargs: Any) -> str:
        with rendering([*args], kwargs):
            return super().render(*args, **kwargs)


class _Generator(CodeGenerator):
    """Compiles templates so that each round of a loop, and each joining of texts, is paid for."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802  # Jinja2's name
        for loop in node.find_all(nodes.For):
            if loop.test is not None:
                cost = nodes.Const(_cost([loop.test]))
                loop.test = nodes.Filter(loop.test, _IN_LOOP_TEST, [cost], [], None, None)
        super().visit_Template(node, frame)

    def blockvisit(self, body: Any, frame: Frame) -> None:
        """Writes what a body does: that of the template, of a loop, a macro, a condition."""
        self.writeline(f"environment.spend({_cost(body)})")
        super().blockvisit(body, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  # Jinja2's name
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


def _cost(body: Any) -> int:
    """Returns the units of the nodes of a body, without bodies in it that are paid for as they are reached."""
    units, waiting = 0, list(body)
    while waiting:
        node = waiting.pop()
        units += NODE
        if not isinstance(node, (nodes.For, nodes.Macro, nodes.CallBlock)):
            waiting.extend(node.iter_child_nodes())
    return units + NODE


class SandboxedTemplates(ImmutableSandboxedEnvironment):
    """The environment of all templates that anybody wrote.

    Args:
        filters: those that take the place of Jinja2's.
        options: as Jinja2's environment takes them.
    """

    intercepted_binops = frozenset({"*", "**", "+", "%"})
    code_generator_class = _Generator
    template_class = _Template

    def __init__(self, filters: Mapping[str, Callable[..., Any]] | None = None, **options: Any) -> None:
        super().__init__(optimized=False, finalize=_paid, **options)
        self.filters |= {"join": _join, "replace": _replaced(self.filters["replace"]), **(filters or {})}
        self.filters = {name: _bounded(name, function) for name, function in self.filters.items()}
        self.filters[_IN_LOOP_TEST] = _tested
        del self.globals["lipsum"]  # makes as much text as it is told to

    spend = staticmethod(spend)

    @staticmethod
    def concat(parts: Any) -> str:
        """Joins what a template, a macro or a block writes."""
        kept = list(parts)
        spend(sum(map(len, kept)))
        return "".join(kept)

    def joined(self, parts: tuple[Any, ...]) -> str:
        """Computes `a ~ b`."""
        spend(sum(units_of(part)[0] for part in parts))
        return "".join(map(str, parts))

    def from_string(self, source: Any, *args: Any, **named: Any) -> Template:
        """Compiles a template.

        Raises:
            ValueError: it is too long.
        """
        if isinstance(source, str) and len(source) > LONGEST_SOURCE:
            raise ValueError(f"it is too long, with {len(source):,} characters; {LONGEST_SOURCE:,} are allowed")
        return super().from_string(source, *args, **named)

    def compile_expression(self, source: str, undefined_to_none: bool = True) -> Callable[..., Any]:  # type: ignore[override]
        """Compiles an expression to a function, each call of which may spend so much."""
        compute = super().compile_expression(source, undefined_to_none)

        def bounded(*args: Any, **named: Any) -> Any:
            with rendering([*args], named):
                return compute(*args, **named)

        return bounded

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Computes `left * right`, or with another operator that can make much of little.

        Raises:
            OverflowError: it would make too much.
        """
        if operator == "+":
            spend(1 + length_of(left) + length_of(right))
        elif operator == "%":
            spend(_percent_units(left, right) if isinstance(left, (str, bytes)) else 0)
        elif _size_of_result(operator, left, right) > LARGEST:
            raise OverflowError(f"the result of {operator} is too large")
        else:
            spend(CALL + length_of(left) + length_of(right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805  # Jinja2's names
        """Calls what a template calls, whose arguments may have any names."""
        holder = getattr(__obj, "__self__", None)
        if _makes_no_text(__obj, holder):
            spend(CALL)
            result = super().call(__context, __obj, *args, **kwargs)
            spend(0 if isinstance(result, (str, bytes)) else parts_of(result))
            return result
        spend(CALL + sum(units_of(each)[0] for each in (*args, *kwargs.values())))
        if isinstance(holder, (str, bytes, int)):
            args = _paid_method(holder, getattr(__obj, "__name__", ""), args, kwargs)
        result = super().call(__context, __obj, *args, **kwargs)
        spend(units_of(result)[0])
        return result

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Gives, in the place of `str.format`, one that is sandboxed and in which widths are bounded."""
        sandboxed = super().wrap_str_format(value)
        if sandboxed is None:
            return None
        text, is_map = value.__self__, value.__name__ == "format_map"
        formatter = _EscapeFormatter(self, escape=text.escape) if isinstance(text, Markup) else _Formatter(self)

        def formatted(*args: Any, **named: Any) -> str:
            if is_map:
                [named], args = args, ()
            made: str = type(text)(formatter.vformat(text, args, named))
            return made

        return functools.update_wrapper(formatted, value)


class _BoundedFields(Formatter):
    """What both formatters pay for each field; a width within a field is known only here."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        spend(units_of(value)[0])
        return super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        spend(CALL + units_of(value)[0] + sum(map(width_of, _NUMBER.findall(format_spec))))
        return super().format_field(value, format_spec)


class _Formatter(_BoundedFields, SandboxedFormatter):
    pass


class _EscapeFormatter(_BoundedFields, SandboxedEscapeFormatter):
    pass


def _makes_no_text(function: object, holder: object) -> bool:
    """Tells whether what is called, and is a method of `holder`, hands on what it is given or holds."""
    is_free = isinstance(function, _FREE_KINDS) or isinstance(holder, _FREE_HOLDERS)
    return is_free or any(function is each for each in _FREE_CALLS)


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a filter pay for what it is given, unless it makes nothing of it, and for what it makes beyond that."""
    if name in _HANDED_ON:
        return _counted(function)
    first = 0 if getattr(function, "jinja_pass_arg", None) is None else 1
    makes_much = _MAKES_MUCH.get(name)

    @functools.wraps(function)
    def filtered(*args: Any, **named: Any) -> Any:
        options = [*args[first + 1 :], *named.values()]
        given = [_units_given(name, args[first]), *map(units_of, options)]
        units = sum(units for units, _ in given)
        spend(CALL + units)
        if makes_much is not None:
            deep = units * max((depth for _, depth in given), default=1)
            much = makes_much(args[first], options, deep)
            spend(much)
            units += much
        result = function(*args, **named)
        spend(max(0, parts_of(result) - units))
        return result

    return filtered


def _units_given(name: str, value: Any) -> tuple[int, int]:
    """Returns what a filter pays for its value, and how deep that is looked into."""
    if name in _BY_PARTS:
        return parts_of(value), 1
    if name in _LITTLE:
        return 0, 1
    units, depth = units_of(value)
    return max(units, parts_of(value)), depth


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def filtered(*args: Any, **named: Any) -> Any:
        spend(CALL)
        return function(*args, **named)

    return filtered


def _widths(_value: Any, options: list[Any], _units: int) -> int:
    return max((width_of(each) for each in options if isinstance(each, int)), default=0)


def _before_lines(value: Any, options: list[Any], units: int) -> int:
    """What stands before each line, of which there may be as many as characters."""
    return units * max(_widths(value, options, units), _between(value, options, 1))


def _between(_value: Any, options: list[Any], units: int) -> int:
    return units * max((len(each) for each in options if isinstance(each, str)), default=0)


def _summed(_value: Any, options: list[Any], units: int) -> int:
    """Lists are copied for each that is added to them."""
    return units**2 // 200 if any(isinstance(each, Collection) for each in options) else 0


_MAKES_MUCH: dict[str, Callable[[Any, list[Any], int], int]] = {
    **dict.fromkeys(("center", "batch", "slice", "round"), _widths),
    **dict.fromkeys(("indent", "tojson"), _before_lines),
    "wordwrap": lambda value, options, units: _widths(value, options, units) + _between(value, options, units),
    "urlize": _between,
    "pprint": lambda _value, _options, units: units,
    "format": lambda value, options, _units: _percent_units(value, options),
    "sum": _summed,
}
"""What filters make beside what they are given: in goes the value, its options, and units that count its depth."""


def _paid_method(holder: Any, name: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """Makes a method of a text or number pay for what it will make, and returns its arguments: one may be read once."""
    widths = sum(width_of(each) for each in (*args, *named.values()) if isinstance(each, int))
    if name in _SIZED_METHODS:
        spend(widths)
    elif name == "expandtabs":
        spend(len(holder) * (widths or 8))
    elif name == "join" and args:
        parts = list(args[0])
        spend(units_of(parts)[0] + len(holder) * len(parts))
        return (parts, *args[1:])
    elif name == "replace" and len(args) > 1:
        spend(holder.count(args[0]) * len(args[1]))
    elif name == "translate" and args and isinstance(args[0], Mapping):
        spend(len(holder) * max((len(each) for each in args[0].values() if isinstance(each, str)), default=0))
    return args


def _percent_units(text: Any, values: Any) -> int:
    """Reckons what `text % values` makes: each place may take the largest value."""
    each = values.values() if isinstance(values, Mapping) else values if isinstance(values, (tuple, list)) else [values]
    places = _PERCENT.findall(text if isinstance(text, str) else text.decode("latin-1"))
    numbers = max((abs(value) for value in each if isinstance(value, int)), default=0)
    widths = sum(width_of(numbers) if size == "*" else width_of(size or 0) for place in places for size in place)
    return widths + len(places) * max((units_of(value)[0] for value in each), default=0)


def _size_of_result(operator: str, left: object, right: object) -> int:
    """Estimates the parts or bits of what `*` or `**` gives; 0 where it cannot be large."""
    if operator == "**":
        return left.bit_length() * right if isinstance(left, int) and isinstance(right, int) else 0
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    repeated, times = (right, left) if isinstance(left, int) else (left, right)
    return length_of(repeated) * times if isinstance(times, int) else 0


@pass_context
def _paid(_context: Context, value: Any) -> Any:
    """Counts what is written; as it is given the context, Jinja2 computes no constant while it compiles."""
    if type(value) is not str:  # which is paid for where it is joined
        spend(units_of(value)[0])
    return value


@pass_context
def _tested(_context: Context, value: Any, units: int) -> Any:
    spend(units)
    return value


@pass_eval_context
def _join(context: EvalContext, value: Any, d: str = "", attribute: str | int | None = None) -> str:
    """Joins parts as Jinja2's filter does, and pays for each before it is written."""
    if attribute is not None:
        value = map(make_attrgetter(context.environment, attribute), value)
    parts = []
    for part in value:
        spend(PART + units_of(part)[0] + len(str(d)))
        parts.append(str(part))
    return str(d).join(parts)


def _replaced(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def replaced(context: EvalContext, s: Any, old: Any, new: Any, count: int | None = None) -> str:
        spend(str(s).count(str(old)) * len(str(new)))
        return function(context, s, old, new, count)

    return replaced
