"""Prices by day from a market of the readable engine: publication, carrying over, correction, any cut of the tape."""

import pytest

from exchange.core import commands
from exchange.core.types import EventKind, Side
from exchange.marketdata.indices import IndexKey, IndexRow, Quality
from exchange.marketdata.market import MarketData
from exchange.marketdata.prices import GROUPS, KEPT_DAYS, DailyPrices
from exchange.marketdata.settlements import SettlementRow, Tier
from exchange.methodology import FIRST, Methodology, MethodologySet, day_of, in_force
from tests.exchange.marketdata.builders import ALICE, BOB, CAROL, DAVE, INSTRUMENTS, MINUTE_NS, Market, new_order

HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
SYMBOLS = {1: "TA.A.Q3.OUT.GZ.M1.G0A", 2: "DL.1.PT.Y1S1"}
KEY = IndexKey("Q3", "OUT", "GZ", 1)
PAIRS = [(ALICE, BOB), (BOB, CAROL), (CAROL, ALICE), (BOB, ALICE), (ALICE, DAVE)]  # three groups each way, no more


class Week:
    """A market, its tape, and the prices folded from it as it grows."""

    def __init__(self):
        self.market = Market()
        self.tape = []
        self.data = MarketData()
        self.versions = [FIRST]
        self.prices = DailyPrices(self.data, SYMBOLS.get, self.methodology_on)
        self.market.time_ns = day_of(self.market.time_ns) * DAY_NS - 8 * HOUR_NS + 10 * HOUR_NS  # ten in the morning
        self.feed(self.market.setup_events)
        for account in range(5, 9):  # more groups: four sides of everything
            self.do(commands.create_account(account), commands.deposit(account, 1, 10**12))

    def methodology_on(self, day):
        return in_force(self.versions, day)

    def feed(self, rows):
        self.tape += rows
        for part in self.prices.parts(rows):
            self.data.apply(part)
            self.prices.apply(part)

    def do(self, *batch, pass_ns=0):
        for found in self.market.send(*batch, pass_ns=pass_ns):
            assert all(row.kind != EventKind.COMMAND_REJECTED for row in found)
            self.feed(found)

    def trade(self, seller, buyer, price, lots=1, instrument=1):
        self.do(
            new_order(seller, Side.SELL, price, lots, instrument=instrument),
            new_order(buyer, Side.BUY, price, lots, instrument=instrument),
        )
        return self.tape[-1] if self.tape[-1].kind == EventKind.TRADED else None

    def pass_days(self, days):
        self.market.time_ns += days * DAY_NS

    def bust(self, trade):
        self.do(
            commands.bust_trade(
                trade.trade_id,
                Side(trade.side),
                (trade.account, trade.counter_account),
                trade.instrument,
                trade.price_ticks,
                trade.quantity_lots,
                (trade.fee, trade.counter_fee),
            )
        )

    def rows(self, kind=IndexRow):
        return [row for row in self.prices.published_after(0) if isinstance(row, kind)]


def full_day(week, price):
    """Trade among more than enough groups."""
    made = [week.trade(seller, buyer, price, 2) for seller, buyer in PAIRS]
    return made + [week.trade(ALICE, buyer, price, 2) for buyer in (5, 6, 7, 8)]


def folded_again(week, size):
    """Return what the tape publishes, cut into parts of a size."""
    data = MarketData()
    prices = DailyPrices(data, SYMBOLS.get, week.methodology_on)
    for start in range(0, len(week.tape), size):
        for part in prices.parts(week.tape[start : start + size]):
            data.apply(part)
            prices.apply(part)
    prices.close_until(week.market.time_ns)
    return prices.published_after(0)


@pytest.fixture
def week():
    return Week()


def close(week):
    week.prices.close_until(week.market.time_ns)


