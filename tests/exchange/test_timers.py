"""What falls due, and when: the fold of events alone, and together with the readable engine."""

import pytest

from exchange.core import commands
from exchange.core.types import (
    WORK_MAX,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TradingState,
)
from exchange.marketdata.orders import OrderHistory
from exchange.timers import Timers
from tests.exchange.marketdata.builders import ALICE, BOB, SECOND_NS, Market, event, new_order


class Timed:
    """A small market with its timers, and what they ask for."""

    def __init__(self):
        self.market = Market()
        self.history = OrderHistory()
        self.timers = Timers(lambda order_id: self.history.order(order_id).is_open)
        self.rows = []
        self._hear(self.market.setup_events)

    def send(self, command, pass_ns=0):
        (found,) = self.market.send(command, pass_ns=pass_ns)
        self._hear(found)
        return found

    def due(self, after_ns=0, limit=100):
        return self.timers.due(self.market.time_ns + after_ns, limit)

    def good_till(self, after_ns, side=Side.BUY, price=90):
        until = self.market.time_ns + after_ns
        row = self.send(new_order(BOB, side, price, 2, time_in_force=TimeInForce.GTD, until_ns=until))[0]
        assert row.kind == EventKind.ORDER_ACCEPTED
        return row.order_id

    def rebuilt(self):
        timers = Timers(lambda order_id: self.history.order(order_id).is_open)
        timers.apply(self.rows)
        return timers.due(self.market.time_ns, 100)

    def _hear(self, rows):
        self.rows += rows
        self.history.apply(rows)
        self.timers.apply(rows)


@pytest.fixture
def timed():
    return Timed()


def test_an_order_expires_at_its_time_and_not_before(timed):
    order_id = timed.good_till(5 * SECOND_NS)
    assert timed.due(5 * SECOND_NS - 1) == []
    assert timed.due(5 * SECOND_NS) == [commands.expire_order(order_id)]
    (row,) = timed.send(commands.expire_order(order_id), pass_ns=5 * SECOND_NS)
    assert (row.kind, row.reason) == (EventKind.ORDER_EXPIRED, EndReason.TIME_OVER)
    assert timed.due() == timed.rebuilt() == []


def test_what_is_due_stays_due_until_it_is_done_and_after_a_restart(timed):
    late, early = timed.good_till(3), timed.good_till(2)
    timed.market.time_ns += 3
    expected = [commands.expire_order(early), commands.expire_order(late)]
    assert timed.due() == timed.due() == timed.rebuilt() == expected
    assert timed.due(limit=1) == expected[:1]


def test_an_order_that_ended_otherwise_is_left_alone(timed):
    canceled = timed.good_till(2)
    timed.good_till(2, Side.SELL, 110)
    timed.send(commands.cancel_order(BOB, canceled))
    timed.send(new_order(ALICE, Side.BUY, 110, 2))
    timed.market.time_ns += 2
    assert timed.due() == timed.rebuilt() == []


def test_a_dead_man_fires_unless_it_is_put_off(timed):
    start = timed.market.time_ns
    timed.send(new_order(BOB, Side.BUY, 90, 1))
    timed.send(commands.set_deadman(BOB, start + 10))
    timed.send(commands.set_deadman(BOB, start + 30), pass_ns=5)
    assert timed.due(24) == []
    assert timed.due(25) == [commands.fire_deadman(BOB)]
    timed.send(commands.fire_deadman(BOB), pass_ns=25)
    assert timed.market.open_orders() == []
    assert timed.due() == timed.rebuilt() == []


def test_a_dead_man_can_be_turned_off(timed):
    timed.send(commands.set_deadman(BOB, timed.market.time_ns + 10))
    timed.send(commands.set_deadman(BOB, 0))
    assert timed.due(20) == []


def test_a_dead_man_without_orders_is_settled_by_its_refusal(timed):
    timed.send(commands.set_deadman(BOB, timed.market.time_ns + 10))
    timed.send(commands.fire_deadman(BOB), pass_ns=10)
    assert timed.due() == [commands.fire_deadman(BOB)]
    (row,) = timed.send(commands.fire_deadman(BOB))
    assert row.reason == RejectReason.TIMER_NOT_DUE
    assert timed.due() == timed.rebuilt() == []


def test_a_dead_man_with_more_orders_than_one_command_may_end_goes_on(timed):
    ended = event(EventKind.ORDER_CANCELED, 90, account=BOB, order_id=7, reason=EndReason.DEADMAN)
    many = event(EventKind.MASS_CANCELED, 90, account=BOB, quantity_lots=WORK_MAX, leaves_lots=3)
    timed.timers.apply([ended, many])
    assert timed.due() == [commands.mass_cancel(BOB)]
    timed.timers.apply([many._replace(sequence=91, quantity_lots=3, leaves_lots=0)])
    assert timed.due() == []
    timed.timers.apply([ended._replace(sequence=92), many._replace(sequence=92, quantity_lots=1)])
    assert timed.due() == []  # the others may not be cancelled now


def test_stops_that_wait_are_woken_until_none_waits(timed):
    waiting = event(EventKind.STOPS_WAITING, 90, instrument=1)
    woken = event(EventKind.STOPS_WOKEN, 91, instrument=1)
    timed.timers.apply([waiting])
    assert timed.due() == [commands.wake_stops(1)]
    timed.timers.apply([waiting._replace(sequence=91), woken])
    assert timed.due() == [commands.wake_stops(1)]
    timed.timers.apply([woken._replace(sequence=92)])
    assert timed.due() == []


def test_stops_that_cannot_be_woken_wait_for_continuous_trading(timed):
    timed.send(new_order(BOB, Side.SELL, 0, 1, order_type=OrderType.STOP, stop_ticks=90))
    timed.send(commands.set_trading_state(1, TradingState.HALTED))
    timed.timers.apply([event(EventKind.STOPS_WAITING, 90, instrument=1)])
    timed.timers.apply([event(EventKind.COMMAND_REJECTED, 91, state=CommandKind.WAKE_STOPS, instrument=1)])
    assert timed.due() == []
    timed.send(commands.set_trading_state(1, TradingState.CONTINUOUS))
    assert timed.due() == timed.rebuilt() == [commands.wake_stops(1)]
    timed.send(commands.wake_stops(1))
    assert timed.due() == timed.rebuilt() == []


def test_nothing_is_woken_where_nothing_sleeps(timed):
    (row, *_) = timed.send(new_order(BOB, Side.SELL, 0, 1, order_type=OrderType.STOP, stop_ticks=90))
    assert row.flags & OrderFlag.SLEEPING
    timed.send(commands.cancel_order(BOB, row.order_id))
    timed.send(commands.set_trading_state(1, TradingState.HALTED))
    timed.send(commands.set_trading_state(1, TradingState.CONTINUOUS))
    assert timed.due() == []
