"""The application: the dialect's table served straight from ASGI, all the rest by FastAPI, one published schema.

The table does not pass through FastAPI's routing, which would cost more than the exchange itself; FastAPI knows the
same rows, so that `/openapi.json` and `/docs` show everything. (`api.connection` serves the table without ASGI, too.)
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sized

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api import asyncapi
from api.binance.rest import ENDPOINTS
from api.binance.schema import Refusal
from api.call import Answer, Disconnected, Receive, Scope, Send, call_of, read_body, refusal, write
from api.document import publish
from api.door import Endpoint, Services, answer
from api.errors import (
    INVALID_JSON,
    NO_SUCH_PATH,
    UNKNOWN_ERROR,
    WRONG_METHOD,
    Problem,
    RequestError,
    invalid,
    missing,
)
from api.heads import Heads
from api.openapi import described

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
log = structlog.get_logger()


class Application:
    """What the server calls."""

    direct: Mapping[tuple[bytes, bytes], Endpoint] = {
        (method.encode(), path.encode()): endpoint for (method, path), endpoint in ENDPOINTS.items()
    }  # what a connection answers without ASGI

    def __init__(self, services: Services, fastapi: FastAPI, websocket: Asgi | None) -> None:
        """Put the short cut in front of FastAPI, and hand websockets to their own application."""
        self.services = services
        self.connections: Sized = ()  # open ones, as the server that serves this counts them
        self.heads = Heads()
        self.fastapi = fastapi
        self._websocket = websocket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one websocket."""
        if scope["type"] == "http":
            endpoint = ENDPOINTS.get((scope["method"], scope["path"]))
            if endpoint is None:
                await self._others(scope, receive, send)
                return
            try:
                await write(send, await _answered(endpoint, self.services, scope, receive))
            except Disconnected:
                return
        elif self._websocket is not None and scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.fastapi(scope, receive, send)

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = call_of(scope, self.services.exchange.clock.now_ns())
        try:
            self.services.limiter.take_weight(call.address, 1, call.now_ns)
        except RequestError as error:
            await write(send, refusal(error.problem, []))
            return
        await self.fastapi(scope, receive, send)


def create_app(services: Services, routers: Iterable[APIRouter] = (), websocket: Asgi | None = None) -> Application:
    """Return the application of one exchange, which it neither starts nor stops."""
    fastapi = FastAPI(
        title="tokenbourse",
        summary="An exchange for token allowances and dataset licences.",
        version="3",
        redoc_url=None,
        responses={400: {"model": Refusal}},
    )
    for endpoint in ENDPOINTS.values():
        _publish(fastapi, services, endpoint)
    for router in routers:
        fastapi.include_router(router)
    publish(fastapi)
    fastapi.add_route(asyncapi.PATH, _asyncapi, include_in_schema=False)
    fastapi.add_exception_handler(RequestError, _on_request_error)
    fastapi.add_exception_handler(HTTPException, _on_http_exception)
    fastapi.add_exception_handler(RequestValidationError, _on_invalid)
    fastapi.add_exception_handler(Exception, _on_exception)
    return Application(services, fastapi, websocket)


async def _asyncapi(_: Request) -> Response:
    """Return what is published about the websockets."""
    return Response(asyncapi.document(), media_type="application/json")


def _publish(fastapi: FastAPI, services: Services, endpoint: Endpoint) -> None:
    async def run(request: Request) -> Response:
        return _response(await _answered(endpoint, services, request.scope, request.receive))

    assert endpoint.handler.__doc__ is not None
    fastapi.add_api_route(
        endpoint.path,
        run,
        methods=[endpoint.method],
        name=f"{endpoint.method} {endpoint.path}",
        response_model=endpoint.reply,
        summary=endpoint.handler.__doc__.partition("\n")[0],
        tags=["dialect"],
        openapi_extra=described(endpoint),
    )


async def _answered(endpoint: Endpoint, services: Services, scope: Scope, receive: Receive) -> Answer:
    call = call_of(scope, services.exchange.clock.now_ns())
    try:
        if endpoint.method != "GET":
            await read_body(call, receive, services.limiter)
    except RequestError as error:
        return refusal(error.problem, call.headers_out)
    return await answer(endpoint, services, call)


def _response(result: Answer) -> Response:
    headers = {name.decode("ascii"): value.decode("ascii") for name, value in result.headers}
    return Response(result.body, result.status, headers, "application/json" if result.body else None)


def _told(problem: Problem) -> Response:
    return _response(refusal(problem, []))


async def _on_request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _told(error.problem)


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: NO_SUCH_PATH, 405: WRONG_METHOD}
    return _told(known.get(error.status_code) or Problem(error.status_code, UNKNOWN_ERROR.code, error.detail))


async def _on_invalid(_: Request, error: Exception) -> Response:
    """Name the first thing wrong with a request, in the words of the dialect."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _told(INVALID_JSON)
    name = str(first["loc"][-1])
    return _told(missing(name) if first["type"] == "missing" else invalid(name))


async def _on_exception(request: Request, error: Exception) -> Response:
    log.error("a request failed", path=request.url.path, exc_info=error)
    return _told(UNKNOWN_ERROR)
