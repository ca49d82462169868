"""Events of an account's sequence, and how its orders stood after each."""

from api.executions import Entry, entries_of, executions
from exchange.core import commands
from tests.api.binance.floor import ALICE, BOB, CNY, Floor, buy, sell


def test_the_second_mention_of_an_event_is_its_second_party_s() -> None:
    floor = Floor()
    event = floor.act(commands.deposit(ALICE, CNY, 1)).rows[0]._replace(counter_account=BOB)
    assert entries_of(ALICE, [(4, 9), (5, 9), (6, 10)], lambda _: event) == [
        Entry(4, 9, event, is_counter=False),
        Entry(5, 9, event, is_counter=True),
        Entry(6, 10, event, is_counter=False),
    ]
    assert entries_of(BOB, [(1, 9)], lambda _: event) == [Entry(1, 9, event, is_counter=True)]


def test_a_long_walk_back_tells_how_an_order_stood_each_time() -> None:
    floor = Floor()
    order_id = floor.act(buy(100, 9)).rows[0].order_id
    for lots in (1, 2, 3):
        floor.act(sell(100, lots))
        floor.act(commands.deposit(ALICE, CNY, 1))
    floor.act(commands.replace_order(ALICE, order_id, 99, 8))
    numbered = floor.account_events.after(ALICE, 1)
    rows = floor.events.read(0, 10_000)
    entries = entries_of(ALICE, numbered, lambda number: floor.event(rows, number))
    told = executions(entries, floor.orders.order)

    stood = [one and (one.filled_lots, one.quantity_lots, one.price_ticks) for one in told]
    assert stood == [(0, 9, 100), (1, 9, 100), None, (3, 9, 100), None, (6, 9, 100), None, (6, 8, 99)]
