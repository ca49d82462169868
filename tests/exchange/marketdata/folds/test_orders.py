"""What is forgotten gives back all that it took."""

from exchange.core.types import EventKind, Side
from exchange.events import Event
from exchange.marketdata.orders import OrderHistory
from tests.exchange.marketdata.builders import BOB, accepted, named, traded


def test_fills_are_given_back_when_neither_order_nor_account_keeps_them() -> None:
    history = OrderHistory(closed_orders_max=2, fills_max=3, order_fills_max=2)
    for number in range(1, 200, 2):
        history.apply(
            [
                accepted(number, number, Side.SELL, 100, 3, account=BOB),
                named(number, number, "again", account=BOB),
                accepted(number + 1, number + 1, Side.BUY, 100, 3),
                *(
                    traded(number + 1, 3 * number + part, Side.BUY, 100, 1, taker=(1, number + 1), maker=(BOB, number))
                    for part in range(3)
                ),
            ]
        )
    orders, fills, _ = history._states["pools"]["taken"][0].tolist()
    assert orders == 4  # two of each account
    assert fills == 2 * (
        3 + 2 - 1 + 1
    )  # of each account 3, one of them with its order too, which keeps 2, as does one more
    assert history.by_client_id(BOB, "again").order_id == 199
    assert [fill.trade_id for fill in history.order_fills(199)] == [598, 599]


def test_a_refusal_that_names_an_account_there_is_not_is_counted_and_costs_no_memory() -> None:
    view = OrderHistory()
    before = view._account_count
    view.apply([Event(*[0] * len(Event._fields))._replace(kind=EventKind.COMMAND_REJECTED, account=2**32 - 1)])
    assert (view.event_count, view._account_count) == (1, before)
