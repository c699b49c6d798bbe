"""Jinja2 templates and expressions in a sandbox; an undefined variable is an error, never an empty string.

In: template sources from YAML. Out: compiled templates, the names they use, rendered text. Errors name the key of the
template in the config, and what may be used in it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, Undefined, meta, nodes

from engine.errors import UserError
from engine.text.sandbox import SandboxedTemplates

RENDER_ERRORS = (TemplateError, TypeError, LookupError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""The exceptions of rendering: the template is wrong, or it is wrong for one row."""

_UNDEFINED = re.compile(r"has no attribute '(?P<attribute>\w+)'$|^'(?P<name>\w+)' is undefined$")
_NO_VALUE = "has no value here"
"""How the message about a null of a row ends."""


class _Environment(SandboxedTemplates):
    """The sandbox. A column or field that is called `items` or `values` is meant by `row.items`, and not a method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Returns `obj.attribute`: what a mapping holds under that name, or else its attribute, if it is safe."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


_ENVIRONMENT = _Environment(undefined=StrictUndefined, keep_trailing_newline=True)


def compile_template(source: str, where: str) -> Template:
    """Compiles a sandboxed template in which an undefined variable is an error.

    Args:
        source: the template.
        where: its key, for messages.

    Raises:
        UserError: the template does not parse.
    """
    try:
        return _ENVIRONMENT.from_string(source)
    except Exception as error:  # Python compiles what Jinja2 made of it, and gives up where it is nested too deeply
        remedy = "mend it: {{ NAME }} writes a value, {% if NAME %} ... {% endif %} decides"
        raise UserError(f"the template does not parse: {_reason(error)}", where=where, remedy=remedy) from error


def compile_expression(source: str, where: str) -> Callable[..., Any]:
    """Compiles a sandboxed expression, such as `text | length > 20`, to a function of its variables.

    Args:
        source: the expression.
        where: its key, for messages.

    Raises:
        UserError: it does not parse.
    """
    try:
        return _ENVIRONMENT.compile_expression(source, undefined_to_none=False)
    except Exception as error:  # Python compiles what Jinja2 made of it, and gives up where it is nested too deeply
        remedy = "write one Jinja2 expression, as `text | length > 20`"
        raise UserError(f"the expression does not parse: {_reason(error)}", where=where, remedy=remedy) from error


def _reason(error: Exception) -> str:
    """Returns the parser's message without its full stop, since a remedy follows in the same sentence."""
    return (str(error) or type(error).__name__).rstrip(".")


def render(template: Template, where: str, **fields: object) -> str:
    """Renders a template.

    Args:
        template: the template.
        where: its key, for messages.
        fields: its variables by name.

    Raises:
        UserError: a variable is not defined, or an expression fails.
    """
    try:
        return template.render(**fields)
    except Exception as error:  # a template may call and compute anything, with values that a model wrote
        what, remedy = _explain(error, _variables(fields))
        raise UserError(what, where=where, remedy=remedy) from error


def _explain(error: Exception, known: Sequence[str]) -> tuple[str, str]:
    """Says what is wrong with a template that cannot be rendered, and what to do."""
    if missing := _UNDEFINED.search(str(error)):
        name = missing["attribute"] or missing["name"]
        leaves = {path.rpartition(".")[2]: path for path in known}
        close = difflib.get_close_matches(name, leaves if missing["attribute"] else known, n=1, cutoff=0.5)
        hint = f"did you mean {leaves.get(close[0], close[0])}? " if close else ""
        return f"there is no {name!r}", f"{hint}it may use {', '.join(known) or 'no names'}"
    what = f"the template cannot be rendered: {str(error) or type(error).__name__}"
    if str(error).endswith(_NO_VALUE):
        return what, "give the row one, or write what stands in its place: `row.NAME | default('...')`"
    if isinstance(error, TypeError) and "'str'" in str(error):
        return what, "conditions are text: write `condition.NAME | int` (or float) to compute or compare"
    return what, f"it may use {', '.join(known) or 'no names'}"


class _NoValue(Undefined):
    """Stands for a null of a row: it is false in a condition, `default` replaces it, and writing it is an error."""

    __str__ = __repr__ = Undefined._fail_with_undefined_error  # the latter writes it within its row, as a whole


def as_row(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns of a row as templates see them; the word None never gets into a prompt."""
    return {
        name: _NoValue(hint=f"row.{name} {_NO_VALUE}") if value is None else value for name, value in columns.items()
    }


def undeclared_names(source: str) -> set[str]:
    """Returns the variables that a source reads and does not set itself; what Jinja2 gives (`range`) is none."""
    return set(meta.find_undeclared_variables(_ENVIRONMENT.parse(source))) - set(_ENVIRONMENT.globals)


def names_used(source: str, variable: str) -> set[str]:
    """Returns the NAMEs that a source mentions as `variable.NAME` or `variable["NAME"]`; none where it does not parse.

    Raises:
        LookupError: `variable` is used as a whole, so any of its names may be meant.
    """
    try:
        tree = _ENVIRONMENT.parse(source)
    except TemplateError:
        return set()
    named = [node for node in tree.find_all(nodes.Getattr) if _is_name(node.node, variable)]
    if any(call.node in named for call in tree.find_all(nodes.Call)):  # as variable.items()
        raise LookupError(f"{variable} is used as a whole")
    indexed = [
        node
        for node in tree.find_all(nodes.Getitem)
        if _is_name(node.node, variable) and isinstance(node.arg, nodes.Const)
    ]
    if len(named) + len(indexed) < sum(_is_name(node, variable) for node in tree.find_all(nodes.Name)):
        raise LookupError(f"{variable} is used as a whole")
    return {node.attr for node in named} | {
        str(node.arg.value) for node in indexed if isinstance(node.arg, nodes.Const)
    }


def _is_name(node: nodes.Node, variable: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == variable


def _variables(fields: Mapping[str, object]) -> list[str]:
    """Lists what a template may name: `condition.form`, `passage.text`, ..."""
    known: dict[str, tuple[str, ...]] = {
        "passage": ("title", "text") if fields.get("passage") else (),  # a prompt about a row has no passage
        "demonstration": ("title", "document", "query"),
    }
    for name in ("condition", "turns", "row"):
        value = fields.get(name)
        known[name] = tuple(value) if isinstance(value, Mapping) else ()
    return [f"{name}.{part}" for name in sorted(fields) for part in known.get(name, ())]
