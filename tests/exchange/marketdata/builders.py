"""Events by hand and a small market in the readable engine: what the tests of the views are fed with."""

import numpy as np

from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import AssetKind, EventKind, OrderFlag, SelfTradePrevention, Side, TradingState
from exchange.events import Event, rows
from exchange.marketdata.candles import Candle, merge
from exchange.marketdata.trades import Trade

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
ALICE, BOB, CAROL, DAVE = 1, 2, 3, 4  # carol and dave are one group
CASH = 1
INSTRUMENTS = (1, 2)
_NO_EVENT = Event(*(0,) * len(Event._fields))


def event(kind, sequence, **fields):
    return _NO_EVENT._replace(kind=int(kind), sequence=sequence, **{name: int(value) for name, value in fields.items()})


def accepted(sequence, order_id, side, price_ticks, quantity_lots, *, account=ALICE, instrument=1, time_ns=0):
    return event(
        EventKind.ORDER_ACCEPTED, sequence, time_ns=time_ns, side=side, account=account, instrument=instrument,
        order_id=order_id, price_ticks=price_ticks, quantity_lots=quantity_lots, leaves_lots=quantity_lots,
    )  # fmt: skip


def named(sequence, order_id, client_order_id, *, account=ALICE, instrument=1):
    words = commands.client_words(client_order_id)
    return event(
        EventKind.ORDER_NAMED, sequence, account=account, instrument=instrument, order_id=order_id,
        price_ticks=words[0], quantity_lots=words[1], leaves_lots=words[2], amount=words[3], fee=words[4],
    )  # fmt: skip


def traded(
    sequence, trade_id, taker_side, price_ticks, quantity_lots, *, leaves_lots=0, taker=(ALICE, 2), maker=(BOB, 1),
    instrument=1, time_ns=0, fee=0, counter_fee=0,
):  # fmt: skip
    return event(
        EventKind.TRADED, sequence, time_ns=time_ns, side=taker_side, instrument=instrument, trade_id=trade_id,
        account=taker[0], order_id=taker[1], counter_account=maker[0], counter_order_id=maker[1],
        price_ticks=price_ticks, quantity_lots=quantity_lots, leaves_lots=leaves_lots,
        amount=price_ticks * quantity_lots, fee=fee, counter_fee=counter_fee,
    )  # fmt: skip


def ended(
    sequence, order_id, side, price_ticks, leaves_lots, *, quantity_lots=0, kind=EventKind.ORDER_CANCELED, reason=1,
    flags=OrderFlag.RESTING, account=ALICE, instrument=1, time_ns=0,
):  # fmt: skip
    return event(
        kind, sequence, time_ns=time_ns, reason=reason, side=side, flags=flags, account=account, instrument=instrument,
        order_id=order_id, price_ticks=price_ticks, quantity_lots=quantity_lots, leaves_lots=leaves_lots,
    )  # fmt: skip


def replaced(
    sequence, order_id, side, price_ticks, quantity_lots, leaves_lots, *, previous_ticks, previous_lots, flags=0,
    account=ALICE, instrument=1, time_ns=0,
):  # fmt: skip
    return event(
        EventKind.ORDER_REPLACED, sequence, time_ns=time_ns, side=side, flags=flags, account=account,
        instrument=instrument, order_id=order_id, price_ticks=price_ticks, quantity_lots=quantity_lots,
        leaves_lots=leaves_lots, fee=previous_lots, counter_fee=previous_ticks,
    )  # fmt: skip


def match_prevented(
    sequence, taker_side, price_ticks, quantity_lots, *, leaves_lots, self_trade_prevention, taker=(ALICE, 2),
    maker=(ALICE, 1), instrument=1, time_ns=0,
):  # fmt: skip
    return event(
        EventKind.MATCH_PREVENTED, sequence, time_ns=time_ns, side=taker_side, instrument=instrument,
        self_trade_prevention=self_trade_prevention, account=taker[0], order_id=taker[1], counter_account=maker[0],
        counter_order_id=maker[1], price_ticks=price_ticks, quantity_lots=quantity_lots, leaves_lots=leaves_lots,
    )  # fmt: skip


def candle_of(trade):
    """Return the minute of one trade alone."""
    buys = not trade.is_buyer_maker
    open_ms = trade.time_ns // MINUTE_NS * 60_000
    lots, amount = trade.quantity_lots, trade.amount
    bought = (lots, amount) if buys else (0, 0)
    prices, ids = (trade.price_ticks,) * 4, (trade.trade_id,) * 2
    return Candle(open_ms, *prices, lots, open_ms + 59_999, amount, 1, *bought, *ids)


def add_trade(candles, time_ns, trade_id, price, lots, amount, is_taker_buyer):
    """Let candles have another trade."""
    minute, last = candle_of(Trade(trade_id, time_ns, price, lots, amount, not is_taker_buyer)), candles.minute
    candles.put(minute if last is None or last.open_ms != minute.open_ms else merge(last, minute))


class Market:
    """A readable engine with two instruments in continuous trading and four funded accounts."""

    def __init__(self):
        self.engine = Reference(TEST)
        self.sequence = 0
        self.time_ns = 1_700_000_000 * SECOND_NS
        self.setup_events = []
        for account in (ALICE, BOB):
            self._set_up(commands.create_account(account))
        self._set_up(commands.create_account(CAROL), commands.create_account(DAVE, group=CAROL))
        self._set_up(commands.create_asset(CASH, AssetKind.CASH))
        for account in (ALICE, BOB, CAROL, DAVE):
            self._set_up(commands.deposit(account, CASH, 10**12))
        for instrument in INSTRUMENTS:
            self._list(instrument)

    def send(self, *batch, pass_ns=0):
        """Apply commands and return their events, one list a command."""
        return [self._apply(command, pass_ns) for command in batch]

    def open_orders(self):
        """Return the engine's open orders as tuples named by field."""
        found = self.engine.open_order_rows()
        return [dict(zip(found.dtype.names, row, strict=True)) for row in found.tolist()]

    def _list(self, instrument):
        base = CASH + instrument
        self._set_up(commands.create_asset(base, AssetKind.ALLOWANCE, issuer=ALICE), commands.issue(ALICE, base, 10**9))
        terms = {"lot_units": 10, "tick_value": 100, "quantity_min": 1, "quantity_max": 10**6}
        self._set_up(commands.list_instrument(instrument, base, CASH, **terms))
        self._set_up(commands.set_fees(instrument, -2, 10), commands.set_price_band(instrument, 80, 120))
        self._set_up(commands.set_trading_state(instrument, TradingState.CONTINUOUS))
        for account in (BOB, CAROL, DAVE):  # who does not issue buys first what it is to sell
            self._set_up(
                new_order(ALICE, Side.SELL, 100, 10**4, instrument=instrument),
                new_order(account, Side.BUY, 100, 10**4, instrument=instrument),
            )

    def _set_up(self, *batch):
        for found in self.send(*batch):
            assert [row.kind for row in found] != [EventKind.COMMAND_REJECTED]
            self.setup_events += found

    def _apply(self, command, pass_ns):
        self.sequence += 1
        self.time_ns += pass_ns
        batch = np.frombuffer(bytearray(command), COMMAND)
        batch["sequence"], batch["time_ns"] = self.sequence, self.time_ns
        return rows(self.engine.apply(batch))


def new_order(account, side, price_ticks, quantity_lots, *, instrument=1, **options):
    options.setdefault("self_trade_prevention", SelfTradePrevention.NONE)
    return commands.new_order(account, instrument, Side(side), price_ticks, quantity_lots, **options)
