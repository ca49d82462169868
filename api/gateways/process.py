"""One gateway process: its own listening socket on the common port, and one line to the exchange.

    python -m api.gateways.process OPTIONS

It does itself what costs most: connections, TLS, heads and bodies, keys, signatures, orders as records, answers.
It ends when the exchange's process does.
"""

import asyncio
import gc
import sys
from collections.abc import Mapping, Sized
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
import uvloop

from api.auth import KeyRing
from api.binance.directory import Directory
from api.binance.instruments import InstrumentBodies
from api.binance.rest import ENDPOINTS
from api.bursts import OrderBursts
from api.call import MILLISECOND_NS, Answer, Call, Disconnected, Receive, Scope, Send, call_of, read_body, write
from api.connection import HttpConnection, Pending
from api.door import Endpoint, Services, refused
from api.gateways.link import Request
from api.gateways.remote import AskExchange, RemoteExchange, RemoteGateway
from api.gateways.tunnel import Pipe, first_line
from api.heads import Heads
from api.limits import Limiter, Limits
from api.logs import log_to_stderr
from api.origins import Origins
from api.serve import listen, running, stop_on_signals
from api.steps import Steps
from api.stream.config import StreamConfig
from api.stream.listenkeys import ListenKeys
from api.stream.transport import bound_buffer
from api.v1.desk import body_limiter
from api.v1.router import ACTIONS
from api.vault import Vault
from exchange.config import Config
from exchange.server import Exchange, tune

_PLACE = ENDPOINTS["POST", "/api/v3/order"]
_NAMED = b"newClientOrderId="
log = structlog.get_logger()


class GatewayOptions(msgspec.Struct):
    """What a gateway process is told at its start."""

    directory: str  # of the exchange's data
    host: str
    port: int
    limits: Limits
    settings: dict[str, Any]  # uvicorn's own, such as `ssl_certfile`
    lines: str = ""  # path of the socket for commands and requests
    tunnels: str = ""  # and of that for websockets
    origins: tuple[str, ...] = ()  # that may read answers
    send_buffer_bytes: int = StreamConfig().send_buffer_bytes
    blocked_s: float = 80.0  # how long a websocket may take nothing: the exchange's patience for an answer to a ping


