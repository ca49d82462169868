"""Through here every request of the Binance dialect passes: limits, identity, parameters, endpoint, answer.

An endpoint is a row in a table; what all of them share stands here once, and never lets an exception out.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from pydantic import BaseModel

from api import auth, parameters
from api.auth import KeyRing
from api.binance.directory import Directory
from api.binance.instruments import InstrumentBodies
from api.bursts import OrderBursts
from api.call import Answer, Call, check_headers, refusal
from api.errors import OVERLOADED, STOPPED, UNKNOWN_ERROR, RequestError
from api.gateway import Gateway
from api.limits import Limiter, Limits
from api.origins import Origins
from api.stream.listenkeys import ListenKeys
from api.vault import Vault
from exchange.registry.documents import Scope
from exchange.sequencer import Overloaded, Stopped
from exchange.server import Exchange

ROWS_PER_WEIGHT = 25  # of answers about many instruments
log = structlog.get_logger()


class Services(NamedTuple):
    """What the endpoints work with."""

    exchange: Exchange
    gateway: Gateway
    directory: Directory
    instrument_bodies: InstrumentBodies
    keys: KeyRing
    limiter: Limiter
    listen_keys: ListenKeys
    bursts: OrderBursts
    origins: Origins = Origins()

    @classmethod
    def of(cls, exchange: Exchange, vault: Vault, limits: Limits, origins: Origins | None = None) -> "Services":
        """Return the services of one exchange."""
        directory = Directory(exchange.registry)
        gateway = Gateway(exchange)
        return cls(
            exchange,
            gateway,
            directory,
            InstrumentBodies(directory),
            KeyRing(exchange.registry.key, vault, limits.signatures_max),
            Limiter(limits),
            ListenKeys(),
            OrderBursts.of(gateway, directory, exchange.clock.now_ns),
            origins or Origins(),
        )


Handler = Callable[[Services, Call], Awaitable[bytes | Answer]]


class Endpoint(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    request: type[BaseModel]  # its parameters
    reply: object  # what it answers, for the published schema
    weight: int = 1
    scope: Scope | None = None  # None: for everybody
    is_signed: bool = False

    @property
    def changes(self) -> bool:
        """Tell whether it does something, so that what was signed for it is taken once; a trial does nothing."""
        return self.method != "GET" and not self.path.endswith("/test")


async def answer(endpoint: Endpoint, services: Services, call: Call) -> Answer:
    """Answer a call whose body is read; no exception gets out."""
    try:
        admit(endpoint, services, call)
        reply = await endpoint.handler(services, call)
        return Answer(200, reply, call.headers_out) if isinstance(reply, bytes) else reply
    except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
        return refused(endpoint, error, call)


def admit(endpoint: Endpoint, services: Services, call: Call) -> None:
    """Take what everybody must pass: weight, headers, key, signature, time; leave the parameters in the call."""
    used = services.limiter.take_weight(call.address, endpoint.weight, call.now_ns)
    call.headers_out.append((b"x-mbx-used-weight-1m", b"%d" % used))
    check_headers(call)
    if endpoint.scope is not None:
        _authenticate(services, endpoint, endpoint.scope, call)
    else:
        call.texts = parameters.parse(call.query, call.body)


def refused(endpoint: Endpoint, error: Exception, call: Call) -> Answer:
    """Return the answer that tells why a call failed."""
    if isinstance(error, RequestError):
        return refusal(error.problem, call.headers_out)
    if isinstance(error, (Overloaded, Stopped)):
        return refusal(OVERLOADED if isinstance(error, Overloaded) else STOPPED, call.headers_out)
    log.error("an endpoint failed", method=endpoint.method, path=endpoint.path, exc_info=error)
    return refusal(UNKNOWN_ERROR, call.headers_out)


def charge(services: Services, call: Call, rows: int) -> None:
    """Count the rows of a long answer on top of the endpoint's weight, before they are gathered."""
    services.limiter.take_weight(call.address, rows // ROWS_PER_WEIGHT, call.now_ns)


def _authenticate(services: Services, endpoint: Endpoint, scope: Scope, call: Call) -> None:
    credential = auth.authorised(services.keys, call.key, scope, call.address, call.now_ns)
    call.account = credential.account
    count_key(services.limiter, call, endpoint.weight)
    if not endpoint.is_signed:
        call.texts = parameters.parse(call.query, call.body)
        return
    payload, signature = parameters.signed(call.query, call.body)
    auth.check_signature(credential, payload, signature)
    call.texts = parameters.parse(call.query, call.body)
    until_ns = auth.check_time(call.texts, call.now_ns)
    if endpoint.changes and "newClientOrderId" not in call.texts:
        services.keys.replays.take(call.key, payload, until_ns, call.now_ns)


def count_key(limiter: Limiter, call: Call, weight: int) -> None:
    """Count a request of a key that is known, and announce what the key has used."""
    used = limiter.take_key_weight(call.key, call.address, weight, call.now_ns)
    call.headers_out.append((b"x-tb-key-weight-1m", b"%d" % used))
