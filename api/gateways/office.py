"""The exchange's end of the lines from its gateways: names go out as they change, commands and requests come in.

A command that has arrived here is the exchange's: what becomes of the gateway that sent it does not matter to it.
"""

import asyncio
from collections import Counter
from functools import partial

import numpy as np
import structlog

from api.app import Application
from api.call import Answer, Message, Scope, refusal
from api.errors import STOPPED, UNKNOWN_ERROR
from api.gateways.link import Kind, Link, Refusal, Request, decode_request, encode
from api.gateways.usage import Usage
from exchange.registry.facts import FACTS
from exchange.sequencer import Batch, Overloaded, Stopped

_FACT_KINDS = np.array(sorted(FACTS))
log = structlog.get_logger()


class Office:
    """Serves the gateways of one exchange."""

    def __init__(self, application: Application) -> None:
        """Answer with an application whose exchange is open; from now on its names are told."""
        self._application = application
        self._exchange = application.services.exchange
        self._links: dict[Link, Counter[str]] = {}  # with how many connections it has of each address
        self._answering: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None
        self._ready = asyncio.Event()
        self.ready_count = 0
        self._usage = Usage(application.services.limiter, self._exchange.clock.now_ns, self._tell_used)
        self._exchange.add_listener(self._tell_names)

    async def open(self, path: str) -> None:
        """Let gateways in."""
        self._server = await asyncio.get_running_loop().create_unix_server(self._join, path)

    async def wait_ready(self, count: int) -> None:
        """Wait until so many gateways have said that they serve."""
        while self.ready_count < count:
            self._ready.clear()
            await self._ready.wait()

    async def close(self) -> None:
        """Let nobody in any more, and hang up."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._answering, return_exceptions=True)
        for link in list(self._links):
            link.close()

    def _join(self) -> Link:
        return Link(self._greet, self._hear, self._leave)

    def _greet(self, link: Link) -> None:
        link.send(Kind.REGISTRY, 0, self._exchange.registry.snapshot())
        link.send(Kind.USED, 0, self._usage.standing())
        self._links[link] = Counter()

    def _leave(self, link: Link) -> None:
        held = self._links.pop(link, None)
        if held:
            self._tell_used(self._usage.closed(held))

    def _tell_names(self, batch: Batch) -> None:
        if not self._links:
            return
        facts = batch.events[np.isin(batch.events["kind"], _FACT_KINDS)]
        for link in self._links:
            for document in batch.documents:
                link.send(Kind.DOCUMENT, 0, document)
            if len(facts):
                link.send(Kind.FACTS, 0, facts.tobytes())

    def _tell_used(self, payload: bytes, besides: Link | None = None) -> None:
        for link in self._links:
            if link is not besides:
                link.send(Kind.USED, 0, payload)

    def _hear(self, link: Link, kind: Kind, number: int, payload: bytes) -> None:
        match kind:
            case Kind.ORDERS:
                self._submit(link, number, payload)
            case Kind.REQUEST:
                task = asyncio.create_task(self._serve(link, number, payload))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case Kind.USED:
                self._usage.hear(payload, self._links[link])
                self._tell_used(payload, link)
            case Kind.READY:
                self.ready_count += 1
                self._ready.set()

    def _submit(self, link: Link, number: int, commands: bytes) -> None:
        try:
            sent = self._exchange.submit_many(commands)
        except Overloaded:
            link.send(Kind.REFUSED, number, bytes((Refusal.OVERLOADED,)))
        except Stopped:
            link.send(Kind.REFUSED, number, bytes((Refusal.STOPPED,)))
        else:
            sent.add_done_callback(partial(_answer, link, number))

    async def _serve(self, link: Link, number: int, payload: bytes) -> None:
        try:
            answer = await asked(self._application, decode_request(payload))
        except Stopped:
            answer = refusal(STOPPED, [])
        except Exception:
            log.exception("a request of a gateway failed")
            answer = refusal(UNKNOWN_ERROR, [])
        link.send(Kind.ANSWER, number, encode(answer))


async def asked(application: Application, request: Request) -> Answer:
    """Return an application's answer to a request, as ASGI has it."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": None,
        "client": request.client,
        "scheme": "http",
        "root_path": "",
        "method": request.method,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query,
        "headers": request.headers,
        "state": {},
    }
    begin: Message = {}
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            begin.update(message)
        else:
            parts.append(message.get("body", b""))

    await application(scope, receive, send)
    return Answer(begin["status"], b"".join(parts), [tuple(header) for header in begin.get("headers", [])])


def _answer(link: Link, number: int, sent: "asyncio.Future[np.ndarray]") -> None:
    if sent.cancelled() or sent.exception() is not None:
        link.send(Kind.REFUSED, number, bytes((Refusal.UNKNOWN,)))
    else:
        link.send(Kind.EVENTS, number, sent.result().tobytes())
