"""Which events are notices, how long an indication holds, and where a reader goes on."""

from exchange.core.types import EventKind, TradingState
from exchange.marketdata.notices import Auction, Notices
from tests.exchange.marketdata.builders import accepted, event, traded


def state(sequence, of, instrument=1, price_ticks=0):
    kind = EventKind.TRADING_STATE_SET
    return event(kind, sequence, instrument=instrument, state=of, price_ticks=price_ticks, time_ns=sequence)


def indicated(sequence, price_ticks=100, lots=5, surplus=-2, instrument=1):
    return event(
        EventKind.AUCTION_INDICATED, sequence, instrument=instrument, price_ticks=price_ticks, quantity_lots=lots,
        leaves_lots=surplus, time_ns=sequence,
    )  # fmt: skip


def uncrossed(sequence, of=TradingState.CONTINUOUS, instrument=1):
    return event(EventKind.AUCTION_UNCROSSED, sequence, instrument=instrument, state=of, price_ticks=7, quantity_lots=3)


def notices_of(*batches, **options):
    notices = Notices(**options)
    for batch in batches:
        notices.apply(batch)
    return notices


def test_a_notice_has_the_number_of_its_event():
    first = [accepted(1, 1, 0, 100, 5), state(2, TradingState.HALTED)]
    notices = notices_of(first, [traded(3, 1, 0, 100, 1), uncrossed(4)])
    assert [(notice.number, notice.sequence) for notice in notices.read(0, 9)] == [(2, 2), (4, 4)]
    assert notices.last_number == 4
    assert notices.read(0, 9)[1][3:] == (EventKind.AUCTION_UNCROSSED, 1, TradingState.CONTINUOUS, 7, 3, 0)


def test_a_reader_goes_on_behind_a_number_in_pages_and_for_one_instrument():
    notices = notices_of([state(n, TradingState.HALTED, instrument=1 + n % 2) for n in range(1, 8)])
    assert [notice.number for notice in notices.read(3, 2)] == [4, 5]
    assert [notice.number for notice in notices.read(3, 9, instrument=1)] == [4, 6]
    assert notices.read(7, 9) == []


def test_the_oldest_notices_go_first():
    notices = notices_of([state(n, TradingState.HALTED) for n in range(1, 8)], notices_max=3)
    assert [notice.number for notice in notices.read(0, 9)] == [5, 6, 7]
    assert Notices().last_number == 0


def test_an_indication_holds_until_the_next_one_or_the_next_phase():
    call = [state(1, TradingState.CALL_OPEN), indicated(2)]
    notices = notices_of(call)
    assert notices.auction(1) == Auction(2, 2, 100, 5, -2)
    assert notices.auction(2) is None
    notices.apply([indicated(3, 0, 0, 0)])
    assert notices.auction(1) == Auction(3, 3, 0, 0, 0)
    for over in (state(4, TradingState.CALL_NO_CANCEL), uncrossed(4)):
        notices = notices_of(call, [over])
        assert notices.auction(1) is None


def test_what_collects_orders_is_known():
    phases = (TradingState.CALL_OPEN, TradingState.PRE_OPEN, TradingState.HALTED)
    notices = notices_of([state(index, of, index) for index, of in enumerate(phases, 1)])
    assert notices.collecting == {1, 2}
    notices.apply([uncrossed(4), state(5, TradingState.CALL_CLOSE, 2)])
    assert notices.collecting == {2}
    notices.apply([uncrossed(6, TradingState.UNCROSSING, 2)])
    assert notices.collecting == set()
