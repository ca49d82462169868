"""Surveillance with its compiled fold says what the plain one says, whatever happens and however the events are cut."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core.types import CommandKind, EndReason, EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.surveillance.alerts import AlertKind
from exchange.surveillance.interest import Bounds
from exchange.surveillance.watch import Watch
from tests.exchange.marketdata.builders import accepted, ended, event, match_prevented, replaced, traded
from tests.exchange.surveillance.plain import PlainWatch

START_NS = 1_700_000_000 * 10**9
HOUR_NS = 3_600 * 10**9
STEPS = 5_000
STEPS_NS = (10**6,) * 8_000 + (10**8,) * 40 + (2 * 10**9,) * 8 + (HOUR_NS, 24 * HOUR_NS)
FLAGS = (0, int(OrderFlag.RESTING)) * 4 + (int(OrderFlag.SLEEPING), int(OrderFlag.QUOTE))
OWN_DOING = (EndReason.SELF_TRADE, EndReason.TIME_OVER, EndReason.DISCONNECTED, EndReason.DEADMAN)
REASONS = (EndReason.REQUESTED,) * 30 + (EndReason.MASS_CANCEL,) * 6 + (EndReason.REQUOTED, *OWN_DOING)
PREVENTIONS = (SelfTradePrevention.DECREMENT,) * 3 + (SelfTradePrevention.EXPIRE_MAKER,)
PRICES = ((97, 98, 99, 100, 100, 100, 101), (9_990, 9_995, 10_000, 10_005, 10_010))  # some near the last, or all
LOTS = ((1, 2, 3, 10, 30), (1, 3, 100, 1 << 50))
BOUNDS = (Bounds(), Bounds(), Bounds(interests=3), Bounds(levels=2), Bounds(recent=3), Bounds(2, 1, 1))
ALERTS_MAX = (10_000, 10_000, 2, 1)

# where the bounds are reached: recent orders, alerts, books, prices
AT_THE_BOUNDS = (
    (9, 1, 0.001, Bounds(recent=3), 10_000),
    (9, 1, 0.001, Bounds(), 1),
    (5, 3, 0.2, Bounds(interests=3), 2),
    (4, 3, 0.2, Bounds(levels=2), 10_000),
)


class Tape:
    """What happens by chance to orders of a few, who trade little and withdraw much."""

    def __init__(self, seed, accounts):
        self.random, self.accounts = Random(seed), range(1, accounts + 1)
        self.orders = []
        self.prices, self.lots = self.random.choice(PRICES), self.random.choice(LOTS)
        self.sequence, self.time_ns = 0, START_NS
        groups = {account: self.random.choice((account, account, 1)) for account in self.accounts}
        self.told = [
            self.event(EventKind.ACCOUNT_CREATED, account=account, counter_account=group)
            for account, group in groups.items()
        ]
        units = self.random.choice((10, 10**6))
        self.told += [
            self.event(EventKind.ASSET_CREATED, asset=1, account=1),
            self.event(EventKind.ISSUED, asset=1, account=1, amount=units),
            self.event(EventKind.INSTRUMENT_LISTED, instrument=1, asset=1, amount=1),
            traded(self.sequence, 1, Side.BUY, self.prices[2], 1, time_ns=START_NS),
            traded(self.sequence, 2, Side.BUY, self.prices[2], 1, instrument=2, time_ns=START_NS),
        ]

    def event(self, kind, **fields):
        self.sequence += 1
        return event(kind, self.sequence, time_ns=self.time_ns, **fields)

    def accept(self):
        choice = self.random.choice
        self.sequence += 1
        terms = {"account": choice(self.accounts), "instrument": choice((1, 1, 1, 2)), "time_ns": self.time_ns}
        made = accepted(
            self.sequence, self.sequence, choice((Side.BUY, Side.SELL)), choice(self.prices), choice(self.lots), **terms
        )
        self.orders.append(made._replace(flags=choice(FLAGS)))
        return self.orders[-1]

    def chosen(self, *, takes=False):
        place = max(0, len(self.orders) - self.random.choice((1, 1, 2, 3, 8)))
        return self.orders.pop(place) if takes else place

    def end(self):
        order, reason = self.chosen(takes=True), self.random.choice(REASONS)
        self.sequence += 1
        return ended(
            self.sequence, order.order_id, order.side, order.price_ticks, order.leaves_lots, reason=reason,
            flags=order.flags, account=order.account, instrument=order.instrument, time_ns=self.time_ns,
            kind=self.random.choice((EventKind.ORDER_CANCELED,) * 9 + (EventKind.ORDER_EXPIRED,)),
        )  # fmt: skip

    def replace(self):
        place = self.chosen()
        order, lots = self.orders[place], self.random.choice(self.lots)
        price = self.random.choice((order.price_ticks, *self.prices))
        self.sequence += 1
        self.orders[place] = order._replace(price_ticks=price, leaves_lots=lots)
        return replaced(
            self.sequence, order.order_id, order.side, price, lots, lots, previous_ticks=order.price_ticks,
            previous_lots=order.leaves_lots, flags=order.flags, account=order.account, instrument=order.instrument,
            time_ns=self.time_ns,
        )  # fmt: skip

    def trigger(self):
        place = self.chosen()
        order = self.orders[place] = self.orders[place]._replace(flags=0)
        terms = {name: getattr(order, name) for name in ("account", "instrument", "side", "price_ticks", "leaves_lots")}
        return self.event(EventKind.ORDER_TRIGGERED, **terms)

    def trade(self):
        maker, lots = self.orders[self.chosen()], self.random.choice((1, 5))
        self.sequence += 1
        parties = {"maker": (maker.account, maker.order_id), "taker": (self.random.choice(self.accounts), 0)}
        made = traded(
            self.sequence, self.sequence, 1 - maker.side, maker.price_ticks, lots, instrument=maker.instrument,
            time_ns=self.time_ns, **parties,
        )  # fmt: skip
        return made._replace(asset=maker.instrument)

    def prevent(self):
        order = self.orders[self.chosen()]
        self.sequence += 1
        return match_prevented(
            self.sequence, 1 - order.side, order.price_ticks, self.random.choice((1, order.leaves_lots)), leaves_lots=0,
            self_trade_prevention=self.random.choice(PREVENTIONS), taker=(order.account, 0),
            maker=(order.account, order.order_id), instrument=order.instrument, time_ns=self.time_ns,
        )  # fmt: skip

    def other(self):
        kind = self.random.choice((EventKind.REDEEMED, EventKind.COMMAND_REJECTED, EventKind.DEPOSITED))
        return self.event(kind, asset=1, account=1, amount=1, state=CommandKind.REDEEM)

    def run(self, trades):
        acts = (self.accept,) * 20 + (self.end,) * 19 + (self.replace, self.replace, self.prevent, self.trigger)
        for _ in range(STEPS):
            self.time_ns += self.random.choice(STEPS_NS)
            act = self.random.choice(acts) if self.orders else self.accept
            if self.random.random() < trades:
                act = self.random.choice((self.trade, self.trade, self.other)) if self.orders else self.other
            self.told.append(act())
        return self.told


def alerts(watch):
    return watch.alerts.count, watch.alerts.after(0, 10**6)


def assert_same(seed, accounts, trades, bounds, alerts_max, sizes):
    told = Tape(seed, accounts).run(trades)
    plain, watch = PlainWatch(alerts_max, bounds), Watch(alerts_max, bounds)
    plain.apply(told)
    begin = 0
    while begin < len(told):
        size = sizes[begin % len(sizes)]
        watch.apply(told[begin : begin + size])
        begin += size
    assert alerts(watch) == alerts(plain)
    kept, known = watch._interests._state, plain._interests
    assert (int(kept["interest_count"]), int(kept["recent_count"])) == (
        len(known._interests),
        len(known._recent_order),
    )
    return {alert.kind for alert in alerts(plain)[1]}


@settings(max_examples=8)
@given(
    st.integers(0, 10**9),
    st.integers(1, 5),
    st.sampled_from((0.001, 0.01, 0.2)),
    st.sampled_from(BOUNDS),
    st.sampled_from(ALERTS_MAX),
    st.lists(st.sampled_from((1, 2, 7, 64, 900, 3_000)), min_size=1, max_size=4),
)
def test_the_watch_says_what_the_plain_one_says(seed, accounts, trades, bounds, alerts_max, sizes):
    assert_same(seed, accounts, trades, bounds, alerts_max, sizes)


@pytest.mark.parametrize("case", AT_THE_BOUNDS)
def test_at_its_bounds_it_says_the_same(case):
    assert_same(*case, (256, 7))


@pytest.mark.parametrize(
    ("seed", "accounts", "trades", "kind"),
    [
        (9, 1, 0.001, AlertKind.ORDER_TO_TRADE),
        (9, 1, 0.001, AlertKind.QUICK_CANCELS),
        (3, 3, 0.2, AlertKind.SPOOFING),
        (3, 3, 0.2, AlertKind.CORNERING),
        (3, 3, 0.2, AlertKind.MATCHED_PAIR),
        (3, 3, 0.2, AlertKind.WASH_TRADE),
    ],
)
def test_chance_leads_beyond_the_thresholds(seed, accounts, trades, kind):
    assert kind in assert_same(seed, accounts, trades, Bounds(), 10_000, (256,))
