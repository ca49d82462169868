"""The published document: to each route its errors, and to each request and answer an example that is one."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import TypeAdapter

from api.app import create_app
from api.binance.rest import ENDPOINTS
from api.schemas import names
from api.v1.router import ACTIONS, routes

OURS = {**ENDPOINTS, **ACTIONS}
OTHERS = APIRouter()


@OTHERS.get("/elsewhere")
async def elsewhere() -> None:
    """Belong to somebody else."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(None, [routes(None), OTHERS]).fastapi.openapi()


def operation(document: dict[str, Any], key: tuple[str, str]) -> dict[str, Any]:
    return document["paths"][key[1]][key[0].lower()]


def text(value: object) -> str:
    """Return a value as it stands in a query."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("key", OURS, ids=" ".join)
def test_every_route_tells_what_it_refuses(document: dict[str, Any], key: tuple[str, str]) -> None:
    found = operation(document, key)
    assert {row["code"] for row in found["x-errors"]} >= {-1000, -1003, -1008, -1016}
    for row in found["x-errors"]:
        assert row["msg"]
        told = found["responses"][str(row["status"])]
        assert f"| {row['code']} | {row['msg']} |" in told["description"]
        assert told["content"]["application/json"]["example"]["code"] < 0
    assert "Retry-After" in found["responses"]["429"]["headers"]


@pytest.mark.parametrize("key", OURS, ids=" ".join)
def test_every_request_has_an_example_that_is_one(document: dict[str, Any], key: tuple[str, str]) -> None:
    found, row = operation(document, key), OURS[key]
    query = {one["name"]: text(one["example"]) for one in found.get("parameters", []) if one["in"] == "query"}
    known = names(row.request)
    for content in found.get("requestBody", {}).get("content", {}).values():
        if key in ENDPOINTS:
            query |= {name: text(value) for name, value in content["example"].items()}
        elif key[1] != "/v1/usage":
            row.request.model_validate_json(json.dumps(content["example"]))
    if key in ENDPOINTS or not row.has_body:
        row.request.model_validate({name: value for name, value in query.items() if name in known})


@pytest.mark.parametrize("key", OURS, ids=" ".join)
def test_every_answer_has_an_example_that_is_one(document: dict[str, Any], key: tuple[str, str]) -> None:
    answer = operation(document, key)["responses"]["200"]["content"]["application/json"]["example"]
    TypeAdapter(OURS[key].reply).validate_json(json.dumps(answer))


def test_no_reference_leads_nowhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_what_is_not_ours_is_left_as_it_is(document: dict[str, Any]) -> None:
    assert "x-errors" not in document["paths"]["/elsewhere"]["get"]


def test_the_document_is_made_while_the_loop_goes_on() -> None:
    fastapi = create_app(None, [routes(None)]).fastapi

    async def ask() -> tuple[int, dict[str, Any]]:
        transport = httpx.ASGITransport(app=fastapi)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            asked = asyncio.ensure_future(client.get("/openapi.json"))
            turns = 0
            while not asked.done():
                await asyncio.sleep(0.002)
                turns += 1
            return turns, asked.result().json()

    turns, told = asyncio.run(ask())
    assert turns > 20  # on the loop itself it takes two or three
    assert told == fastapi.openapi()
