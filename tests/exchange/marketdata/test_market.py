"""How each kind of event moves the public market."""

import pytest

from exchange.core.types import EndReason, EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.marketdata.depth import BookTicker, Depth, DepthUpdate
from exchange.marketdata.intervals import Interval
from exchange.marketdata.market import MarketData
from exchange.marketdata.statistics import empty_statistics
from exchange.marketdata.trades import Trade
from tests.exchange.marketdata.builders import MINUTE_NS, accepted, ended, event, match_prevented, replaced, traded

BUY, SELL = Side.BUY, Side.SELL


def after(*batches):
    view = MarketData()
    for batch in batches:
        view.apply(batch)
    return view


def test_an_accepted_order_rests_when_its_command_is_over():
    assert after([accepted(1, 1, BUY, 100, 5)]).depth(1, 9) == Depth(1, [(100, 5)], [])
    assert after([accepted(1, 1, BUY, 100, 5), accepted(2, 2, BUY, 100, 3)]).depth(1, 9) == Depth(2, [(100, 8)], [])
    assert after([accepted(1, 1, BUY, 100, 5)], [accepted(2, 2, SELL, 101, 3)]).depth(1, 9) == Depth(
        2, [(100, 5)], [(101, 3)]
    )


def test_other_events_of_its_command_do_not_make_it_rest_twice():
    named = event(EventKind.ORDER_NAMED, 1, instrument=1, order_id=1)
    assert after([accepted(1, 1, BUY, 100, 5), named], [event(EventKind.DEPOSITED, 2)]).depth(1, 9).bids == [(100, 5)]


def test_a_trade_takes_from_the_maker_and_the_rest_of_the_taker_rests():
    view = after(
        [accepted(1, 1, SELL, 100, 5)], [accepted(2, 2, BUY, 101, 7), traded(2, 1, BUY, 100, 5, leaves_lots=2)]
    )
    assert view.depth(1, 9) == Depth(3, [(101, 2)], [])
    assert view.depth_changes(1) == DepthUpdate(2, 3, 1, [(101, 2)], [(100, 0)])


def test_a_filled_taker_leaves_no_trace():
    view = after([accepted(1, 1, SELL, 100, 5)], [accepted(2, 2, BUY, 101, 3), traded(2, 1, BUY, 100, 3)])
    assert view.depth(1, 9) == Depth(2, [], [(100, 2)])


def test_an_incoming_order_that_expires_leaves_no_trace():
    gone = ended(2, 2, BUY, 101, 4, kind=EventKind.ORDER_EXPIRED, reason=EndReason.IMMEDIATE_REMAINDER, flags=0)
    view = after([accepted(1, 1, SELL, 100, 5)], [accepted(2, 2, BUY, 101, 4), gone])
    assert view.depth(1, 9) == Depth(1, [], [(100, 5)])
    assert view.apply([]) == set()


def test_a_resting_order_that_ends_leaves_its_level():
    view = after([accepted(1, 1, SELL, 100, 5), accepted(2, 2, SELL, 100, 4)], [ended(3, 1, SELL, 100, 5)])
    assert view.depth(1, 9) == Depth(3, [], [(100, 4)])


def test_a_replacement_that_keeps_priority_shrinks_its_level():
    view = after([accepted(1, 1, SELL, 100, 5)])
    view.apply(
        [replaced(2, 1, SELL, 100, 3, 3, previous_ticks=100, previous_lots=5, flags=OrderFlag.KEPT_PRIORITY)],
    )
    assert view.depth(1, 9) == Depth(2, [], [(100, 3)])


def test_a_replacement_that_changes_nothing_is_no_update():
    view = after([accepted(1, 1, SELL, 100, 5)])
    same = replaced(2, 1, SELL, 100, 5, 5, previous_ticks=100, previous_lots=5, flags=OrderFlag.KEPT_PRIORITY)
    assert view.apply([same]) == set()
    assert view.depth(1, 9) == Depth(1, [], [(100, 5)])


def test_a_replacement_that_loses_priority_comes_in_anew():
    view = after([accepted(1, 1, BUY, 99, 5), accepted(2, 2, SELL, 102, 4)])
    view.apply(
        [
            replaced(3, 2, SELL, 99, 7, 7, previous_ticks=102, previous_lots=4),
            traded(3, 1, SELL, 99, 5, leaves_lots=2),
        ]
    )
    assert view.depth(1, 9) == Depth(5, [], [(99, 2)])


