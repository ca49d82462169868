"""Icebergs, and the rows of what only some orders have: parts shown in turn, lots taken off hidden ones first."""

import pytest

from exchange.core import commands
from exchange.core.types import EndReason, EventKind, OrderFlag, OrderType, RejectReason, TimeInForce, TradingState
from tests.exchange.core.builders import ALICE, BOB, CAROL, COARSE, PLAIN, Market, fact, reasons

ICEBERG = {"display_lots": 3}


def shown(market: Market) -> list[tuple[int, int]]:
    """Return the displayed and hidden lots of each open order, by slot."""
    state = market.engine._states[0]
    slots = state["orders"]["node"].nonzero()[0]
    conditions = state["conditions"]["hidden"][state["details"]["condition"][slots]]
    return list(zip(state["orders"]["leaves"][slots].tolist(), conditions.tolist(), strict=True))


def test_an_iceberg_is_accepted_with_its_terms_and_rests_in_part(market):
    told = market.sell(ALICE, 10, 50, **ICEBERG)
    assert (told[0].fields["flags"], told[0].fields["leaves_lots"]) == (OrderFlag.ICEBERG, 10)
    assert told[1] == fact(
        EventKind.ORDER_TERMS, account=ALICE, instrument=PLAIN, order_id=market.order_id(1), quantity_lots=3
    )
    assert shown(market) == [(3, 7)]
    assert market.engine.open_order_rows()["leaves_lots"].tolist() == [10]


def test_each_part_goes_behind_its_level_and_the_last_is_what_is_left(market):
    market.sell(ALICE, 7, 50, **ICEBERG)
    market.sell(CAROL, 2, 50)
    told = market.buy(BOB, 9, 50)
    iceberg = {"side": 1, "account": ALICE, "instrument": PLAIN, "order_id": market.order_id(1), "price_ticks": 50}
    assert [(event.kind, event.fields.get("counter_account"), event.fields["quantity_lots"]) for event in told[1:]] == [
        (EventKind.TRADED, ALICE, 3),
        (EventKind.ORDER_REPLENISHED, None, 3),
        (EventKind.TRADED, CAROL, 2),
        (EventKind.TRADED, ALICE, 3),
        (EventKind.ORDER_REPLENISHED, None, 1),
        (EventKind.TRADED, ALICE, 1),
    ]
    assert told[2] == fact(EventKind.ORDER_REPLENISHED, quantity_lots=3, leaves_lots=1, **iceberg)
    assert told[5] == fact(EventKind.ORDER_REPLENISHED, quantity_lots=1, **iceberg)
    assert shown(market) == []


def test_an_iceberg_arrives_with_all_it_has_and_hides_what_then_rests(market):
    market.buy(BOB, 4, 50)
    told = market.sell(ALICE, 10, 50, **ICEBERG)
    assert [event.kind for event in told] == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_TERMS, EventKind.TRADED]
    assert (told[-1].fields["quantity_lots"], told[-1].fields["leaves_lots"]) == (4, 6)
    assert shown(market) == [(3, 3)]


def test_an_iceberg_of_which_less_than_its_part_is_left_shows_it_all(market):
    market.buy(BOB, 8, 50)
    market.sell(ALICE, 10, 50, **ICEBERG)
    assert shown(market) == [(2, 0)]


@pytest.mark.parametrize(("lots", "left"), [(5, (3, 2)), (7, (3, 0)), (8, (2, 0)), (9, (1, 0))])
def test_lots_are_taken_off_hidden_ones_first(market, lots, left):
    market.sell(ALICE, 10, 50, **ICEBERG)
    (told,) = market.do(commands.reduce_order(ALICE, market.order_id(1), lots))
    assert told.fields["leaves_lots"] == 10 - lots
    assert shown(market) == [left]


def test_a_replace_in_place_takes_hidden_lots_first_and_one_that_moves_shows_anew(market):
    market.sell(ALICE, 10, 50, **ICEBERG)
    market.buy(BOB, 1, 50)
    market.do(commands.replace_order(ALICE, market.order_id(1), 0, 9))
    assert shown(market) == [(2, 6)]
    (told,) = market.do(commands.replace_order(ALICE, market.order_id(1), 51))
    assert (told.fields["leaves_lots"], told.fields["fee"]) == (8, 8)
    assert shown(market) == [(3, 5)]


