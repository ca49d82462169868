"""What is said on any websocket beside its matter: requests, answers, notices."""

from typing import Any

import msgspec


class Conflated(msgspec.Struct, frozen=True, tag_field="e", tag="conflated", rename={"event_time": "E"}):
    """The reader was slow: of each stream named, so many messages became part of the one that came."""

    event_time: int
    streams: dict[str, int]


class ServerShutdown(msgspec.Struct, frozen=True, tag_field="e", tag="serverShutdown", rename={"event_time": "E"}):
    """The server stops: connect again."""

    event_time: int


class Fault(msgspec.Struct, frozen=True, rename={"message": "msg"}):
    """What was wrong: the code is stable, the message says what to do; `data` says more where there is more."""

    code: int
    message: str
    data: dict[str, Any] | None = None


class StreamRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client asks of its streams: the id is echoed."""

    method: str
    params: list[Any] | None = None
    id: int | str | None = None


class StreamResult(msgspec.Struct, frozen=True):
    """The answer to a request that was carried out."""

    result: bool | list[str] | None
    id: int | str | None


class StreamFault(msgspec.Struct, frozen=True):
    """The answer to a request that was not carried out, or word of why the connection ends."""

    error: Fault
    id: int | str | None


class RateLimitUsed(msgspec.Struct, frozen=True, rename="camel"):
    """A limit and how much of it is used."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int


class ApiRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request of the websocket API: the id is echoed."""

    id: int | str | None
    method: str
    params: dict[str, Any] = {}


class ApiAnswer(msgspec.Struct, frozen=True, rename={"rate_limits": "rateLimits"}):
    """An answer of the websocket API: `result` where the status is 200, otherwise `error`."""

    id: int | str | None
    status: int
    result: Any = None
    error: Fault | None = None
    rate_limits: list[RateLimitUsed] = []
