"""Sums of trades are exact however large and many, and are those of the trades one by one."""

from random import Random

from exchange.core.types import DAY_NS, EventKind, Side
from exchange.marketdata.indices import IndexKey, Tally
from exchange.marketdata.market import MarketData
from exchange.marketdata.prices import DailyPrices
from exchange.methodology import FIRST
from tests.exchange.marketdata.builders import event

LAST_LOTS, LOT_UNITS = 1 << 40, 1 << 20
START_NS = 20_000 * DAY_NS
SYMBOLS = {1: "TA.A.Q3.OUT.GZ.M1.G0A", 2: "TA.B.Q3.OUT.GZ.M1.G0A"}
KEY = IndexKey("Q3", "OUT", "GZ", 9)


def trades(count):
    random = Random(5)
    for number in range(1, count + 1):
        yield event(
            EventKind.TRADED, number, time_ns=START_NS + number, trade_id=number, instrument=random.choice((1, 2, 3)),
            side=random.choice((Side.BUY, Side.SELL)), account=random.choice((1, 2, 5, 70_000)),
            counter_account=random.choice((1, 3, 4, 5)), price_ticks=number, quantity_lots=random.randint(1, LAST_LOTS),
            amount=random.randint(1, 1 << 61),
        )  # fmt: skip


def test_sums_are_those_of_the_trades_one_by_one() -> None:
    prices, tally = DailyPrices(MarketData(), SYMBOLS.get), Tally()
    listed = {"asset": 8, "counter_account": 9, "amount": LOT_UNITS}
    made = [event(EventKind.INSTRUMENT_LISTED, 0, instrument=instrument, **listed) for instrument in (1, 2)]
    made.append(event(EventKind.ACCOUNT_CREATED, 0, account=5, counter_account=1))
    told = list(trades(300))
    prices.apply([*made, *told[:100]])
    prices.apply(told[100:])
    prices.close_until(START_NS + DAY_NS)
    groups = {5: 1}
    for trade in told:
        if trade.instrument in SYMBOLS:
            pair = [groups.get(account, account) for account in (trade.account, trade.counter_account)]
            buyer, seller = pair if trade.side == Side.BUY else pair[::-1]
            tally.add(buyer, seller, trade.quantity_lots * LOT_UNITS, trade.amount)
    published = prices.published_after(0)[0]
    assert published == tally.row(KEY, published.day, 1, None, FIRST)
    assert published.trade_count > 100
    last = [trade.price_ticks for trade in told if trade.instrument == 1 and trade.account != trade.counter_account]
    settled = next(row for row in prices.published_after(0) if getattr(row, "symbol", "") == SYMBOLS[1])
    assert settled.price_ticks in last[-3:]


def test_a_group_of_a_number_that_no_account_has_costs_no_memory() -> None:
    prices = DailyPrices(MarketData(), SYMBOLS.get)
    size = len(prices._groups)
    prices.apply([event(EventKind.ACCOUNT_CREATED, 0, account=5, counter_account=2**32 - 1)])
    assert (len(prices._groups), prices._group(5)) == (size, 5)
    prices.apply([event(EventKind.ACCOUNT_CREATED, 0, account=size + 1, counter_account=4)])
    assert prices._group(size + 1) == 4