def test_a_cancelled_iceberg_reports_what_it_hid_and_releases_it(market):
    market.sell(ALICE, 10, 50, **ICEBERG)
    (told,) = market.do(commands.cancel_order(ALICE, market.order_id(1)))
    assert told.fields["flags"] == OrderFlag.RESTING | OrderFlag.ICEBERG
    assert (told.fields["leaves_lots"], told.fields["amount"]) == (10, 10)


def test_rows_are_taken_from_those_given_back_last(market):
    state = market.engine._states[0]
    for _ in range(3):
        market.sell(ALICE, 10, 50, **ICEBERG)
    for number in (1, 3):
        market.do(commands.cancel_order(ALICE, market.order_id(number)))
    assert (int(state["condition_count"]), int(state["free_condition_count"])) == (4, 2)
    for _ in range(3):
        market.sell(ALICE, 10, 50, **ICEBERG)
    used = state["details"]["condition"][[number & 0x3FFFFF for number in market.order_ids[3:]]]
    assert used.tolist() == [3, 1, 4]
    assert (int(state["condition_count"]), int(state["free_condition_count"])) == (5, 0)
    market.do(commands.mass_cancel(ALICE))
    assert int(state["free_condition_count"]) == 4


@pytest.mark.parametrize(
    "terms",
    [
        {"display_lots": 1},
        {"time_in_force": TimeInForce.GTD, "until_ns": 5},
        {"order_type": OrderType.STOP_LIMIT, "stop_ticks": 60},
    ],
)
def test_every_order_with_more_than_a_price_gives_its_row_back_when_it_ends(market, terms):
    market.buy(BOB, 2, 70, **terms)
    state = market.engine._states[0]
    assert (int(state["condition_count"]), int(state["free_condition_count"])) == (2, 0)
    market.do(commands.cancel_order(BOB, market.order_id(1)))
    assert (int(state["condition_count"]), int(state["free_condition_count"])) == (2, 1)


def test_an_order_without_an_end_of_its_own_needs_no_row(market):
    assert reasons(market.buy(BOB, 2, 70, time_in_force=TimeInForce.GTD)) == [RejectReason.INVALID_EXPIRY]
    market.buy(BOB, 2, 70, time_in_force=TimeInForce.DAY)
    assert int(market.engine._states[0]["condition_count"]) == 1


def test_an_unpriced_order_has_no_price_in_any_event_but_keeps_its_hold(market):
    market.do(commands.set_price_band(PLAIN, 1, 100), commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    (accepted,) = market.buy(
        BOB, 4, 7, order_type=OrderType.MARKET, time_in_force=TimeInForce.AT_AUCTION, self_trade_prevention=0
    )
    order_id = market.order_id(1)
    common = {"account": BOB, "instrument": PLAIN, "order_id": order_id}
    assert accepted.fields["flags"] == OrderFlag.UNPRICED
    assert "price_ticks" not in accepted.fields
    assert market.do(commands.reduce_order(BOB, order_id, 1)) == [
        fact(
            EventKind.ORDER_REPLACED, flags=OrderFlag.KEPT_PRIORITY, quantity_lots=3, leaves_lots=3, amount=300, fee=4,
            **common,
        )
    ]  # fmt: skip
    assert market.engine.open_order_rows()["price_ticks"].tolist() == [0]
    assert market.do(commands.cancel_order(BOB, order_id)) == [
        fact(
            EventKind.ORDER_CANCELED, reason=EndReason.REQUESTED, flags=OrderFlag.RESTING | OrderFlag.UNPRICED,
            order_type=OrderType.MARKET, quantity_lots=3, leaves_lots=3, amount=300, **common,
        )
    ]  # fmt: skip


def test_two_books_share_the_rows(market):
    for book in (PLAIN, COARSE):
        market.buy(BOB, 5, 10, instrument=book, display_lots=2)
    assert market.engine._states[0]["details"]["condition"][4:10].max() <= 2
    assert int(market.engine._states[0]["condition_count"]) == 3
