"""One connection to the stream of allowances: wss://.../v1/allowances?keys=<key>,<key>.

The handshake is signed like that of the private stream. Whoever holds API keys hears what stands behind them; an
issuer's metering key hears what any key has of its series. The first message says how things stand, the next ones what
changed: each names the sequence of the one before, so that a gap would show. Nothing is asked on this connection.
"""

from typing import NamedTuple

from api import auth, parameters
from api.allowances import AllowanceStreams, Eyes
from api.call import Call
from api.door import Services
from api.errors import RequestError, invalid
from api.stream.hub import Connection
from api.v1.private import NO_REQUESTS, end_without_key
from api.v1.problems import FOREIGN_KEY
from exchange.registry.documents import Scope

PATH = "/v1/allowances"
WEIGHT = 50
KEYS_MAX = 1_000  # named by one reader
NAMES = parameters.AUTHENTICATION | {"key", "keys"}
_OWN = (Scope.READ, Scope.TRADE)


class AllowanceAdmission(NamedTuple):
    """Who may read what."""

    key: str
    eyes: Eyes


def admit_reader(services: Services, call: Call) -> AllowanceAdmission:
    """Return what a handshake asks for, or refuse it."""
    services.limiter.take_weight(call.address, WEIGHT, call.now_ns)
    call.texts = texts = parameters.parse(call.query, b"")
    parameters.refuse_unknown(texts, NAMES)
    name = texts.get("key") or call.key
    known = services.keys.credential(name) if name else None
    held = frozenset[Scope]() if known is None else known.scopes
    scope = next((scope for scope in (*_OWN, Scope.METER) if scope in held), Scope.READ)
    credential = auth.authorised(services.keys, name, scope, call.address, call.now_ns)
    payload, signature = parameters.signed(call.query, b"")
    auth.check_signature(credential, payload, signature)
    auth.check_time(texts, call.now_ns)
    account = services.exchange.registry.account_at(credential.account)
    assert account is not None
    owner = account.participant if held & set(_OWN) else ""
    issuer = credential.account if Scope.METER in held else 0
    return AllowanceAdmission(
        credential.key, Eyes(owner, issuer, _keys(services, texts.get("keys", ""), owner, issuer))
    )


def _keys(services: Services, text: str, owner: str, issuer: int) -> frozenset[str]:
    """Return the keys that a reader names; those of others are refused to who issues nothing."""
    keys = frozenset(text.split(",")) if text else frozenset[str]()
    if len(keys) > KEYS_MAX or "" in keys:
        raise RequestError(invalid("keys"))
    registry = services.exchange.registry
    for key in () if issuer else keys:
        known = registry.any_key(key)  # what is behind a revoked one is its holder's still
        account = None if known is None else registry.account_at(known.account)
        if account is None or account.participant != owner:
            raise RequestError(FOREIGN_KEY)
    return keys


class AllowanceSession:
    """One reader of allowances."""

    def __init__(
        self, services: Services, streams: AllowanceStreams, connection: Connection, admission: AllowanceAdmission
    ) -> None:
        self._services = services
        self._connection = connection
        self._key = admission.key
        streams.open(connection, admission.eyes)

    async def receive(self, _: str | bytes) -> None:
        """Refuse to talk."""
        self._connection.cut(NO_REQUESTS)

    def check_rights(self, now_ns: int) -> None:
        """End the stream when its key is no longer good."""
        end_without_key(self._services, self._connection, self._key, now_ns)

    def gone(self) -> None:
        """Learn that the client has gone."""
