"""Schemas of turns: what no answer could fit is refused, with the key inside the schema."""

from typing import Any

import pytest

from engine.errors import UserError
from engine.task.schema import check_schema, validator_of

CARD = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": ["bug", "wish"]},
        "urgency": {"type": ["integer", "null"], "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "owner": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
    "required": ["kind", "urgency"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("schema", [{}, CARD, {"properties": {"a": {}}}, {"type": "array"}, {"required": ["free"]}])
def test_a_schema_that_can_be_met_passes(schema: dict[str, Any]) -> None:
    check_schema(schema, "here")


def changed(**properties: Any) -> dict[str, Any]:
    return {**CARD, "properties": {**CARD["properties"], **properties}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("schema", "where", "what", "remedy"),
    [
        (
            changed(urgency={"type": "integr"}),
            "here.properties.urgency.type",
            "there is no type 'integr'",
            "did you mean 'integer'? valid are: array, boolean",
        ),
        (changed(kind={"enum": "bug"}), "here.properties.kind.enum", "'bug' is not of type 'array'", "json-schema.org"),
        (
            {"anyOf": [{"type": "string"}, {"maxLength": -5}]},
            "here.anyOf[1].maxLength",
            "-5 is less than the minimum of 0",
            "json-schema.org",
        ),
        ({**CARD, "required": ["kynd"]}, "here.required", "there is no property 'kynd'", "did you mean 'kind'?"),
        ({**CARD, "type": "array"}, "here.type", "'array' has no properties", "write type: object"),
        (
            changed(owner={"properties": {"name": {}}, "required": ["nam"]}),
            "here.properties.owner.required",
            "there is no property 'nam'",
            "did you mean 'name'?",
        ),
    ],
)
def test_a_schema_that_cannot_is_refused(schema: dict[str, Any], where: str, what: str, remedy: str) -> None:
    with pytest.raises(UserError) as caught:
        check_schema(schema, "here")
    assert (caught.value.where, caught.value.what) == (where, what)
    assert remedy in caught.value.remedy


def test_an_empty_schema_fits_everything_and_has_no_validator() -> None:
    check_schema({}, "task.json_schema")
    assert validator_of({}) is None
    validator = validator_of({"type": "object"})
    assert validator is not None
    assert validator.is_valid({"a": 1})
    assert not validator.is_valid([])
