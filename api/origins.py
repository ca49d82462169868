"""Which web pages may use the exchange: answers across origins over REST, and whose browser may open a websocket.

A page of the exchange's own host needs no leave. Who sends no Origin is no browser, and is not asked.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware

from api.call import Receive, Scope, Send, call_of, refusal, write
from api.errors import FOREIGN_ORIGIN, Problem, RequestError
from api.limits import Limiter

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

ANY = "*"
METHODS = ("GET", "POST", "PUT", "DELETE")
HEADERS = ("X-MBX-APIKEY", "X-MBX-TIME-UNIT", "Content-Type", "If-None-Match")  # that a page may send
TOLD = ("X-MBX-Used-Weight-1m", "X-MBX-Order-Count-10s", "X-TB-Key-Weight-1m", "Retry-After", "ETag")  # and may read
REMEMBERED_S = 600  # by a browser, before it asks for leave again
_PORTS = {"http": ":80", "https": ":443"}


class Origins(NamedTuple):
    """The origins that have leave, as browsers write them; none unless they are named."""

    allowed: tuple[str, ...] = ()

    def problem(self, headers: list[tuple[bytes, bytes]]) -> Problem | None:
        """Return why a browser's page may not open a websocket, None if it may, or if no page asks."""
        found = {name: value.decode("latin-1") for name, value in headers if name in {b"origin", b"host"}}
        origin = found.get(b"origin")
        if origin is None or ANY in self.allowed or origin in self.allowed or _is_own(origin, found.get(b"host", "")):
            return None
        return FOREIGN_ORIGIN

    def around(self, application: Asgi, limiter: Limiter, now_ns: Callable[[], int]) -> Asgi:
        """Return an application whose answers the allowed origins may read; itself if there are none."""
        if not self.allowed:
            return application
        told = CORSMiddleware(
            application,
            allow_origins=self.allowed,
            allow_methods=METHODS,
            allow_headers=HEADERS,
            expose_headers=TOLD,
            max_age=REMEMBERED_S,
        )

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["method"] == "OPTIONS":  # it does not reach the application's limits
                call = call_of(scope, now_ns())
                try:
                    limiter.take_weight(call.address, 1, call.now_ns)
                except RequestError as error:
                    await write(send, refusal(error.problem, []))
                    return
            await told(scope, receive, send)

        return serve


def origin_of(text: str) -> str:
    """Return an origin as browsers write it, or `*` for all; raises ValueError if it is none."""
    if text == ANY:
        return text
    parts = urlsplit(text.lower())
    port = _PORTS.get(parts.scheme)
    if port is None or not parts.hostname or parts.port == 0 or text.lower() != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"an origin is http:// or https://, a host and perhaps a port, nothing behind: {text!r}")
    if "@" in parts.netloc:
        raise ValueError(f"an origin names nobody: {text!r}")
    return f"{parts.scheme}://{parts.netloc.removesuffix(port)}"


def _is_own(origin: str, host: str) -> bool:
    """Return whether a page came from the host that it talks to; a port that the scheme implies may be left out."""
    scheme, _, place = origin.lower().partition("://")
    port = _PORTS.get(scheme)
    return port is not None and bool(place) and place.removesuffix(port) == host.lower().removesuffix(port)
