"""One connection to an account's private stream: wss://.../v1/private?from=<sequence>.

The handshake is signed like any GET request: key in the header or as `key`, then timestamp, recvWindow and signature.
The first message says where the account's sequence stands; then come the events behind `from`, if it was given, and
whatever happens from then on, each once and in order. Nothing is asked on this connection.
"""

import asyncio
from typing import NamedTuple

import orjson

from api import auth, parameters
from api.call import Call
from api.departures import Departures
from api.door import Services
from api.errors import RequestError, invalid
from api.private import PrivateStreams
from api.stream.frames import POLICY_VIOLATION, text_frame
from api.stream.hub import Connection
from exchange.registry.documents import Scope

PATH = "/v1/private"
WEIGHT = 5
NAMES = parameters.AUTHENTICATION | {"key", "from", "cancel_on_disconnect"}
NO_REQUESTS = "Nothing is asked on this connection: send requests by HTTP or to /ws-api/v3."
KEY_ENDED = "The key of this connection is no longer good."


class Admission(NamedTuple):
    """Who may read what, and whether its orders go with the connection."""

    key: str
    account: int
    after: int | None  # the last event that the client has; None: it wants what comes from now on
    cancels: bool


def admit(services: Services, streams: PrivateStreams, call: Call) -> Admission:
    """Return what a handshake asks for, or refuse it."""
    services.limiter.take_weight(call.address, WEIGHT, call.now_ns)
    call.texts = texts = parameters.parse(call.query, b"")
    parameters.refuse_unknown(texts, NAMES)
    wants_cancel = texts.get("cancel_on_disconnect", "false")
    if wants_cancel not in {"true", "false"}:
        raise RequestError(invalid("cancel_on_disconnect"))
    scope = Scope.TRADE if wants_cancel == "true" else Scope.READ
    credential = auth.authorised(services.keys, texts.get("key") or call.key, scope, call.address, call.now_ns)
    payload, signature = parameters.signed(call.query, b"")
    auth.check_signature(credential, payload, signature)
    auth.check_time(texts, call.now_ns)
    after = parameters.long("from", texts["from"]) if "from" in texts else None
    problem = None if after is None else streams.problem(credential.account, after)
    if problem is not None:
        raise RequestError(problem)
    cancels = wants_cancel == "true" or auth.takes_orders_along(credential)
    return Admission(credential.key, credential.account, after, cancels)


class PrivateSession:
    """One reader of an account's stream."""

    def __init__(
        self,
        services: Services,
        streams: PrivateStreams,
        departures: Departures,
        connection: Connection,
        admission: Admission,
    ) -> None:
        self._services = services
        self._streams = streams
        self._departures = departures
        self._connection = connection
        self._admission = admission
        self._following: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Say where the sequence stands, and begin with what the client has missed."""
        account, after = self._admission.account, self._admission.after
        view = self._services.exchange.account_events
        welcome = {
            "type": "WELCOME",
            "account": account,
            "latest": view.latest(account),
            "earliest": view.earliest(account),
            "cancel_on_disconnect": self._admission.cancels,
        }
        self._connection.send(orjson.dumps(welcome))
        if after is None:
            self._streams.subscribe(self._connection, account)
        else:
            self._following = asyncio.create_task(self._streams.follow(self._connection, account, after))

    async def receive(self, _: str | bytes) -> None:
        """Refuse to talk."""
        self._connection.cut(NO_REQUESTS)

    def check_rights(self, now_ns: int) -> None:
        """End the stream when its key is no longer good."""
        end_without_key(self._services, self._connection, self._admission.key, now_ns)

    def gone(self) -> None:
        """Learn that the client has gone."""
        if self._following is not None:
            self._following.cancel()
        if self._admission.cancels:
            self._departures.cancel(self._admission.account)


def end_without_key(services: Services, connection: Connection, key: str, now_ns: int) -> None:
    """End a connection when its key is no longer good."""
    credential = services.keys.credential(key)
    if credential is None or (credential.expires_ns and now_ns >= credential.expires_ns):
        word = orjson.dumps({"error": {"code": -2015, "msg": KEY_ENDED}, "id": None})
        connection.end(text_frame(word), POLICY_VIOLATION, KEY_ENDED)
