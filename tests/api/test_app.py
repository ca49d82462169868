"""The application: its own table first, FastAPI for the rest, every answer in the same words."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from api.app import create_app
from api.binance import schema
from api.binance.rest import ENDPOINTS
from api.errors import INVALID_LISTEN_KEY, RequestError
from tests.api.binance.test_trading import refused
from tests.api.venue import SYMBOL

JSON = {"content-type": "application/json"}
router = APIRouter(prefix="/example")


class Example(BaseModel):
    count: int


@router.post("/echo")
async def echo(example: Example) -> Example:
    return example


@router.get("/refuse")
async def refuse() -> None:
    raise RequestError(INVALID_LISTEN_KEY)


@router.get("/fail")
async def fail() -> None:
    raise ZeroDivisionError("a bug")


@pytest.fixture(scope="module")
def application(served):
    """Return an application with the example router, on the served exchange."""
    return create_app(served.services, [router])


def ask(application, method, path, *, is_direct=False, **arguments):
    """Ask the application, or FastAPI behind the short cut."""
    transport = httpx.ASGITransport(application.fastapi if is_direct else application, raise_app_exceptions=False)

    async def send():
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **arguments)

    return asyncio.run(send())


def test_an_unknown_path_is_told(market):
    response = market.client("alice").get("/api/v3/nonsense")
    assert refused(response) == (404, -1020, "This operation is not supported: no such path.")


def test_an_unknown_method_is_told(market):
    response = market.client("alice").send("PUT", "/api/v3/order", "")
    assert refused(response) == (405, -1020, "This operation is not supported: the path exists, this method does not.")


@pytest.mark.parametrize("is_direct", [False, True])
def test_with_or_without_the_short_cut_the_answer_is_the_same(application, is_direct):
    response = ask(application, "GET", "/api/v3/depth", is_direct=is_direct, params={"symbol": SYMBOL})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    schema.Depth.model_validate_json(response.content)
    assert refused(ask(application, "GET", "/api/v3/depth", is_direct=is_direct)) == (
        400,
        -1102,
        "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
    )


def test_routers_are_served_and_their_faults_told(application):
    assert ask(application, "POST", "/example/echo", json={"count": 3}).json() == {"count": 3}
    assert refused(ask(application, "POST", "/example/echo", content="{", headers=JSON)) == (
        400,
        -1135,
        "Invalid JSON Request",
    )
    assert refused(ask(application, "POST", "/example/echo", json={}))[:2] == (400, -1102)
    assert refused(ask(application, "POST", "/example/echo", json={"count": "x"}))[:2] == (400, -1130)
    assert refused(ask(application, "GET", "/example/refuse"))[:2] == (400, -1125)
    assert refused(ask(application, "GET", "/example/fail"))[:2] == (500, -1000)


def test_everything_is_published(market):
    paths = market.client("alice").get("/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} >= set(ENDPOINTS)
    assert market.client("alice").get("/docs").status_code == 200


def test_websockets_have_an_application_of_their_own(market):
    seen = []

    async def websocket(scope, _, __):
        seen.append(scope["path"])

    application = create_app(market.services, websocket=websocket)
    asyncio.run(application({"type": "websocket", "path": "/ws"}, None, None))
    assert seen == ["/ws"]


def test_a_body_too_large_is_refused_without_the_server_s_help(application):
    response = ask(application, "POST", "/api/v3/order", content=b"x" * 70_000)
    assert refused(response) == (413, -8001, "Request body is larger than 65536 bytes.")


def test_a_server_that_asks_may_begin_and_end(application):
    asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    told = []

    async def receive():
        return asked.pop(0)

    async def send(message):
        told.append(message["type"])

    asyncio.run(application({"type": "lifespan", "state": {}}, receive, send))
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_nobody_is_left_to_answer(market):
    async def receive():
        return {"type": "http.disconnect"}

    async def send(_):
        raise AssertionError("nothing is sent")

    scope = {"type": "http", "method": "POST", "path": "/api/v3/order", "query_string": b"", "headers": []}
    asyncio.run(create_app(market.services)(scope, receive, send))
