"""The clients over the websocket API: one connection, one signature when it opens, then requests without one.

A connection that is lost is opened again by the next request. What was under way meanwhile is judged as over HTTP: a
request that may safely be sent twice is sent again, of any other the caller hears that its outcome is unknown.
"""

import asyncio
import itertools
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.protocol import State
from websockets.sync.client import ClientConnection as BlockingConnection

from api.client.blocking import open_websocket
from api.client.conduct import Answered, Attempt, Closed, Conduct, Lost, Outcome, Patience, Wait
from api.client.driving import driven, driven_later
from api.client.methods import Awaited, Waiting
from api.client.operations import Access, Operation
from api.client.rest import TIMEOUT_S, URL, new_conduct
from api.client.signing import Key
from api.client.wire import Cut, NoKeyError, Reply, logon, message, reply_of, websocket_url

T = TypeVar("T")
LOGON = 0  # the id of the request that logs on
SIZE_MAX = 64 * 1024 * 1024  # of one answer: all instruments are the longest
OPTIONS: dict[str, Any] = {"compression": None, "max_size": SIZE_MAX, "close_timeout": 1}


class OnlyHttpError(ValueError):
    """The websocket API does not serve this operation: use the client over HTTP."""


class SocketClient(Waiting):
    """The exchange over its websocket API, one request at a time; each method waits for its answer."""

    def __init__(
        self, url: str = URL, key: Key | None = None, *, patience: Patience | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Speak to a server given by its HTTP address; nothing is opened before the first request."""
        self._url = websocket_url(url)
        self._key = key
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._line = ExitStack()  # hangs up
        self._socket: BlockingConnection | None = None
        self._is_logged_on = False
        self.conduct = new_conduct(patience)

    def run(self, operation: Operation[T]) -> T:
        """Return the answer to an operation."""
        _check(operation, self._key)
        return driven(self.conduct.steps(operation), self._do)

    def close(self) -> None:
        """Hang up."""
        self._socket = None
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _do(self, step: Attempt | Wait) -> Outcome:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        was_sent = False
        try:
            socket = self._ready()
            refused = self._log_on(socket, step.operation)
            if refused is not None:
                return refused
            number = next(self._ids)
            was_sent = True
            return self._ask(socket, message(step.operation, number, self.conduct.timestamp()), number)
        except (OSError, WebSocketException) as error:  # a time-out is an OSError
            self.close()
            return Lost(f"{type(error).__name__}: {error}", was_sent)

    def _ready(self) -> BlockingConnection:
        """Return a connection that is open, as far as is known here."""
        if self._socket is not None and self._socket.protocol.state is not State.OPEN:
            self.close()  # the exchange has ended it while nothing was asked
        return self._socket or self._open()

    def _open(self) -> BlockingConnection:
        self._is_logged_on = False
        self._socket = self._line.enter_context(open_websocket(self._url, open_timeout=self._timeout_s, **OPTIONS))
        return self._socket

    def _log_on(self, socket: BlockingConnection, operation: Operation[Any]) -> Answered | None:
        """Log on before the first request that needs it; return a refusal."""
        if self._is_logged_on or operation.access is Access.PUBLIC:
            return None
        assert self._key is not None
        told = self._ask(socket, logon(self._key, LOGON, self.conduct.timestamp()), LOGON)
        self._is_logged_on = told.status < 400
        return None if self._is_logged_on else told

    def _ask(self, socket: BlockingConnection, text: str, number: int) -> Answered:
        """Send a request and return its answer; what else comes is of earlier requests, or a notice."""
        socket.send(text)
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            told = reply_of(socket.recv(deadline_s - time.monotonic()))
            if isinstance(told, Cut):
                raise ConnectionAbortedError(told.reason)
            if isinstance(told, Reply) and told.id == number:
                return told.answered


class AsyncSocketClient(Awaited):
    """The exchange over its websocket API, any number of requests under way; each method is awaited."""

    def __init__(
        self, url: str = URL, key: Key | None = None, *, patience: Patience | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Speak to a server given by its HTTP address; nothing is opened before the first request."""
        self._url = websocket_url(url)
        self._key = key
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._is_logged_on = False
        self._is_closed = False
        self._waiting: dict[int, asyncio.Future[Answered | Lost]] = {}
        self.conduct: Conduct = new_conduct(patience)

    async def run(self, operation: Operation[T]) -> T:
        """Return the answer to an operation."""
        _check(operation, self._key)
        return await driven_later(self.conduct.steps(operation), self._do)

    async def close(self) -> None:
        """Hang up for good: what is under way or asked later is not attempted again."""
        self._is_closed = True
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _do(self, step: Attempt | Wait) -> Outcome:
        if isinstance(step, Wait):
            await asyncio.sleep(0 if self._is_closed else step.seconds)
            return None
        was_sent = False
        try:
            async with self._opening:
                if self._is_closed:
                    return Closed()
                socket = await self._ready()
                refused = await self._log_on(socket, step.operation)
            if refused is not None:
                return refused
            number = next(self._ids)
            was_sent = True
            return await self._ask(socket, message(step.operation, number, self.conduct.timestamp()), number)
        except (OSError, WebSocketException) as error:
            return Lost(f"{type(error).__name__}: {error}", was_sent)

    async def _ready(self) -> ClientConnection:
        """Return a connection that is open, as far as is known here."""
        if self._socket is not None and self._socket.state is not State.OPEN:
            assert self._reader is not None
            await asyncio.wait([self._reader])  # those who wait on it hear first that it has ended
        return self._socket or await self._open()

    async def _open(self) -> ClientConnection:
        self._is_logged_on = False
        socket = await connect(self._url, open_timeout=self._timeout_s, **OPTIONS)
        if self._is_closed:
            await socket.close()
            raise ConnectionAbortedError("the client was closed")
        self._socket, self._reader = socket, asyncio.create_task(self._read(socket))
        return socket

    async def _log_on(self, socket: ClientConnection, operation: Operation[Any]) -> Answered | Lost | None:
        """Log on before the first request that needs it; return what kept it from being done."""
        if self._is_logged_on or operation.access is Access.PUBLIC:
            return None
        assert self._key is not None
        told = await self._ask(socket, logon(self._key, LOGON, self.conduct.timestamp()), LOGON)
        if isinstance(told, Lost):
            return told._replace(was_sent=False)
        self._is_logged_on = told.status < 400
        return None if self._is_logged_on else told

    async def _ask(self, socket: ClientConnection, text: str, number: int) -> Answered | Lost:
        future: asyncio.Future[Answered | Lost] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await socket.send(text)
            async with asyncio.timeout(self._timeout_s):
                return await future
        finally:
            self._waiting.pop(number, None)

    async def _read(self, socket: ClientConnection) -> None:
        """Hand answers to those who wait for them, until the connection ends; then tell all others that none comes."""
        reason = "the connection was closed"
        async with socket:
            try:
                async for text in socket:
                    told = reply_of(text)
                    if isinstance(told, Cut):
                        reason = told.reason
                        break
                    if isinstance(told, Reply):
                        self._hand_out(told)
            except WebSocketException as error:
                reason = str(error)
            finally:
                self._end(reason)

    def _hand_out(self, reply: Reply) -> None:
        future = self._waiting.get(reply.id) if isinstance(reply.id, int) else None
        if future is not None and not future.done():
            future.set_result(reply.answered)

    def _end(self, reason: str) -> None:
        """Forget the connection; there is never another before this."""
        self._socket = None
        for future in self._waiting.values():
            if not future.done():
                future.set_result(Lost(reason, was_sent=True))


def _check(operation: Operation[Any], key: Key | None) -> None:
    if not operation.method:
        raise OnlyHttpError(f"{operation.verb} {operation.path} is served over HTTP alone")
    if operation.access is not Access.PUBLIC and key is None:
        raise NoKeyError(f"{operation.method} needs a key")
