"""Endpoints of the table as OpenAPI: what their models say about parameters, in the words of that format."""

import json
from typing import Any

from api.auth import RECV_WINDOW_MS, RECV_WINDOW_MS_MAX
from api.door import Endpoint

_FORM = "application/x-www-form-urlencoded"
_TIMESTAMP = {"type": "integer", "format": "int64", "description": "When the request was made, in ms or us since 1970."}
_RECV_WINDOW = {
    "type": "number",
    "maximum": RECV_WINDOW_MS_MAX,
    "default": RECV_WINDOW_MS,
    "description": "For how many ms after its timestamp the request is good.",
}
_SIGNATURE = {
    "type": "string",
    "description": "HMAC-SHA256 of everything else in the query and the body, as sent, in hexadecimal.",
}
_AUTHENTICATION = {"recvWindow": _RECV_WINDOW, "timestamp": _TIMESTAMP, "signature": _SIGNATURE}


def described(endpoint: Endpoint) -> dict[str, Any]:
    """Return what FastAPI cannot see of an endpoint: its parameters and who may call it."""
    schema = inlined(endpoint.request.model_json_schema(by_alias=True))
    properties = dict(schema.get("properties", {}))
    required = list(schema.get("required", []))
    if endpoint.is_signed:
        properties |= _AUTHENTICATION
        required += ["timestamp", "signature"]
    extra: dict[str, Any] = {"x-weight": endpoint.weight}
    if endpoint.scope is not None:
        extra["x-scope"] = endpoint.scope.value
        extra["parameters"] = [_key()]
    if endpoint.method in {"POST", "PUT"} and properties:
        form = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        extra["requestBody"] = {"content": {_FORM: {"schema": form}}, "required": bool(required)}
        return extra
    query = [_parameter(name, facts, required=name in required) for name, facts in properties.items()]
    extra["parameters"] = extra.get("parameters", []) + query
    return extra


def _key() -> dict[str, Any]:
    return {"name": "X-MBX-APIKEY", "in": "header", "required": True, "schema": {"type": "string"}}


def _parameter(name: str, facts: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": facts}


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with each reference replaced by what it refers to; ours are not recursive."""
    parts = schema.pop("$defs", {})
    text = json.dumps(schema)
    for name, part in parts.items():
        text = text.replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(part))
    inlined: dict[str, Any] = json.loads(text)
    return inlined
