"""OpenAPI made whole: to every operation its table of errors, and an example of each request and answer.

FastAPI knows the paths and the models; what may be refused is read from the code (`api.refusals`), once, when somebody
asks for the document.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from threading import Lock
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.routing import Route

from api.binance.rest import ENDPOINTS
from api.errors import Problem
from api.examples import KEY, SYMBOL, example
from api.refusals import of_action, of_endpoint
from api.v1.router import ACTIONS

Document = dict[str, Any]
JSON = "application/json"
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}

_ORDER = {"quantity": "5", "price": "0.2000"}
_NAMED = {"client_order_id": "my-order-1"}

# what a request needs beyond what its schema says it needs, where its parts depend on each other
REQUESTS: Mapping[tuple[str, str], Mapping[str, object]] = {
    ("POST", "/api/v3/order"): {"timeInForce": "GTC", **_ORDER},
    ("POST", "/api/v3/order/test"): {"timeInForce": "GTC", **_ORDER},
    ("POST", "/api/v3/order/cancelReplace"): {"timeInForce": "GTC", **_ORDER, "cancelOrderId": 4_194_305},
    ("PUT", "/api/v3/order/amend/keepPriority"): {"orderId": 4_194_305},
    ("POST", "/v1/order"): _ORDER | _NAMED,
    ("PUT", "/v1/order"): _NAMED | {"price": "0.2100"},
    ("POST", "/v1/order/reduce"): _NAMED,
    ("POST", "/v1/orders/batch"): {"orders": [{"symbol": SYMBOL, "side": "BUY", **_ORDER}]},
    ("POST", "/v1/orders/cancel"): {"orders": [_NAMED]},
}


def publish(fastapi: FastAPI) -> None:
    """Let an application publish the whole document, made beside the event loop: that takes seconds."""
    plain: Callable[[], Document] = fastapi.openapi
    turn = Lock()

    def whole() -> Document:
        with turn:
            if fastapi.openapi_schema is None:
                complete(plain())
            assert fastapi.openapi_schema is not None
            return fastapi.openapi_schema

    @cache
    def encoded() -> bytes:
        return orjson.dumps(whole())

    async def serve(_: Request) -> Response:
        return Response(await asyncio.to_thread(encoded), media_type=JSON)

    fastapi.openapi = whole  # type: ignore[method-assign] # as its documentation says
    fastapi.router.routes.insert(0, Route(str(fastapi.openapi_url), serve))


def complete(document: Document) -> None:
    """Add examples and tables of errors to every operation of ours."""
    components = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            key = method.upper(), path
            problems = _problems(key)
            if problems is not None:
                _exemplify(key, operation, components)
                operation["x-errors"] = [_row(problem) for problem in problems]
                operation["responses"] |= _responses(problems)


def _problems(key: tuple[str, str]) -> tuple[Problem, ...] | None:
    endpoint, action = ENDPOINTS.get(key), ACTIONS.get(key)
    if endpoint is not None:
        return of_endpoint(endpoint)
    return None if action is None else of_action(action)


def _row(problem: Problem) -> dict[str, object]:
    return {"status": problem.status, "code": problem.code, "msg": problem.message}


def _responses(problems: Iterable[Problem]) -> Document:
    """Return the answers with an error, by status: a table for people, an example of each for programs."""
    by_status: dict[int, list[Problem]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    return {str(status): _response(found) for status, found in by_status.items()}


def _response(problems: list[Problem]) -> Document:
    rows = [f"| {problem.code} | {problem.message} |" for problem in problems]
    first = {"code": problems[0].code, "msg": problems[0].message}
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}, "example": first}}
    made: Document = {"description": "\n".join(("| code | message |", "|---:|---|", *rows)), "content": content}
    return made | {"headers": _RETRY} if any(problem.retry_after_s for problem in problems) else made


def _exemplify(key: tuple[str, str], operation: Document, components: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        named = KEY if parameter["in"] == "header" else example(parameter["schema"], components, parameter["name"])
        parameter["example"] = named
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = example(content["schema"], components, brief=True) | REQUESTS.get(key, {})
    answer = operation["responses"]["200"]["content"][JSON]
    answer["example"] = example(answer["schema"], components)
