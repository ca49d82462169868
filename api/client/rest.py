"""The clients over HTTP: one that waits, one to be awaited. Both keep connections open and are used from one thread."""

import asyncio
import random
import time
from types import TracebackType
from typing import Self, TypeVar

import httpx

from api.client.conduct import Answered, Attempt, Conduct, Lost, Outcome, Patience, Wait
from api.client.driving import driven, driven_later
from api.client.faults import BadAddressError
from api.client.methods import Awaited, Waiting
from api.client.operations import Operation
from api.client.signing import Key
from api.client.wire import http_answer, http_request, http_url

T = TypeVar("T")
URL = "http://127.0.0.1:8080"
TIMEOUT_S = 10.0
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Client(Waiting):
    """The exchange over HTTP; each method waits for its answer, and raises what `faults` names."""

    def __init__(
        self,
        url: str = URL,
        key: Key | None = None,
        *,
        patience: Patience | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Speak to a server, with a key if anything private is to be asked."""
        self._http = httpx.Client(base_url=_address(url), timeout=timeout_s, transport=transport)
        self._key = key
        self.conduct = new_conduct(patience)

    def run(self, operation: Operation[T]) -> T:
        """Return the answer to an operation."""
        return driven(self.conduct.steps(operation), self._do)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _do(self, step: Attempt | Wait) -> Outcome:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        request = http_request(step.operation, self._key, self.conduct.timestamp())
        try:
            response = self._http.request(
                request.verb, request.target, headers=request.headers, content=request.body or None
            )
        except httpx.TransportError as error:
            return lost(error)
        return answered(response)


class AsyncClient(Awaited):
    """The exchange over HTTP; each method is awaited, and raises what `faults` names."""

    def __init__(
        self,
        url: str = URL,
        key: Key | None = None,
        *,
        patience: Patience | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Speak to a server, with a key if anything private is to be asked."""
        self._http = httpx.AsyncClient(base_url=_address(url), timeout=timeout_s, transport=transport)
        self._key = key
        self.conduct = new_conduct(patience)

    async def run(self, operation: Operation[T]) -> T:
        """Return the answer to an operation."""
        return await driven_later(self.conduct.steps(operation), self._do)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _do(self, step: Attempt | Wait) -> Outcome:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        request = http_request(step.operation, self._key, self.conduct.timestamp())
        try:
            response = await self._http.request(
                request.verb, request.target, headers=request.headers, content=request.body or None
            )
        except httpx.TransportError as error:
            return lost(error)
        return answered(response)


def new_conduct(patience: Patience | None) -> Conduct:
    """Return the conduct of a client on this machine's clock."""
    return Conduct(patience or Patience(), lambda: time.time_ns() // 1_000_000, random.random)


def answered(response: httpx.Response) -> Answered:
    """Return an answer as an outcome."""
    return http_answer(response.status_code, response.content, response.headers.get("retry-after"))


def lost(error: Exception) -> Lost:
    """Return a failed connection as an outcome."""
    return Lost(f"{type(error).__name__}: {error}", was_sent=not isinstance(error, _NEVER_SENT))


def _address(url: str) -> httpx.URL:
    try:
        return httpx.URL(http_url(url))
    except httpx.InvalidURL as error:
        raise BadAddressError(f"no address of an exchange: {url}: {error}") from None
