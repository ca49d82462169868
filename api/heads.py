"""What heads of requests say, remembered: a client sends the same one again and again.

Parsing a head costs more than signing an order. What it says depends on nothing but its bytes, so a head that the
parser has read once, as the whole of what came with nothing left over, need not be read again.
"""

from api.binance.placing import Sender
from api.call import Call
from api.door import Endpoint, Services

HEADS_MAX = 4096
SENDERS_MAX = 256  # of one head
HEAD_BYTES_MAX = 1024  # a longer one is parsed each time
END = b"\r\n\r\n"


class Head:
    """A request but for its body: one of the table's, without a query, that asks for nothing special."""

    __slots__ = ("_senders", "body_bytes", "call", "endpoint", "keep_alive")

    def __init__(self, endpoint: Endpoint, call: Call, body_bytes: int, *, keep_alive: bool) -> None:
        """Take the call as the head alone makes it."""
        self.endpoint = endpoint
        self.call = call
        self.keep_alive = keep_alive
        self.body_bytes = body_bytes
        self._senders: dict[str, Sender] = {}

    def sender(self, services: Services, address: str) -> Sender:
        """Return who sends orders with this head from an address."""
        found = self._senders.get(address)
        if found is None:
            if len(self._senders) == SENDERS_MAX:
                self._senders.clear()
            found = self._senders[address] = Sender(services, self.call, address)
        return found


class Heads:
    """Heads by their bytes, the blank line included; all are forgotten when there are too many."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._known: dict[bytes, Head] = {}
        self.find = self._known.get  # bytes -> Head or None; once per request, so without a call in between

    def remember(self, data: bytes, endpoint: Endpoint, call: Call, *, keep_alive: bool) -> None:
        """Remember the head of a request that `data` holds whole, and nothing else, as read into `call`.

        Into which a body that is too large is not read.
        """
        end = data.find(END) + len(END)
        body_bytes = len(data) - end
        if call.query or end > HEAD_BYTES_MAX or body_bytes != len(call.body):
            return
        if len(self._known) >= HEADS_MAX:
            self._known.clear()
        self._known[data[:end]] = Head(endpoint, call.again("", 0), body_bytes, keep_alive=keep_alive)
