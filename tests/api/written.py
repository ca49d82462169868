"""Orders as clients write them, and what the general readers and writers make of them."""

import json
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from api import auth, parameters
from api.binance import trading, wsrequest
from api.binance.directory import Directory
from api.call import Call
from api.errors import RequestError
from api.gateway import Gateway
from api.orders import decode
from api.shapes import Shapes
from api.wordings import Messages, Tables, Wordings
from exchange.events import rows
from tests.api.binance.floor import LOT, OTHER, START_MS, SYMBOL, Floor, listing

STEPS_SYMBOL = "TA.STEPS"  # its prices are multiples of 0.05, its quantities of 5
NOW_NS = START_MS * 1_000_000
SIGNATURE = "0123456789abcdef" * 4
LIMIT = {
    "symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "0.20", "quantity": "3",
    "newClientOrderId": "a-1", "recvWindow": 5000, "timestamp": START_MS,
}  # fmt: skip
MARKET = {
    "timestamp": START_MS,
    "symbol": SYMBOL,
    "side": "SELL",
    "type": "MARKET",
    "quantity": 7,
    "newOrderRespType": "ACK",
}
BRIEF = LIMIT | {"newOrderRespType": "RESULT", "selfTradePreventionMode": "EXPIRE_BOTH"}
del BRIEF["newClientOrderId"]

_WAYS = [LIMIT, LIMIT | {"side": "SELL"}, MARKET, BRIEF, LIMIT | {"type": "LIMIT_MAKER", "timeInForce": None}]
WAYS = [{name: value for name, value in way.items() if value is not None} for way in _WAYS]


class Desk:
    """A small market with the general way in and out, and wordings that learn from it."""

    def __init__(self, *, is_http: bool) -> None:
        self.is_http = is_http
        self.floor = Floor()
        self.floor.name(replace(listing(3, STEPS_SYMBOL, OTHER), tick_value=50_000, lot_units=5 * LOT))
        self.directory = Directory(self.floor.registry)
        exchange = SimpleNamespace(
            registry=self.floor.registry, orders=self.floor.orders, submit=None, submit_many=None
        )
        self.gateway = Gateway(exchange)
        self.shapes = Shapes("signature" if is_http else "id")
        self.wordings = Wordings(self.directory, is_http=is_http)

    def written(self, texts, number=1):
        """Return an order as a body or as a request."""
        if self.is_http:
            return urlencode(texts | {"signature": SIGNATURE}).encode()
        request = {"id": number, "method": "order.place", "params": texts}
        return json.dumps(request, separators=(",", ":")).encode()

    def parsed(self, message):
        """Return the id, the parameters as texts, and the order of a message, or refuse it."""
        if self.is_http:
            texts = parameters.parse(b"", message)
            return None, texts, decode(texts)
        request = wsrequest.decode(message)
        texts = wsrequest.texts_of(request.params)
        return request.id, texts, decode(texts)

    def learn(self, message):
        """Let shapes and wordings learn from an order that is taken."""
        _, texts, order = self.parsed(message)
        if self.is_http:
            self.shapes.learn_body(message, texts, order)
        else:
            self.shapes.learn_request(message, wsrequest.decode(message).params, order)
        self.wordings.learn(message, self.shapes.parted(message), order)

    def read(self, messages):
        """Return what is read of messages that came together."""
        return self.wordings.read(Messages(messages, NOW_NS), 0)

    def command(self, message):
        """Return the command that the general readers make of a message, and until when it is good; None if refused."""
        try:
            _, texts, order = self.parsed(message)
            until_ns = auth.check_time(texts, NOW_NS)
            return self.gateway.command(0, order, self.directory.instrument(order.symbol)), until_ns
        except RequestError:
            return None

    def answer(self, message, events, unit_ns, tail):
        """Return what the general writers answer to an order."""
        number, _, order = self.parsed(message)
        instrument = self.directory.instrument(order.symbol)
        call = Call("", b"", NOW_NS)
        call.time_unit_ns = unit_ns
        result = self.gateway.outcome(rows(events), order, instrument)
        services = SimpleNamespace(directory=self.directory, gateway=self.gateway)
        told = trading.told(services, call, order, instrument, result).encode()
        if not self.is_http:
            return wsrequest.answered(number, told, tail)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
        return head % (len(told), tail) + told


@pytest.fixture(scope="module", params=[False, True], ids=["requests", "bodies"])
def desk(request):
    return Desk(is_http=request.param)


@pytest.fixture(autouse=True)
def _knows_all_ways(desk):
    desk.wordings._tables = Tables()
    for way in WAYS:
        desk.learn(desk.written(way))
