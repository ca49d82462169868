"""How each kind of event moves an account's orders and fills, and what is forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.commands import client_text
from exchange.core.types import EndReason, EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.marketdata.orders import FillView, OrderHistory, OrderStatus
from tests.exchange.marketdata.builders import (
    ALICE,
    BOB,
    accepted,
    ended,
    event,
    match_prevented,
    named,
    replaced,
    traded,
)

BUY, SELL = Side.BUY, Side.SELL
MS = 1_000_000


def after(*rows, **limits):
    history = OrderHistory(**limits)
    history.apply(rows)
    return history


def trade_of_two(**fees):
    return [
        accepted(1, 1, SELL, 100, 5, account=BOB),
        accepted(2, 2, BUY, 101, 7),
        traded(2, 1, BUY, 100, 5, leaves_lots=2, time_ns=9, **fees),
    ]


def test_a_new_order_is_open():
    history = after(accepted(1, 8, BUY, 100, 5, time_ns=3))
    order = history.order(8)
    assert (order.status, order.quantity_lots, order.leaves_lots, order.time_ns) == (OrderStatus.NEW, 5, 5, 3)
    assert order.is_open
    assert history.open_orders(ALICE) == [order]
    assert history.order(9) is None


def test_a_name_finds_the_order():
    history = after(accepted(1, 8, BUY, 100, 5), named(1, 8, "my-order"))
    assert history.order(8).client_order_id == "my-order"
    assert history.by_client_id(ALICE, "my-order") == history.order(8)
    assert history.by_client_id(ALICE, "other") is None
    assert history.by_client_id(BOB, "my-order") is None


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=36))
def test_a_name_is_what_the_builders_packed(text):
    row = named(1, 8, text)
    words = (row.price_ticks, row.quantity_lots, row.leaves_lots, row.amount, row.fee)
    assert after(accepted(1, 8, BUY, 100, 5), row).order(8).client_order_id == client_text(words) == text


def test_words_that_are_no_text_harm_nobody():
    row = named(1, 8, "x")._replace(price_ticks=-1)
    assert after(accepted(1, 8, BUY, 100, 5), row).order(8).client_order_id == "\ufffd" * 8


def test_a_name_used_again_means_the_later_order():
    history = after(
        accepted(1, 8, BUY, 100, 5), named(1, 8, "x"), ended(2, 8, BUY, 100, 5), accepted(3, 9, BUY, 100, 5),
        named(3, 9, "x"), accepted(4, 10, BUY, 100, 5), ended(5, 10, BUY, 100, 5), closed_orders_max=1,
    )  # fmt: skip
    assert history.order(8) is None
    assert history.by_client_id(ALICE, "x") == history.order(9)


def test_a_trade_fills_both_sides():
    history = after(*trade_of_two(fee=3, counter_fee=-1))
    maker, taker = history.order(1), history.order(2)
    assert (maker.status, maker.filled_lots, maker.quote_filled, maker.fee) == (OrderStatus.FILLED, 5, 500, -1)
    assert (taker.status, taker.filled_lots, taker.leaves_lots, taker.fee) == (OrderStatus.PARTIALLY_FILLED, 5, 2, 3)
    assert history.order_fills(1) == history.fills(BOB) == [FillView(1, 1, BOB, 1, 100, 5, 500, -1, True, False, 9, 3)]
    assert (
        history.order_fills(2) == history.fills(ALICE) == [FillView(1, 2, ALICE, 1, 100, 5, 500, 3, False, True, 9, 3)]
    )
    assert (history.open_orders(BOB), history.open_orders(ALICE)) == ([], [taker])
    assert not maker.is_open
    assert taker.update_ns == 9


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        (EventKind.ORDER_CANCELED, EndReason.REQUESTED, OrderStatus.CANCELED),
        (EventKind.ORDER_CANCELED, EndReason.MASS_CANCEL, OrderStatus.CANCELED),
        (EventKind.ORDER_EXPIRED, EndReason.FILL_OR_KILL, OrderStatus.EXPIRED),
        (EventKind.ORDER_EXPIRED, EndReason.SELF_TRADE, OrderStatus.EXPIRED),
    ],
)
def test_an_ended_order_says_why(kind, reason, status):
    history = after(
        accepted(1, 8, BUY, 100, 5), ended(2, 8, BUY, 100, 5, quantity_lots=5, kind=kind, reason=reason, time_ns=4)
    )
    order = history.order(8)
    assert (order.status, order.end_reason, order.update_ns, order.leaves_lots) == (status, reason, 4, 5)
    assert history.open_orders(ALICE) == []


def test_a_replacement_changes_price_and_total():
    history = after(*trade_of_two(), replaced(3, 2, BUY, 102, 9, 4, previous_ticks=101, previous_lots=2, time_ns=11))
    order = history.order(2)
    assert (order.price_ticks, order.quantity_lots, order.leaves_lots, order.update_ns) == (102, 9, 4, 11)
    assert order.status is OrderStatus.PARTIALLY_FILLED


def test_decrement_lowers_both_totals_and_the_other_preventions_none():
    rows = [accepted(1, 1, SELL, 100, 5), accepted(2, 2, BUY, 100, 3)]
    prevented = {"sequence": 2, "taker_side": BUY, "price_ticks": 100, "quantity_lots": 3, "leaves_lots": 0}
    history = after(*rows, match_prevented(**prevented, self_trade_prevention=SelfTradePrevention.DECREMENT, time_ns=6))
    assert [(history.order(i).quantity_lots, history.order(i).update_ns) for i in (1, 2)] == [(2, 6), (0, 6)]
    history = after(*rows, match_prevented(**prevented, self_trade_prevention=SelfTradePrevention.EXPIRE_BOTH))
    assert [history.order(i).quantity_lots for i in (1, 2)] == [5, 3]


def test_only_the_closed_orders_beyond_the_limit_are_forgotten_the_first_closed_first():
    rows = [accepted(i, i, BUY, 100, 5) for i in (1, 2, 3, 4)]
    rows += [named(4, 4, "x"), *(ended(10 + i, i, BUY, 100, 5) for i in (4, 2, 1))]
    history = after(*rows, closed_orders_max=2)
    assert [order.order_id for order in history.all_orders(ALICE)] == [1, 2, 3]
    assert history.order(4) is None
    assert history.by_client_id(ALICE, "x") is None


def test_sums_stay_exact_when_fills_are_forgotten():
    rows = [accepted(1, 1, SELL, 100, 9, account=BOB), accepted(2, 2, BUY, 100, 9)]
    rows += [traded(2, trade_id, BUY, 100, 3, leaves_lots=9 - 3 * trade_id, fee=1) for trade_id in (1, 2, 3)]
    history = after(*rows, fills_max=2, order_fills_max=1)
    assert [fill.trade_id for fill in history.order_fills(2)] == [3]
    assert [fill.trade_id for fill in history.fills(ALICE)] == [2, 3]
    assert (history.order(2).filled_lots, history.order(2).fee, history.order(2).quote_filled) == (9, 3, 900)


def test_open_orders_are_told_apart_by_instrument():
    history = after(accepted(1, 8, BUY, 100, 5), accepted(2, 9, BUY, 100, 5, instrument=2))
    assert [order.order_id for order in history.open_orders(ALICE, 2)] == [9]
    assert [order.order_id for order in history.open_orders(ALICE)] == [8, 9]
    assert history.open_orders(BOB) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [30, 20, 50, 10]),
        ({"instrument": 2}, [20]),
        ({"limit": 2}, [50, 10]),
        ({"from_id": 20}, [20, 50, 10]),
        ({"from_id": 20, "limit": 1}, [20]),
        ({"from_id": 99, "limit": 2}, [30, 20]),
        ({"start_ms": 2}, [20, 50, 10]),
        ({"start_ms": 2, "limit": 1}, [20]),
        ({"end_ms": 2}, [30, 20]),
        ({"start_ms": 2, "end_ms": 3}, [20, 50]),
        ({"start_ms": 2, "end_ms": (1 << 63) - 1}, [20, 50, 10]),
        ({"start_ms": (1 << 63) - 1}, []),
        ({"limit": 0}, []),
    ],
)
def test_all_orders_come_in_the_order_of_their_acceptance(wanted, expected):
    rows = [
        accepted(when, order_id, BUY, 100, 5, instrument=2 if order_id == 20 else 1, time_ns=when * MS + 999_999)
        for when, order_id in enumerate((30, 20, 50, 10), 1)
    ]
    history = after(*rows, ended(9, 50, BUY, 100, 5))
    assert [order.order_id for order in history.all_orders(ALICE, **wanted)] == expected
    assert history.all_orders(BOB) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"limit": 2}, [2, 3]),
        ({"from_id": 2}, [2, 3]),
        ({"from_id": 1, "limit": 2}, [1, 2]),
        ({"order_id": 3}, [3]),
        ({"instrument": 2}, [3]),
        ({"start_ms": 2, "limit": 1}, [2]),
        ({"end_ms": 2}, [1, 2]),
    ],
)
def test_fills_come_by_trade_id(wanted, expected):
    rows = [accepted(1, 1, SELL, 100, 9, account=BOB), accepted(2, 2, BUY, 100, 9), accepted(3, 3, BUY, 100, 9)]
    rows += [
        traded(4, trade_id, BUY, 100, 1, taker=(ALICE, order_id), instrument=instrument, time_ns=trade_id * MS)
        for trade_id, order_id, instrument in ((1, 2, 1), (2, 2, 1), (3, 3, 2))
    ]
    history = after(*rows)
    assert [fill.trade_id for fill in history.fills(ALICE, **wanted)] == expected
    assert history.fills(77) == []


def test_every_event_counts():
    history = after(event(EventKind.DEPOSITED, 1), *trade_of_two())
    assert history.event_count == 4
    assert history.fills(ALICE)[0].event_number == 4


def test_the_flags_of_the_order_are_kept():
    row = accepted(1, 8, BUY, 100, 5)._replace(flags=int(OrderFlag.POST_ONLY))
    assert after(row).order(8).flags == OrderFlag.POST_ONLY