class GatewayApplication:
    """What a gateway's server calls: every request that it does not answer itself goes to the exchange's process."""

    direct: Mapping[tuple[bytes, bytes], Endpoint] = {(b"POST", b"/api/v3/order"): _PLACE}

    def __init__(self, services: Services, remote: RemoteExchange, options: GatewayOptions) -> None:
        """Answer with a remote exchange; websockets go through a socket of their own."""
        self.services = services
        self.heads = Heads()
        self.connections: Sized = ()
        self.remote = remote
        self.options = options
        self._bodies = {key: body_limiter(action) for key, action in ACTIONS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        call = call_of(scope, self.services.exchange.clock.now_ns())
        try:
            await read_body(call, receive, self._bodies_of(scope, call))
            answer = await self.remote.ask(request_of(scope, call.body))
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
            await write(send, refused(_PLACE, error, call))
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _bodies_of(self, scope: Scope, call: Call) -> Limiter:
        """Return the limit on the size of a request's body: a large one is taken from those who have a key alone."""
        limiter = self.services.limiter
        known = self.services.keys.credential(call.key) if call.key else None
        return limiter if known is None else self._bodies.get((scope["method"], scope["path"]), limiter)


class GatewayConnection(HttpConnection):
    """A client's connection to a gateway."""

    def __init__(self, application: GatewayApplication, **arguments: Any) -> None:  # noqa: ANN401 - whatever uvicorn has
        super().__init__(application, **arguments)
        self._application = application

    def joins(self, body: bytes) -> bool:
        """Tell whether an order has a name: whether one without came before, perhaps to another gateway, is asked."""
        return _NAMED in body

    def receive(self, pending: Pending) -> None:
        """Place an order, or let the exchange's process do it."""
        if _NAMED in pending.call.body or _NAMED in pending.call.query:
            super().receive(pending)
        else:
            self._ask(pending)

    def told(self, pending: Pending, outcome: bytes | Exception) -> None:
        """Answer an order; what only the exchange's process knows is asked for."""
        if isinstance(outcome, AskExchange):
            self._ask(pending)
        else:
            super().told(pending, outcome)

    def _ask(self, pending: Pending) -> None:
        Steps(self._asked(pending.call), partial(self._finish_asked, pending), self.loop).step()

    def handle_websocket_upgrade(self) -> None:
        """Let the client talk to the exchange's process."""
        self.uncount()
        self.connections.discard(self)
        self.transport.pause_reading()
        lines = [b"%s: %s\r\n" % header for header in self.scope["headers"]]
        head = b"%s %s HTTP/1.1\r\n%s\r\n" % (self.scope["method"].encode(), self.url, b"".join(lines))
        opening = self.loop.create_task(self._open_tunnel(first_line(self.client) + head))
        self.tasks.add(opening)
        opening.add_done_callback(self.tasks.discard)

    async def _asked(self, call: Call) -> Answer:
        headers = [(b"x-mbx-apikey", call.key.encode("latin-1")), (b"content-type", call.content_type)]
        if call.time_unit_ns != MILLISECOND_NS:
            headers.append((b"x-mbx-time-unit", b"MICROSECOND"))
        path = _PLACE.path
        request = Request(_PLACE.method, path, path.encode(), call.query, headers, (call.address, 0), call.body)
        try:
            return await self._application.remote.ask(request)
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
            return refused(_PLACE, error, call)

    def _finish_asked(self, pending: Pending, answer: Answer) -> None:
        described = {b"content-type", b"content-length"}  # which a connection writes itself
        headers = [header for header in answer.headers if header[0] not in described]
        self.finish_call(pending, answer._replace(headers=headers))

    async def _open_tunnel(self, begin: bytes) -> None:
        client, options = self.transport, self._application.options
        try:
            there, _ = await self.loop.create_unix_connection(lambda: Pipe(client, options.blocked_s), options.tunnels)
        except OSError:
            log.exception("the exchange's process takes no websocket")
            client.close()
            return
        if client.is_closing():  # it went away meanwhile, and nobody would tell
            there.abort()
            return
        bound_buffer(client, options.send_buffer_bytes)
        back = Pipe(there, options.blocked_s)
        back.connection_made(client)
        client.set_protocol(back)
        there.write(begin)
        client.resume_reading()


def request_of(scope: Scope, body: bytes) -> Request:
    """Return what the exchange's process must know of a request."""
    return Request(
        scope["method"],
        scope["path"],
        scope["raw_path"],
        scope["query_string"],
        list(scope["headers"]),
        scope["client"],
        body,
    )


def services_of(remote: RemoteExchange, vault: Vault, limiter: Limiter, origins: Origins) -> Services:
    """Return as much of the services as placing an order takes."""
    exchange = cast("Exchange", remote)  # which has what is used here
    directory = Directory(remote.registry)
    keys = KeyRing(remote.registry.key, vault)
    bodies = InstrumentBodies(directory)
    gateway = RemoteGateway(exchange)
    bursts = OrderBursts.of(gateway, directory, exchange.clock.now_ns)
    return Services(exchange, gateway, directory, bodies, keys, limiter, ListenKeys(), bursts, origins)


async def run(options: GatewayOptions) -> None:
    """Serve until told to stop, or until the exchange's process has gone."""
    stop = asyncio.Event()
    stop_on_signals(asyncio.get_running_loop(), stop)
    limiter = Limiter(options.limits)
    remote = RemoteExchange(stop.set, limiter)
    await remote.connect(options.lines)
    gc.collect()
    gc.freeze()  # all names are here: the collector need not look at them again
    services = services_of(remote, Vault.open(Path(options.directory)), limiter, Origins(options.origins))
    application = GatewayApplication(services, remote, options)
    with listen(options.host, options.port, shared=True) as listener:
        async with running(application, listener, options.settings, GatewayConnection):
            remote.ready()
            await stop.wait()
    await remote.stop()


def main() -> None:
    """Run a gateway with the options in the first argument."""
    log_to_stderr()
    tune(Config())
    with suppress(ConnectionError, FileNotFoundError):  # the exchange went away meanwhile
        uvloop.run(run(msgspec.json.decode(sys.argv[1], type=GatewayOptions)))


if __name__ == "__main__":
    main()
