"""What API keys have left, followed over a websocket, without any input or output."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from urllib.parse import urlencode

import msgspec

from api.client.faults import refused_for_now
from api.client.feed import Event, Joined, Parted
from api.client.signing import Key
from api.client.wire import RECV_WINDOW_MS, websocket_url
from api.messages.allowances import Allowances, AllowancesChanged
from api.messages.talk import Conflated, Fault, ServerShutdown

PATH = "/v1/allowances"


class _Envelope(msgspec.Struct):
    type: str = ""
    error: Fault | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_MESSAGE = msgspec.json.Decoder(Allowances | AllowancesChanged)
_NOTICE = msgspec.json.Decoder(Conflated | ServerShutdown)


class AllowanceFeed:
    """What each key has left of each asset: begun anew with every connection, and kept while it lasts."""

    def __init__(self, url: str, key: Key, timestamp: Callable[[], int], keys: Sequence[str] = ()) -> None:
        """Listen with a key, to all that it may hear of, or to some keys alone."""
        self.outgoing: list[str] = []
        self.remaining: dict[tuple[str, str], Decimal] = {}  # by key and asset
        self.sequence = 0  # the command up to which that is known
        self.is_stale = True
        self._url = websocket_url(url, PATH)
        self._key = key
        self._keys = keys
        self._timestamp = timestamp

    def address(self) -> str:
        """Return where to connect: signed."""
        parameters: dict[str, object] = {"key": self._key.key, "recvWindow": RECV_WINDOW_MS}
        if self._keys:
            parameters["keys"] = ",".join(self._keys)
        query = urlencode(parameters | {"timestamp": self._timestamp()})
        return f"{self._url}?{query}&{urlencode({'signature': self._key.signer.sign(query.encode())})}"

    def opened(self) -> list[Event]:
        """Say so."""
        return [Joined()]

    def heard(self, text: str | bytes) -> list[Event]:
        """Return what was said; what is left is up to date with it. Raises AssertionError at a gap, which cannot be."""
        envelope = _ENVELOPE.decode(text)
        if envelope.error is not None:
            return []  # why the connection is about to end, which is told when it does
        if not envelope.type:
            return [_NOTICE.decode(text)]
        message = _MESSAGE.decode(text)
        if isinstance(message, Allowances):
            self.remaining.clear()
            self.is_stale = False
        else:
            assert message.after == self.sequence, "a message of this stream is missing"
        self.remaining |= {(row.key, row.asset): row.available for row in message.rows}
        self.sequence = message.sequence
        return [message]

    def lost(self, reason: str) -> list[Event]:
        """Trust nothing until the next connection has said how things stand."""
        self.is_stale = True
        return [Parted(reason)]

    def refused(self, status: int, body: bytes) -> list[Event]:
        """Return what a refused handshake means; raise what waiting will not mend."""
        return self.lost(refused_for_now(status, body))
