"""The websocket addresses of the exchange as one ASGI application, beside the one that answers HTTP.

/ws, /ws/<streams>, /stream?streams=<streams> and /stream/ws/... speak of the market; /ws-api/v3 takes requests;
/v1/private is an account's own stream, /v1/allowances that of what API keys have left. What follows /ws/ may be
anything: some clients number their connections there and name their streams afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs

import structlog

from api.allowances import PREFIX as ALLOWANCES_PREFIX
from api.allowances import AllowanceStreams
from api.binance.channels import Sources
from api.binance.feed import Feed
from api.binance.indicator import Indicator
from api.binance.session import MarketSession
from api.binance.streams import FAST_MS, SLOW_MS
from api.binance.userdata import user_data
from api.binance.wsapi import ApiSession
from api.call import MICROSECOND_NS, MILLISECOND_NS, Call, read_headers, refusal
from api.departures import Departures
from api.door import Services
from api.errors import INVALID_TIME_UNIT, NO_SUCH_PATH, OVERLOADED, Problem, RequestError
from api.private import is_private
from api.stream.config import StreamConfig
from api.stream.frames import GOING_AWAY
from api.stream.hub import Connection, Hub
from api.stream.transport import FrameProtocol, line_of
from api.v1.allowances import PATH as ALLOWANCES_PATH
from api.v1.allowances import AllowanceAdmission, AllowanceSession, admit_reader
from api.v1.private import PATH as PRIVATE_PATH
from api.v1.private import Admission, PrivateSession, admit
from api.v1.privatewords import private_streams
from exchange.sequencer import Batch

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger()

HANDSHAKE_WEIGHT = 2  # of a request, whatever becomes of it
API_PATH = "/ws-api/v3"
RAW_PATHS = ("/ws", "/stream/ws")
COMBINED_PATH = "/stream"
TIME_UNITS = {"MILLISECOND": MILLISECOND_NS, "MICROSECOND": MICROSECOND_NS}


class Session(Protocol):
    """What a connection talks to."""

    async def receive(self, text: str | bytes) -> None:
        """Take a message of the client."""

    def check_rights(self, now_ns: int) -> None:
        """End what the client may no longer read."""

    def gone(self) -> None:
        """Learn that the client has gone."""


class WebsocketApp:
    """All websockets of one exchange; a callable for ASGI."""

    def __init__(self, services: Services, config: StreamConfig) -> None:
        """Listen to an exchange that is open; it may be started later."""
        exchange, directory = services.exchange, services.directory
        self.hub = Hub(_call_soon, exchange.clock, config)
        self._services = services
        self._feed = Feed(self.hub, Sources.of(exchange.market, exchange.notices, directory), exchange.prices)
        self._indicator = Indicator(exchange.notices, self._feed.reads_phases, exchange.submit)
        self._user_data = user_data(self.hub, exchange, directory.texts)
        self._user_data_us = user_data(self.hub, exchange, directory.texts, MICROSECOND_NS)
        self._private = private_streams(self.hub, exchange, directory)
        self._allowances = AllowanceStreams(self.hub, exchange)
        self._departures = Departures(services.gateway)
        self._sessions: dict[Connection, Session] = {}
        self._beats = 0
        self._beating = False
        exchange.add_listener(self._hear)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket from its handshake to its end."""
        await receive()
        client, limiter = scope.get("client"), self._services.limiter
        address = client[0] if client else ""
        full = limiter.open_connection(address)
        try:
            path, query = scope["path"].rstrip("/"), parse_qs(scope["query_string"].decode("latin-1"))
            admission = self._admitted(scope, address, path, query, full)
            await send({"type": "websocket.accept"})
            line = _line(scope)
            connection = self.hub.join(line)
            try:
                line.attach(connection, self.hub.config.send_buffer_bytes)
                session = self._session(connection, line, address, path, query, admission)
                await self._serve(connection, session, receive)
            finally:
                self._leave(connection)
        except RequestError as error:
            await _reject(send, error.problem)
        finally:
            limiter.close_connection(address)

    def _admitted(
        self, scope: Scope, address: str, path: str, query: dict[str, list[str]], full: Problem | None
    ) -> Admission | AllowanceAdmission | None:
        """Refuse a handshake that asks too much or for what is not its sender's; return who reads a private stream."""
        call = Call(address, scope["query_string"], self.hub.clock.now_ns())
        self._services.limiter.take_weight(address, HANDSHAKE_WEIGHT, call.now_ns)
        problem = full or self._services.origins.problem(scope["headers"]) or self._problem(path, query)
        if problem is not None:
            raise RequestError(problem)
        if path not in {PRIVATE_PATH, ALLOWANCES_PATH}:
            return None
        read_headers(call, scope["headers"])
        if path == ALLOWANCES_PATH:
            return admit_reader(self._services, call)
        return admit(self._services, self._private, call)

    def _problem(self, path: str, query: dict[str, list[str]]) -> Problem | None:
        if path not in {API_PATH, COMBINED_PATH, PRIVATE_PATH, ALLOWANCES_PATH} and not _is_raw(path):
            return NO_SUCH_PATH
        if _unit_ns(query) is None:
            return INVALID_TIME_UNIT
        return OVERLOADED if self.hub.full else None

    def _session(
        self,
        connection: Connection,
        line: FrameProtocol,
        address: str,
        path: str,
        query: dict[str, list[str]],
        admission: Admission | AllowanceAdmission | None,
    ) -> Session:
        if isinstance(admission, AllowanceAdmission):
            return AllowanceSession(self._services, self._allowances, connection, admission)
        if admission is not None:
            private = PrivateSession(self._services, self._private, self._departures, connection, admission)
            private.open()
            return private
        unit_ns = _unit_ns(query) or MILLISECOND_NS
        user_data = self._user_data_us if unit_ns == MICROSECOND_NS else self._user_data
        if path == API_PATH:
            asking = ApiSession(
                self._services,
                self.hub,
                user_data,
                self._departures,
                connection,
                line,
                address,
                unit_ns,
            )
            line.take_with(asking.take, asking.take_texts)
            return asking
        combined = path == COMBINED_PATH
        keys = self._services.listen_keys
        session = MarketSession(self.hub, self._feed, user_data, keys, connection, combined=combined, unit_ns=unit_ns)
        session.open(_combined_names(query) if combined else self._raw_names(path))
        return session

    def _raw_names(self, path: str) -> list[str]:
        """Return the streams in a path; a part that could be no stream's name is somebody's own number or word."""
        tail = path.removeprefix("/stream").removeprefix("/ws")
        now_ns = self.hub.clock.now_ns()
        account_of = self._services.listen_keys.account
        return [
            name
            for name in tail.split("/")
            if "@" in name or name.startswith("!") or account_of(name, now_ns) is not None
        ]

    async def _serve(self, connection: Connection, session: Session, receive: Receive) -> None:
        self._sessions[connection] = session
        loop = asyncio.get_running_loop()
        self._start(loop)
        lifetime_s = self.hub.config.lifetime_s
        end = loop.call_later(lifetime_s, connection.end, b"", GOING_AWAY, "The connection's time is over.")
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return
                text = message.get("text")
                await session.receive(message["bytes"] if text is None else text)
        finally:
            end.cancel()

    def _leave(self, connection: Connection) -> None:
        session = self._sessions.pop(connection, None)
        if session is not None:
            session.gone()
        for name in self.hub.leave(connection):
            self._close(name)

    def _close(self, name: str) -> None:
        """Forget a stream that nobody reads any more."""
        if name.startswith(ALLOWANCES_PREFIX):
            self._allowances.close(name)
            return
        if not is_private(name):
            self._feed.close(name)
            return
        for streams in (self._user_data, self._user_data_us, self._private):
            streams.close(name)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._beating:
            self._beating = True
            self._schedule(loop, loop.time())

    def _schedule(self, loop: asyncio.AbstractEventLoop, last_s: float) -> None:
        """Plan the next beat, at even intervals as long as the loop keeps up."""
        due_s = max(last_s + self.hub.config.tick_ms / 1000, loop.time())
        loop.call_at(due_s, self._beat, loop, due_s)

    def _beat(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        """Let paced streams speak; go on while anybody is there."""
        self._beats += 1
        is_slow = self._beats % self.hub.config.slow_ticks == 0
        self._guarded(self._feed.beat, FAST_MS)
        if is_slow:
            self._guarded(self._feed.beat, SLOW_MS)
            self._indicator.beat()
            self._guarded(self._check_rights, self.hub.clock.now_ns())
        self.hub.cut_stalled()
        self._beating = bool(self._sessions)
        if self._beating:
            self._schedule(loop, due_s)

    def _check_rights(self, now_ns: int) -> None:
        for session in list(self._sessions.values()):
            session.check_rights(now_ns)

    def _hear(self, batch: Batch) -> None:
        self._guarded(self._feed.on_batch, batch)
        self._indicator.on_batch(batch)
        self._guarded(self._user_data.on_batch, batch)
        self._guarded(self._user_data_us.on_batch, batch)
        self._guarded(self._private.on_batch, batch)
        self._guarded(self._allowances.on_batch, batch)

    def _guarded(self, action: Callable[[T], None], argument: T) -> None:
        """Do something that must not stop the exchange; if it fails, no reader may believe that it has heard all."""
        try:
            action(argument)
        except Exception:
            log.exception("the streams failed")
            for connection in self.hub.connections:
                if connection.topics:
                    self.hub.condemn(connection, "The streams failed: connect again.")


def websocket_app(services: Services, config: StreamConfig | None = None) -> WebsocketApp:
    """Return the ASGI application for everything of scope type "websocket"."""
    return WebsocketApp(services, config or StreamConfig())


def server_settings(config: StreamConfig) -> dict[str, Any]:
    """Return what uvicorn must be told about websockets."""
    return {
        "ws": FrameProtocol,
        "ws_max_size": config.message_bytes_max,
        "ws_ping_interval": config.ping_interval_s,
        "ws_ping_timeout": config.ping_timeout_s,
        "ws_per_message_deflate": False,
    }


def _line(scope: Scope) -> FrameProtocol:
    line = line_of(scope)
    assert line is not None, "websockets are served with server_settings()"
    return line


def _unit_ns(query: dict[str, list[str]]) -> int | None:
    """Return the unit of time that a handshake asks for, None if there is no such unit."""
    return TIME_UNITS.get(query.get("timeUnit", ["MILLISECOND"])[0].upper())


def _is_raw(path: str) -> bool:
    return any(path == raw or path.startswith(raw + "/") for raw in RAW_PATHS)


def _combined_names(query: dict[str, list[str]]) -> list[str]:
    return [name for names in query.get("streams", []) for name in names.split("/") if name]


def _call_soon(callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_soon(callback)


async def _reject(send: Send, problem: Problem) -> None:
    """Answer a handshake as HTTP would."""
    told = refusal(problem, [])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(told.body)), *told.headers]
    await send({"type": "websocket.http.response.start", "status": told.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": told.body})
