"""A new order without a coroutine: the receiver of its command's events writes the answer itself.

It is the same as `api.door.answer` with `trading.place`, in two halves with nothing between them but the exchange.
"""

from collections.abc import Callable

from api.binance import trading
from api.binance.rest import ENDPOINTS
from api.call import Answer, Call
from api.door import Services, admit, refused
from api.orders import OrderTexts
from exchange.events import Event
from exchange.registry.entries import Instrument

PLACE = ENDPOINTS["POST", "/api/v3/order"]

Finish = Callable[[Answer], None]


class Placing:
    """An order on its way."""

    __slots__ = ("_call", "_finish", "_instrument", "_order", "_services")

    def __init__(
        self, services: Services, call: Call, order: OrderTexts, instrument: Instrument, finish: Finish
    ) -> None:
        self._services = services
        self._call = call
        self._order = order
        self._instrument = instrument
        self._finish = finish

    def done(self) -> bool:
        """Return that the client still waits: whether it does is the connection's business."""
        return False

    def set_result(self, events: list[Event], /) -> None:
        """Say what became of the order."""
        services, call, order, instrument = self._services, self._call, self._order, self._instrument
        try:
            result = services.gateway.outcome(events, order, instrument)
            told = bytes(trading.answered(services, call, order, instrument, result))
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
            self._finish(refused(PLACE, error, call))
            return
        self._finish(Answer(200, told, call.headers_out))

    def set_exception(self, error: Exception, /) -> None:
        """Say why there is no result."""
        self._finish(refused(PLACE, error, self._call))


def place(services: Services, call: Call, finish: Finish) -> None:
    """Place the order of a call whose body is read; `finish` is called once, at once with a refusal."""
    try:
        admit(PLACE, services, call)
        order, instrument = trading.ordered(services, call)
        services.gateway.begin(call.account, order, instrument, Placing(services, call, order, instrument, finish))
    except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
        finish(refused(PLACE, error, call))
