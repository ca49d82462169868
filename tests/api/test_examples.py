"""Values that fit their schemas, the same for the same name."""

import pytest

from api.examples import KEY, SYMBOL, example

COMPONENTS = {"Level": {"type": "object", "properties": {"price": {"type": "string"}}, "required": ["price"]}}


@pytest.mark.parametrize(
    ("name", "schema", "expected"),
    [
        ("symbol", {"type": "string"}, SYMBOL),
        ("origClientOrderId", {"type": "string"}, "my-order-1"),
        ("bid_price", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "0.2000"),
        ("side", {"enum": ["SELL"], "type": "string"}, "SELL"),
        ("kind", {"const": 3}, 3),
        ("key", {"type": "string", "maxLength": 128}, KEY),
        ("key", {"type": "string", "maxLength": 4}, "x"),
        ("name", {"type": "string", "pattern": "^[A-Z]+$"}, "CNY"),
        ("limit", {"type": "integer", "maximum": 10, "minimum": 2}, 2),
        ("count", {"type": "integer", "exclusiveMinimum": 0}, 1),
        ("isMaker", {"type": "boolean"}, True),
        ("whatever", {"type": "string", "examples": ["seen"]}, "seen"),
        ("levels", {"type": "array", "items": {"$ref": "#/components/schemas/Level"}}, [{"price": "0.2000"}]),
        ("row", {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [0, "x"]),
        ("day", {"type": "string", "format": "date"}, "2026-11-20"),
        ("digest", {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "0" * 64),
        ("anything", {}, {}),
    ],
)
def test_a_value_fits_its_schema(name, schema, expected) -> None:
    assert example(schema, COMPONENTS, name) == expected


def test_a_letter_is_known_by_its_title() -> None:
    schema = {"type": "object", "properties": {"s": {"type": "string"}, "S": {"type": "string", "title": "side"}}}
    assert example(schema, {}) == {"s": SYMBOL, "S": "BUY"}


def test_what_need_not_be_there_may_be_left_out() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["b"]}
    assert example(schema, {}) == {"a": 0, "b": 0}
    assert example(schema, {}, brief=True) == {"b": 0}
