"""A new order without a coroutine: the receiver of its command's events makes the answer itself.

It is `trading.place` in two halves with nothing between them but the exchange.
"""

from collections.abc import Callable

from api.binance import trading
from api.call import Call
from api.door import Services
from api.orders import OrderTexts
from exchange.events import Event
from exchange.registry.entries import Instrument

Tell = Callable[[bytes | Exception], None]  # JSON, or what went wrong


class Placing:
    """An order on its way."""

    __slots__ = ("_call", "_instrument", "_order", "_services", "_tell")

    def __init__(self, services: Services, call: Call, order: OrderTexts, instrument: Instrument, tell: Tell) -> None:
        self._services = services
        self._call = call
        self._order = order
        self._instrument = instrument
        self._tell = tell

    def done(self) -> bool:
        """Return that the client still waits: whether it does is the connection's business."""
        return False

    def set_result(self, events: list[Event], /) -> None:
        """Say what became of the order."""
        services, order, instrument = self._services, self._order, self._instrument
        told: bytes | Exception
        try:
            result = services.gateway.outcome(events, order, instrument)
            told = bytes(trading.answered(services, self._call, order, instrument, result))
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not told
            told = error
        self._tell(told)

    def set_exception(self, error: Exception, /) -> None:
        """Say why there is no result."""
        self._tell(error)


def place(services: Services, call: Call, tell: Tell) -> None:
    """Place the order of an authenticated call; `tell` is called once, unless this raises."""
    order, instrument = trading.ordered(services, call)
    services.gateway.begin(call.account, order, instrument, Placing(services, call, order, instrument, tell))