def test_a_day_is_published_when_it_is_over(week):
    setup_day = day_of(week.market.time_ns)
    week.pass_days(1)
    full_day(week, 101)
    assert [row.day for row in week.rows()] == [setup_day]
    week.pass_days(1)
    close(week)
    row = week.rows()[-1]
    assert (row.day, row.name, row.version) == (setup_day + 1, "Q3.OUT.GZ", 1)
    assert (row.price, row.quality) == (10_100 * 100_000, Quality.FULL)
    assert week.prices.index(KEY) == row
    assert week.prices.indices() == [row]
    assert [name for row in week.rows(SettlementRow)[-1:] for name in (row.symbol, row.price_ticks, row.tier)] == [
        SYMBOLS[1], 101, Tier.LAST,
    ]  # fmt: skip


def test_every_event_and_any_cut_of_the_tape_publish_the_same(week):
    for price in (101, 99, 103):
        week.pass_days(1)
        trades = full_day(week, price)
        week.trade(ALICE, BOB, 100, instrument=2)
    week.pass_days(1)
    week.bust(trades[-1])
    week.pass_days(2)
    close(week)
    for size in (1, 7, len(week.tape)):
        assert folded_again(week, size) == week.prices.published_after(0)
    assert len(week.rows()) >= 7


def test_a_week_has_an_index_each_day(week):
    for price in (101, 102, None, 99, None, 103, 104):
        week.pass_days(1)
        if price is not None:
            full_day(week, price)
        assert week.prices.last_day == day_of(week.market.time_ns) - 1 or price is None
    week.pass_days(1)
    close(week)
    told = [(row.price // 10_000_000, row.quality, row.age_days) for row in week.rows()[1:]]
    assert told == [
        (101, Quality.FULL, 0),
        (102, Quality.FULL, 0),
        (102, Quality.PREVIOUS, 1),
        (99, Quality.FULL, 0),
        (99, Quality.PREVIOUS, 1),
        (103, Quality.FULL, 0),
        (104, Quality.FULL, 0),
    ]
    days = [row.day for row in week.rows()]
    assert days == list(range(days[0], days[0] + 8))


def test_a_methodology_that_begins_in_mid_week_makes_the_prices_of_its_days_alone(week):
    begin = day_of(week.market.time_ns)
    # in force from the third day on: one group may weigh all, and half of the day is the window
    rules = Methodology(index_cap_bps=10_000, settlement_window_minutes=720)
    firsts = []
    for price in (101, 102, 103):
        week.pass_days(1)
        firsts.append(full_day(week, price)[0])
        week.trade(BOB, ALICE, 119, 400)
        if price == 101:
            week.versions.append(MethodologySet(2, begin + 3, week.market.time_ns, "", rules))
    week.market.time_ns += 9 * HOUR_NS
    week.trade(ALICE, BOB, 90)
    week.pass_days(1)
    close(week)
    found = week.rows()
    assert [(row.day - begin, row.version, row.methodology) for row in found[1:4]] == [(1, 1, 1), (2, 1, 1), (3, 1, 2)]
    assert [row.capped_count for row in found[1:4]] == [2, 2, 0]
    settled = [row for row in week.rows(SettlementRow) if row.symbol == SYMBOLS[1]][1:]
    assert [(row.methodology, row.tier) for row in settled] == [(1, Tier.LAST), (1, Tier.LAST), (2, Tier.WINDOW)]
    week.bust(firsts[0])
    week.bust(firsts[2])
    corrected = [(row.day - begin, row.version, row.methodology) for row in week.rows()[len(found) :]]
    assert corrected == [(1, 2, 1), (3, 2, 2)]
    assert folded_again(week, len(week.tape)) == week.prices.published_after(0)


def test_an_idle_day_takes_the_price_over_and_a_month_later_it_lapses(week):
    week.pass_days(1)
    full_day(week, 101)
    week.pass_days(3)
    close(week)
    assert [(row.quality, row.age_days) for row in week.rows()[-2:]] == [(Quality.PREVIOUS, 1), (Quality.PREVIOUS, 2)]
    week.pass_days(10_000)
    close(week)
    assert week.rows()[-1].age_days == 31
    assert (week.prices.index(KEY), week.prices.indices()) == (None, [])


def test_an_undone_trade_is_corrected_by_a_new_version_and_so_is_what_took_it_over(week):
    week.pass_days(1)
    trades = full_day(week, 101)
    week.trade(BOB, ALICE, 119, 400)
    costly = week.tape[-1]
    week.pass_days(2)
    close(week)
    published = week.rows()
    assert [(row.version, row.quality) for row in published[-2:]] == [(1, Quality.FULL), (1, Quality.PREVIOUS)]
    week.bust(costly)
    corrected = week.rows()[len(published) :]
    assert [(row.day, row.version, row.price, row.quality) for row in corrected] == [
        (published[-2].day, 2, 10_100 * 100_000, Quality.FULL),
        (published[-1].day, 2, 10_100 * 100_000, Quality.PREVIOUS),
    ]
    assert week.rows()[: len(published)] == published
    assert [(row.version, row.price_ticks) for row in week.rows(SettlementRow)[-2:]] == [(1, 119), (2, 101)]
    week.bust(trades[0])
    assert [row.version for row in week.rows()[-1:]] == [3]


def test_an_index_that_nobody_trades_in_takes_no_memory_however_many_accounts_there_are(week):
    week.pass_days(1)
    full_day(week, 101)
    idle = {number: f"TA.A.M{number}.OUT.GZ.M1.G0A" for number in range(3, 300)}
    data = MarketData()
    prices = DailyPrices(data, (SYMBOLS | idle).get, week.methodology_on)
    listed, account = (
        next(row for row in week.tape if row.kind == kind)
        for kind in (EventKind.INSTRUMENT_LISTED, EventKind.ACCOUNT_CREATED)
    )
    others = [listed._replace(instrument=number, time_ns=week.market.time_ns) for number in idle]
    last = 2 * GROUPS  # beyond what there is room for at first
    others.append(account._replace(account=last, counter_account=last, time_ns=week.market.time_ns))
    for part in prices.parts(week.tape + others):
        data.apply(part)
        prices.apply(part)
    assert list(prices._parts) == [KEY]
    assert len(prices._parts[KEY]) > last
    week.pass_days(1)
    close(week)
    prices.close_until(week.market.time_ns)
    assert prices.published_after(0) == week.prices.published_after(0)


def test_a_trade_undone_on_its_own_day_was_never_published(week):
    week.pass_days(1)
    full_day(week, 101)
    week.trade(BOB, ALICE, 119, 400)
    week.bust(week.tape[-1])
    week.pass_days(1)
    close(week)
    assert [(row.version, row.price) for row in week.rows()[-1:]] == [(1, 10_100 * 100_000)]


def test_what_is_older_than_the_days_kept_is_not_corrected(week):
    week.pass_days(1)
    trades = full_day(week, 101)
    week.pass_days(KEPT_DAYS + 1)
    close(week)
    count = week.prices.published_count
    week.bust(trades[0])
    assert week.prices.published_count == count
    full_day(week, 105)
    week.pass_days(1)
    close(week)
    assert week.rows()[-1].price == 10_500 * 100_000


def test_trades_within_a_group_count_nowhere(week):
    week.pass_days(1)
    week.trade(CAROL, DAVE, 119)
    week.pass_days(1)
    close(week)
    row = week.rows()[-1]
    assert (row.quality, row.trade_count, row.excluded_count, row.coverage_bps) == (Quality.PREVIOUS, 0, 1, 0)
    assert week.rows(SettlementRow)[-1].tier == Tier.PREVIOUS


def test_a_licence_has_a_settlement_price_but_no_index(week):
    week.pass_days(1)
    week.trade(ALICE, BOB, 88, instrument=2)
    week.do(new_order(ALICE, Side.SELL, 90, 1, instrument=2), new_order(BOB, Side.BUY, 89, 1, instrument=2))
    week.pass_days(1)
    close(week)
    licence = [row for row in week.rows(SettlementRow) if row.symbol == SYMBOLS[2]][-1]
    assert (licence.price_ticks, licence.tier) == (89, Tier.LAST)
    assert {row.name for row in week.rows()} == {"Q3.OUT.GZ"}
    assert INSTRUMENTS == (1, 2)


def test_readers_go_on_from_where_they_were(week):
    week.pass_days(1)
    full_day(week, 101)
    week.pass_days(1)
    close(week)
    count = week.prices.published_count
    assert week.prices.published_after(count) == []
    assert week.prices.published_after(count - 1) == week.prices.published_after(0)[-1:]
