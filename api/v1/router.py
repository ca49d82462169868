"""All actions of our own dialect as FastAPI routes, with what OpenAPI should say about each."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from api.call import Disconnected, call_of
from api.openapi import inlined
from api.v1 import (
    accounts,
    admission,
    announcements,
    bundles,
    catalogue,
    datasets,
    defaults,
    funds,
    health,
    instruments,
    invoices,
    keys,
    ledger,
    licences,
    methodologies,
    nominations,
    orders,
    oversight,
    participants,
    prices,
    proposals,
    reference,
    reversals,
    series,
    tiers,
    transfers,
    usage,
    venue,
)
from api.v1.desk import REASON, Action, Desk, answer, body_limiter
from api.v1.metering import LINES_TYPE
from api.v1.schemas import ErrorAnswer
from exchange.registry.acts import WHY_CHARACTERS_MAX

CLIENT_GONE = 499  # nobody hears it
_TAGS = {
    participants: "participants and keys",
    keys: "participants and keys",
    tiers: "fees by tier",
    admission: "participants and keys",
    proposals: "four eyes",
    instruments: "assets and instruments",
    reference: "assets and instruments",
    catalogue: "assets and instruments",
    venue: "running the market",
    announcements: "announcements and phases",
    funds: "money and issues",
    orders: "orders",
    bundles: "orders",
    transfers: "transfers",
    series: "series of allowances",
    nominations: "nominations to keys",
    datasets: "dataset register",
    licences: "dataset licences",
    usage: "usage",
    reversals: "usage",
    invoices: "usage",
    defaults: "series of allowances",
    prices: "published prices",
    methodologies: "published prices",
    oversight: "oversight",
    accounts: "own account",
    ledger: "ledger",
    health: "health",
}
ACTIONS = {(action.method, action.path): action for module in _TAGS for action in module.ACTIONS}
_PROSE = {
    "timestamp": "When the request was sent, in milliseconds since 1970.",
    "recvWindow": "For how many milliseconds it is good: 5000 unless given, 60000 at most.",
    "signature": "HMAC-SHA256 in hexadecimal of the query string before `&signature=` followed by the body.",
}
_REASON = {
    "name": REASON,
    "in": "query",
    "required": False,
    "description": "Why it is done: kept with who and when for the auditor.",
    "schema": {"type": "string", "maxLength": WHY_CHARACTERS_MAX},
}
_AUTHENTICATION = [
    {"name": "X-MBX-APIKEY", "in": "header", "required": True, "schema": {"type": "string"}},
    *[
        {"name": name, "in": "query", "required": name != "recvWindow", "description": text, "schema": {"type": kind}}
        for (name, text), kind in zip(_PROSE.items(), ("integer", "integer", "string"), strict=True)
    ],
]


def routes(desk: Desk) -> APIRouter:
    """Return the routes of one exchange."""
    router = APIRouter(responses={"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}})
    for module, tag in _TAGS.items():
        for action in module.ACTIONS:
            _add(router, desk, action, tag)
    return router


def _add(router: APIRouter, desk: Desk, action: Action, tag: str) -> None:
    text = action.handler.__doc__
    assert text is not None
    router.add_api_route(
        action.path,
        _endpoint(desk, action),
        methods=[action.method],
        name=f"{action.method} {action.path}",
        response_model=action.reply,
        summary=text.partition(".")[0].partition(":")[0],
        description=text,
        tags=[tag],
        openapi_extra=_described(action),
    )


def _endpoint(desk: Desk, action: Action) -> Callable[[Request], Awaitable[Response]]:
    bodies = body_limiter(action)

    async def serve(request: Request) -> Response:
        call = call_of(request.scope, desk.exchange.clock.now_ns())
        try:
            status, body, headers = await answer(desk, action, bodies, call, request.receive)
        except Disconnected:
            return Response(status_code=CLIENT_GONE)
        named = {name.decode("ascii"): value.decode("ascii") for name, value in headers}
        return Response(body, status, named, "application/json" if body else None)

    return serve


def _described(action: Action) -> dict[str, Any]:
    """Return what FastAPI cannot see: parameters, body, who may call, how much it weighs."""
    extra: dict[str, Any] = {"x-weight": action.weight}
    if action.scopes:
        extra["x-scopes"] = [scope.value for scope in action.scopes]
        reason = {**_REASON, "required": action.needs_reason and "note" not in action.request.model_fields}
        extra["parameters"] = [*_AUTHENTICATION, reason] if action.is_act else list(_AUTHENTICATION)
    schema = inlined(action.request.model_json_schema())
    if action.has_body:
        content = {body_type.decode(): {"schema": schema} for body_type in action.body_types if body_type != LINES_TYPE}
        if LINES_TYPE in action.body_types:
            content[LINES_TYPE.decode()] = {"schema": schema["properties"]["records"]["items"]}
        extra["requestBody"] = {"required": True, "content": content}
    else:
        required = schema.get("required", [])
        extra["parameters"] = extra.get("parameters", []) + [
            {"name": name, "in": "query", "required": name in required, "schema": facts}
            for name, facts in schema.get("properties", {}).items()
        ]
    return extra
