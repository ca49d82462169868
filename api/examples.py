"""Examples for the published documents: made from a schema, with the same values for the same names everywhere."""

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
SYMBOL = "TA.CTEL.Q3.OUT.GZ.M2701.G80A"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
TIME = 1_795_331_322_253
SIGNATURE = "c8db56825ae71d6d79447849e617115f4a920fa2acdc2b5f7e8e7f1a1a0f3c0d"
_REFERENCE = "#/components/schemas/"
_LONGEST = 3  # parts of a name are looked up from its end

# by name, or by what the name ends with after an underscore; the first whose type fits
NAMES: Mapping[str, tuple[object, ...]] = {
    "symbol": (SYMBOL,),
    "s": (SYMBOL,),
    "symbols": (f'["{SYMBOL}"]',),
    "asset": (SYMBOL, "CNY"),
    "base": (SYMBOL,),
    "quote": ("CNY",),
    "quote_asset": ("CNY",),
    "base_asset": (SYMBOL,),
    "commission_asset": ("CNY",),
    "fee_asset": ("CNY",),
    "discount_asset": ("CNY",),
    "price": ("0.2000",),
    "stop_price": ("0.2500",),
    "qty": ("5",),
    "quantity": ("5",),
    "lots": (5,),
    "amount": ("1.000000",),
    "quote_order_qty": ("1.000000",),
    "iceberg_qty": ("1",),
    "displayed": ("1",),
    "side": ("BUY",),
    "type": ("LIMIT",),
    "status": ("NEW", 0),
    "state": ("CONTINUOUS",),
    "time_in_force": ("GTC",),
    "interval": ("1m",),
    "order_id": (4_194_305,),
    "order_list_id": (-1,),
    "client_order_id": ("my-order-1",),
    "trade_id": (7,),
    "event": (42,),
    "entry": (42,),
    "sequence": (31,),
    "account": (1,),
    "uid": (1,),
    "issuer": (2,),
    "key": (KEY,),
    "listen_key": (KEY[:60],),
    "secret": ("shown once",),
    "name": ("alice", "CNY"),
    "participant": ("alice",),
    "role": ("trader", "TAKER"),
    "signature": (SIGNATURE,),
    "timestamp": (TIME,),
    "event_time": (TIME,),
    "update_id": (205,),
    "levels": (10,),
    "recv_window": (5000,),
    "time": (TIME,),
    "limit": (100,),
    "commission": ("0.0003", 0),
    "fee": ("0.000500",),
    "code": (-1121,),
    "msg": ("Invalid symbol.",),
    "timezone": ("UTC",),
    "time_zone": ("0",),
    "bids": ([["0.2000", "5"]],),
    "asks": ([["0.2100", "3"]],),
    "description": ("output tokens of one model",),
    "ip_allow": (["10.0.0.0/8"],),
    "scopes": (["read", "trade"],),
    "mode": ("CONTINUOUS", "EXPIRE_TAKER"),
    "version": ("0.1.0",),
    "coin": ("CNY",),
    "kind": ("ALLOWANCE",),
    "tick_size": ("0.0001",),
    "high": ("9.0000",),
    "low": ("0.0001",),
}
_FORMATS: Mapping[str, str] = {"date": "2026-11-20", "date-time": "2026-11-20T08:30:00Z", "decimal": "0.2000"}
_FALLBACKS = (
    "x",
    "X",
    "1",
    "alice",
    "CNY",
    "0000123456",
    "0" * 32,
    "0" * 64,
    KEY,
    "",
)  # for a text of which no more is known
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def example(schema: Schema, components: Mapping[str, Schema], name: str = "", *, brief: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Return a value that fits a schema; `brief` leaves out what need not be there."""
    if "$ref" in schema:
        return example(components[schema["$ref"].removeprefix(_REFERENCE)], components, name, brief=brief)
    if "const" in schema:
        return schema["const"]
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in schema:
            found = next((one for one in schema[kind] if one.get("type") != "null"), schema[kind][0])
            return example({**found, **_limits(schema)}, components, name, brief=brief)
    known = _FORMATS.get(schema.get("format", "")) or _known(schema, name)
    if known is not None:
        return known
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    return _made(schema, components, name, brief=brief)


def _limits(schema: Schema) -> dict[str, Any]:
    return {name: schema[name] for name in ("examples", "default") if schema.get(name) is not None}


def _known(schema: Schema, name: str) -> object:
    """Return the value that a name has everywhere, None if there is none that fits."""
    parts = _snake(name).split("_")
    for count in range(min(_LONGEST, len(parts)), 0, -1):
        for value in NAMES.get("_".join(parts[-count:]), ()):
            if _fits(schema, value):
                return value
    return None


def _fits(schema: Schema, value: object) -> bool:
    kind = schema.get("type")
    if kind is None or not isinstance(value, _TYPES[kind]) or isinstance(value, bool) is not (kind == "boolean"):
        return False
    if "enum" in schema:
        return value in schema["enum"]
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, str):
        is_short = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return bool(is_short and re.search(schema.get("pattern", ""), value))
    return _fits_rows(schema, value)


def _fits_rows(schema: Schema, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether rows of a list are as long as they have to be; a list that is a row itself has no known value."""
    row = (schema.get("items") or {}).get("prefixItems")
    return "prefixItems" not in schema and (row is None or len(row) == len(value[0]))


def _made(schema: Schema, components: Mapping[str, Schema], name: str, *, brief: bool) -> Any:  # noqa: ANN401 - any JSON
    match schema.get("type"):
        case "object":
            needed = schema.get("required", [])
            fields = schema.get("properties", {})
            names = [one for one in fields if one in needed or not brief]
            return {one: example(fields[one], components, _word(one, fields[one]), brief=brief) for one in names}
        case "array" if "prefixItems" in schema:
            return [example(one, components, name, brief=brief) for one in schema["prefixItems"]]
        case "array":
            return [example(schema.get("items", {"type": "string"}), components, name, brief=brief)]
        case "integer" | "number":
            return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
        case "boolean":
            return schema.get("default", True)
        case "string":
            return schema.get("default") or next((text for text in _FALLBACKS if _fits(schema, text)), "x")
        case _:
            return {}


def _word(name: str, schema: Schema) -> str:
    """Return the word that a field of one or two letters stands for, or its name."""
    return str(schema.get("title", name)).replace(" ", "_") if len(name) <= 2 else name


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")
