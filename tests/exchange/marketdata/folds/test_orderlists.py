"""Orders are found by id and by name, however many there are."""

from itertools import chain

from exchange.core.types import Side
from exchange.marketdata.orders import TABLE_BITS, OrderHistory
from tests.exchange.marketdata.builders import ALICE, BOB, accepted, named

COUNT = 3 << TABLE_BITS


def test_every_order_is_found_when_the_tables_have_grown() -> None:
    rows = ((accepted(n, n, Side.BUY, 100, n), named(n, n, f"name-{n}")) for n in range(1, COUNT))
    history = OrderHistory()
    history.apply(chain(*rows))
    assert len(history._ids) >= COUNT
    for number in range(1, COUNT, 97):
        order = history.order(number)
        assert (order.quantity_lots, order.client_order_id) == (number, f"name-{number}")
        assert history.by_client_id(ALICE, f"name-{number}") == order
    assert history.order(COUNT) is None
    assert history.by_client_id(BOB, "name-1") is None
    assert history.by_client_id(ALICE, f"name-{COUNT}") is None
