"""What the clerk reads out of events of a real engine, and the transfers that it makes of an escrow."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import AssetKind, Side, TradingState, TransferPurpose
from exchange.registry.dataset import State
from exchange.registry.escrow import Escrow
from settlement.following import concerning, find, hold, transfers, watched
from settlement.licences import Case, EscrowRow, Leg
from settlement.seats import Burned
from tests.settlement.registers import SERIES

CASH, LICENCE, INSTRUMENT, OTHER = 1, 2, 1, 2
VENDOR, BUYER, ESCROW = 1, 2, 3
MARKET = [
    commands.create_asset(CASH, AssetKind.CASH),
    *[commands.create_account(account) for account in (VENDOR, BUYER, ESCROW)],
    commands.create_asset(LICENCE, AssetKind.LICENCE, VENDOR),
    *[
        commands.list_instrument(index, LICENCE, CASH, lot_units=1, tick_value=10, quantity_min=1, quantity_max=99)
        for index in (INSTRUMENT, OTHER)
    ],
    *[commands.set_trading_state(index, TradingState.CONTINUOUS) for index in (INSTRUMENT, OTHER)],
    *[commands.set_fees(index, 0, 100) for index in (INSTRUMENT, OTHER)],
    commands.deposit(BUYER, CASH, 1_000_000),
    commands.issue(VENDOR, LICENCE, 40),
]

WATCH = watched({INSTRUMENT: CASH})


def _run(engine: Reference, *made: bytes) -> np.ndarray:
    return engine.apply(np.frombuffer(bytearray(b"".join(made)), COMMAND))


@pytest.mark.parametrize("taker", [Side.BUY, Side.SELL])
def test_a_trade_tells_parties_and_proceeds_whoever_took(taker: Side) -> None:
    engine = Reference(TEST)
    before = _run(engine, *MARKET)
    orders = [
        commands.new_order(VENDOR, INSTRUMENT, Side.SELL, 50, 4),
        commands.new_order(BUYER, INSTRUMENT, Side.BUY, 50, 4),
    ]
    events = _run(engine, *(orders if taker is Side.BUY else orders[::-1]))
    found = find(events, len(before), WATCH)
    fee = 20 if taker is Side.SELL else 0
    (trade,) = found.trades
    assert trade[4:] == (INSTRUMENT, BUYER, VENDOR, 4, CASH, 2_000, 2_000 - fee)
    assert found.upto == len(before) + len(events)
    assert trade.trade == found.upto
    assert find(events, len(before), watched({OTHER: CASH})).trades == []


def test_the_hold_comes_back_as_the_trades_first_leg() -> None:
    engine = Reference(TEST)
    _run(engine, *MARKET)
    sold = commands.new_order(VENDOR, INSTRUMENT, Side.SELL, 50, 4)
    events = _run(engine, sold, commands.new_order(BUYER, INSTRUMENT, Side.BUY, 50, 4))
    (trade,) = find(events, 0, WATCH).trades
    again = find(_run(engine, hold(trade, ESCROW), hold(trade, ESCROW)), 50, WATCH)
    assert again.legs == [(trade.trade, Leg.HELD, 51)]
    assert hold(trade._replace(proceeds=0), ESCROW) == b""


def test_a_bust_names_its_trade_and_foreign_transfers_are_passed_over() -> None:
    engine = Reference(TEST)
    _run(engine, *MARKET)
    _run(engine, commands.new_order(VENDOR, INSTRUMENT, Side.SELL, 50, 4))
    _run(engine, commands.new_order(BUYER, INSTRUMENT, Side.BUY, 50, 4))
    bust = commands.bust_trade(1, Side.BUY, (BUYER, VENDOR), INSTRUMENT, 50, 4, (20, 0))
    moved = commands.transfer(BUYER, ESCROW, CASH, 5, TransferPurpose.SUBACCOUNT, b"x" * 16)
    found = find(_run(engine, bust, moved), 70, WATCH)
    assert (found.busts, found.legs) == ([(INSTRUMENT, 1, 71)], [])


def test_a_burning_names_the_licence_and_whose_units_they_were() -> None:
    engine = Reference(TEST)
    before = len(_run(engine, *MARKET))
    events = _run(engine, commands.expire_units(VENDOR, LICENCE, 3))
    assert find(events, before, watched({INSTRUMENT: CASH}, {LICENCE: INSTRUMENT})).burns == [
        Burned(INSTRUMENT, VENDOR, 3, before + 1)
    ]
    assert find(events, before, WATCH).burns == []


def _case(state: Escrow, **changed: int) -> Case:
    row = EscrowRow(9, 1, 1, 1, INSTRUMENT, BUYER, VENDOR, 4, CASH, 2_000, 100, VENDOR, state, 1)
    return Case(row._replace(**changed), SERIES, State.LISTED, 1)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (_case(Escrow.DUE), [(Leg.HELD, VENDOR, ESCROW, CASH, 2_000)]),
        (
            _case(Escrow.RELEASING, holder=4),
            [(Leg.PAID, ESCROW, VENDOR, CASH, 1_900), (Leg.ROYALTY, ESCROW, 4, CASH, 100)],
        ),
        (_case(Escrow.RELEASING, royalty=0), [(Leg.PAID, ESCROW, VENDOR, CASH, 2_000)]),
        (_case(Escrow.RELEASING, royalty=2_000), [(Leg.ROYALTY, ESCROW, VENDOR, CASH, 2_000)]),
        (
            _case(Escrow.REFUNDING),
            [(Leg.UNITS_BACK, BUYER, VENDOR, LICENCE, 12), (Leg.CASH_BACK, ESCROW, BUYER, CASH, 2_000)],
        ),
        (_case(Escrow.HELD), []),
        (_case(Escrow.RELEASED), []),
    ],
)
def test_an_escrow_waits_for_these_transfers(case: Case, expected: list[tuple[int, ...]]) -> None:
    made = transfers(case, ESCROW, LICENCE, 3)
    commands_made = np.frombuffer(b"".join(command for _, command in made), COMMAND)
    fields = [
        (leg, int(row["account"]), int(row["group"]), int(row["asset"]), int(row["amount"]))
        for (leg, _), row in zip(made, commands_made, strict=True)
    ]
    assert fields == expected


def test_events_that_concern_nobody_cost_nothing_more() -> None:
    engine = Reference(TEST)
    events = _run(engine, *MARKET)
    assert concerning(events, WATCH) == []
    assert concerning(events[:0], watched({})) == []
    assert find(events[:0], 7, WATCH).upto == 7