@pytest.mark.parametrize("prevention", [SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH])
def test_a_prevented_match_alone_moves_nothing(prevention):
    view = after([accepted(1, 1, SELL, 100, 5)], [accepted(2, 2, BUY, 100, 3)])
    before = view.depth(1, 9)
    view.apply([match_prevented(3, BUY, 100, 3, leaves_lots=3, self_trade_prevention=prevention)])
    assert view.depth(1, 9) == before


def test_decrement_takes_from_both():
    view = after([accepted(1, 1, SELL, 100, 5), accepted(2, 2, SELL, 101, 5)])
    decrement = SelfTradePrevention.DECREMENT
    view.apply(
        [
            accepted(3, 3, BUY, 100, 9),
            match_prevented(3, BUY, 100, 5, leaves_lots=4, self_trade_prevention=decrement),
            ended(3, 1, SELL, 100, 0, kind=EventKind.ORDER_EXPIRED, reason=EndReason.SELF_TRADE),
        ]
    )
    assert view.depth(1, 9) == Depth(4, [(100, 4)], [(101, 5)])


def test_touched_are_the_instruments_that_changed():
    view = MarketData()
    assert view.apply([accepted(1, 1, BUY, 100, 5, instrument=7), event(EventKind.FEES_SET, 2, instrument=9)]) == {7}
    assert view.apply([event(EventKind.DEPOSITED, 3)]) == set()


def test_changes_are_those_of_the_last_call():
    view = after([accepted(1, 1, BUY, 100, 5)], [accepted(2, 2, BUY, 99, 5, instrument=2)])
    assert view.depth_changes(1) == DepthUpdate(2, 1, 1, [], [])
    assert view.depth_changes(2) == DepthUpdate(1, 1, 0, [(99, 5)], [])


def test_events_cut_within_a_command_come_to_the_same():
    batch = [accepted(2, 2, BUY, 101, 7), traded(2, 1, BUY, 100, 3, leaves_lots=4), traded(2, 2, BUY, 101, 4)]
    view = after([accepted(0, 1, SELL, 100, 3)], [accepted(1, 9, SELL, 101, 5)], *([row] for row in batch))
    assert view.depth(1, 9) == Depth(4, [], [(101, 1)])


def test_trades_say_who_was_the_maker():
    view = after([accepted(1, 1, SELL, 100, 5)], [accepted(2, 2, BUY, 101, 3), traded(2, 1, BUY, 100, 3, time_ns=77)])
    view.apply([accepted(3, 3, BUY, 99, 1), accepted(4, 4, SELL, 99, 1), traded(4, 2, SELL, 99, 1, time_ns=78)])
    expected = [Trade(1, 77, 100, 3, 300, False), Trade(2, 78, 99, 1, 99, True)]
    assert view.trades(1, 9) == expected
    assert view.trades(1, 1) == expected[1:]
    assert view.trades(1, 9, from_id=2) == expected[1:]


def test_candles_and_statistics_follow_the_trades():
    view = after([accepted(1, 1, SELL, 100, 5)])
    view.apply([accepted(2, 2, BUY, 101, 3), traded(2, 1, BUY, 100, 3, time_ns=5 * MINUTE_NS)])
    (candle,) = view.candles(1, Interval.MINUTE_5)
    assert (candle.open_ms, candle.volume_lots, candle.taker_buy_lots) == (300_000, 3, 3)
    found = view.statistics(1, 400_000)
    assert (found.last_ticks, found.volume_lots, found.trade_count) == (100, 3, 1)


def test_of_an_instrument_without_events_there_is_nothing():
    view = MarketData()
    assert view.depth(5, 9) == Depth(0, [], [])
    assert view.depth_changes(5) == DepthUpdate(1, 0, 0, [], [])
    assert view.book_ticker(5) == BookTicker(0, 0, 0, 0, 0)
    assert view.trades(5, 9) == []
    assert view.candles(5, Interval.DAY_1) == []
    assert view.statistics(5, 0) == empty_statistics(0)


def test_the_ticker_is_the_top_of_the_book():
    view = after([accepted(1, 1, SELL, 100, 5)], [accepted(2, 2, BUY, 98, 3)])
    assert view.book_ticker(1) == BookTicker(2, 98, 3, 100, 5)


def test_a_day_of_minutes_must_fit():
    with pytest.raises(AssertionError):
        MarketData(candles_max=1_439)
