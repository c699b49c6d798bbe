"""Turns `task.attributes`, as a person writes it, into conditions that can be drawn, and names every mistake.

In: AttributeConfig by name. Out: Conditions. They are made when a run is configured, so that mistakes are refused
before anything starts, and again when it is planned, when it is known which values the demonstrations carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from engine.errors import UserError, check_setting, suggest
from engine.prompts.conditions.conditions import PATH_SUFFIX, Attribute, Conditions, Dependent, Listed, Tree
from engine.prompts.conditions.draws import SEPARATOR, Choice
from engine.prompts.conditions.values import choice_of, numbers_of, read_words
from engine.task.config import AttributeConfig, WrittenConfig
from engine.task.shares import text_of, weights_of
from engine.text.hashes import text_hashes

_KINDS = ("values", "file", "range", "taxonomy", "depends_on", "written")
"""The fields of an attribute that say what it is drawn from; one of them has a value."""


def make_conditions(
    attributes: Mapping[str, AttributeConfig], stratum: str = "", carried: Sequence[str] = ()
) -> Conditions:
    """Makes the attributes of a task ready to draw.

    Args:
        attributes: as configured.
        stratum: the attribute that demonstrations are chosen by, once they are known; it is drawn from `carried` alone.
        carried: the values of that attribute that demonstrations carry.

    Raises:
        UserError: an attribute cannot be drawn; the message names it and says why.
    """
    made: dict[str, Attribute] = {}
    for name in _ordered(attributes):
        _check_name(name, attributes)
        attribute = attributes[name]
        if name == stratum:
            weights = weights_of(attribute.values, f"{_where(name)}.values")
            made[name] = Listed([name], Choice(carried, [weights.get(value) or 1.0 for value in carried]))
        else:
            made[name] = _make(name, attribute, made, restricted=bool(stratum))
    return Conditions(made, [column for name in attributes for column in made[name].columns], stratum)


def _make(name: str, config: AttributeConfig, made: Mapping[str, Attribute], *, restricted: bool) -> Attribute:
    kind, where = _kind(name, config), _where(name)
    if kind == "written":  # it is checked before anything starts, and round 0 puts values in its place later
        _check_written(config.written, where)
        return Listed([name], Choice([""], [1.0]))
    if kind == "taxonomy":
        return _tree(name, config.taxonomy, f"{where}.taxonomy")
    if kind == "depends_on":
        return _dependent(name, config, made, restricted=restricted)
    if kind == "range":
        assert config.range is not None, "its kind is range"
        numbers = numbers_of(config.range, f"{where}.range")
        return Listed([name], Choice(numbers, [1.0] * len(numbers)))
    if kind == "file":
        weights = read_words(config.file, f"{where}.file")
    else:
        empty = {"": 1.0} if config.from_demonstrations else {}
        weights = weights_of(config.values or empty, f"{where}.values")
    choice = choice_of(weights, f"{where}.{kind}")
    return Listed([name], choice, _pick(config.pick, [choice], where))


def _check_written(written: WrittenConfig | None, where: str) -> None:
    assert written is not None, "its kind is written"
    if not written.prompt.strip():
        raise UserError("has no prompt", where=f"{where}.written", remedy="ask for a list, one item per line")
    check_setting(written.count >= 1, f"{where}.written.count", written.count, "1 or more", fault="is too small")


def _where(name: str) -> str:
    return f"task.attributes.{name}"


def _check_name(name: str, attributes: Mapping[str, AttributeConfig]) -> None:
    if not name or "|" in name or "=" in name:
        raise UserError(
            f"the condition {name!r} holds a sign that separates conditions",
            where=_where(name),
            remedy="write a name without '|' and '='",
        )
    if hasattr(dict, name):
        raise UserError(
            f"`condition.{name}` is already taken in templates", where=_where(name), remedy="give it another name"
        )
    other = attributes.get(name.removesuffix(PATH_SUFFIX))
    if name.endswith(PATH_SUFFIX) and other is not None and other.taxonomy:
        raise UserError(
            f"the taxonomy {name.removesuffix(PATH_SUFFIX)!r} has a column of this name",
            where=_where(name),
            remedy="give it another name",
        )


def _kind(name: str, config: AttributeConfig) -> str:
    """Finds the one kind of an attribute; `values` beside `depends_on` are its default."""
    given = [kind for kind in _KINDS if getattr(config, kind)]
    if "depends_on" in given and "values" in given:
        given.remove("values")
    if config.from_demonstrations and not given:
        return "values"
    if len(given) != 1:
        log = "; or name a log of queries: queries.path=LOG" if config.from_queries else ""
        raise UserError(
            f"draws from {' and '.join(given)} at once" if given else "has nothing to draw from",
            where=_where(name),
            remedy=f"give it one of {', '.join(_KINDS)}{log}",
        )
    [kind] = given
    if config.from_queries and kind != "values":
        raise UserError(
            f"is drawn as queries are and from {kind}",
            where=f"{_where(name)}.from_queries",
            remedy="give it plain values, or leave from_queries out",
        )
    if config.from_demonstrations and (kind != "values" or config.pick):
        raise UserError(
            f"is drawn from demonstrations and from {'pick' if config.pick else kind}",
            where=f"{_where(name)}.from_demonstrations",
            remedy="give it plain values, or set from_demonstrations to false",
        )
    if config.pick and kind not in ("values", "file", "depends_on"):
        raise UserError(
            f"cannot pick several from a {kind}",
            where=f"{_where(name)}.pick",
            remedy="use values or a file, or leave pick out",
        )
    if config.by and kind != "depends_on":
        raise UserError("has `by` without `depends_on`", where=_where(name), remedy="name the attribute it depends on")
    return kind


def _ordered(attributes: Mapping[str, AttributeConfig]) -> Iterator[str]:
    """Yields the names of attributes, each after the one that it depends on."""
    done: set[str] = set()
    waiting = list(attributes)
    while waiting:
        ready = [name for name in waiting if attributes[name].depends_on in done | {""}]
        if not ready:
            name = waiting[0]
            parent = attributes[name].depends_on
            if parent not in attributes:
                others = [other for other in attributes if other != name]
                raise UserError(
                    f"there is no attribute {parent!r}",
                    where=f"{_where(name)}.depends_on",
                    remedy=suggest(parent, others) if others else "declare it",
                )
            raise UserError(
                f"depends on {parent!r}, which in the end depends on {waiting}",
                where=f"{_where(name)}.depends_on",
                remedy="leave one of them without depends_on",
            )
        yield from ready
        done.update(ready)
        waiting = [name for name in waiting if name not in done]


def _pick(raw: object, choices: Sequence[Choice], where: str) -> tuple[int, int] | None:
    """Reads `pick`, which is K or [MIN, MAX] values of each of some choices."""
    if not raw:
        return None
    bounds = [raw, raw] if isinstance(raw, int) else raw
    if not (isinstance(bounds, list | tuple) and len(bounds) == 2 and all(isinstance(bound, int) for bound in bounds)):
        raise UserError(f"{raw!r} is no number of values", where=f"{where}.pick", remedy="write K or [MIN, MAX]")
    least, most = bounds
    available = min(len(choice.values) for choice in choices)
    if not 0 <= least <= most or most < 1 or most > available:
        raise UserError(
            f"cannot pick {least} to {most} of {available} values",
            where=f"{where}.pick",
            remedy=f"set it to K or [MIN, MAX] with MAX at most {available}",
        )
    for text in (value for choice in choices for value in choice.values):
        if SEPARATOR in text or not text:
            raise UserError(
                f"{text!r} cannot be told apart in a list that is joined by {SEPARATOR!r}",
                where=where,
                remedy="write values without it, and none that is empty",
            )
    return least, most


def _dependent(name: str, config: AttributeConfig, made: Mapping[str, Attribute], *, restricted: bool) -> Dependent:
    where, parent = _where(name), config.depends_on
    if not isinstance(config.by, Mapping) or not config.by:
        raise UserError("depends_on without `by`", where=where, remedy="write by: {value: [a, b], ...}")
    by: dict[str, Choice] = {}
    for raw, listed in config.by.items():
        text = text_of(raw, f"{where}.by")
        by[text] = _listed_choice(listed, f"{where}.by.{text}")
    default = _listed_choice(config.values, f"{where}.values") if config.values else None
    known, is_pick = made[parent].possible()[0], made[parent].pick is not None
    unknown = [value for value in by if value not in known]
    if unknown and not is_pick and not restricted:  # other values were possible until demonstrations were known
        raise UserError(f"{parent} is never {unknown[0]!r}", where=f"{where}.by", remedy=suggest(unknown[0], known))
    missing = [value for value in known if value not in by]
    if default is None and (missing or is_pick):
        gap = f"{parent} can be several values at once" if is_pick else f"nothing is said for {parent}={missing[0]!r}"
        raise UserError(gap, where=f"{where}.by", remedy="add an entry, or `values:` as the default")
    pick = _pick(config.pick, [*by.values(), *([default] if default else [])], where)
    return Dependent([name], parent, by, default, pick)


def _listed_choice(raw: object, where: str) -> Choice:
    return choice_of(weights_of(raw, where), where)


def _tree(name: str, raw: object, where: str) -> Tree:
    """Reads a taxonomy: mappings whose keys are branches, down to lists of leaves."""
    nodes: dict[str, Choice] = {}
    leaves: list[tuple[str, str]] = []  # the path to the node, and its name
    waiting: list[tuple[str, str, object]] = [("", "", raw)]
    while waiting:
        above, branch, node = waiting.pop(0)
        if branch and node is None:
            leaves.append((above, branch))
            continue
        path = f"{above}/{branch}" if above else branch
        children = _children(node, f"{where}.{path.replace('/', '.')}".rstrip("."))
        nodes[path] = Choice(list(children), [1.0] * len(children))
        waiting += [(path, child, below) for child, below in children.items()]
    paths, names = [path for path, _ in leaves], [leaf for _, leaf in leaves]
    index_of = {f"{path}/{leaf}" if path else leaf: index for index, (path, leaf) in enumerate(leaves)}
    texts = (pa.array(names, pa.string()), pa.array(paths, pa.string()))
    return Tree([name, f"{name}{PATH_SUFFIX}"], nodes, index_of, texts, (text_hashes(names), text_hashes(paths)))


def _children(node: object, where: str) -> dict[str, object]:
    """Maps each name below a node to what is below that name, which is None for a leaf.

    Args:
        node: a mapping of branches, a list of leaves, or a single leaf.
        where: the key that the node has in the config.
    """
    if isinstance(node, Mapping):
        pairs = list(node.items())
    elif isinstance(node, Sequence) and not isinstance(node, str):
        pairs = [(leaf, None) for leaf in node]
    else:
        pairs = [(node, None)]
    children: dict[str, object] = {}
    for raw, below in pairs:
        text = text_of(raw, where)
        if text in children or "/" in text or not text:
            fault = f"{text!r} stands twice" if text in children else f"the name {text!r} cannot be part of a path"
            raise UserError(fault, where=where, remedy="write each name once, not empty and without '/'")
        children[text] = below
    if not children:
        raise UserError("the branch is empty", where=where, remedy="give it leaves: [a, b]")
    return children
