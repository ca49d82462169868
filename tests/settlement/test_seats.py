"""Which seats are over, and that a burning is written down once, for the entitlement that it was for."""

import asyncio

import asyncpg
import pytest

from exchange.registry.dataset import Move, State
from exchange.registry.escrow import Party, Step
from settlement.entitlements import MONTH_NS, Entitlements
from settlement.licences import Followed, Leg, Licences
from settlement.register import Change, Register
from settlement.seats import Burned, Over, Seats
from tests.settlement.posting import fetch
from tests.settlement.registers import (
    BUYER,
    INSTRUMENT,
    OPERATOR,
    VENDOR,
    entry,
    list_series,
    traded,
    with_register,
    written,
)

TERM_NS = 12 * MONTH_NS + 30


async def _released(register: Register, trade: int = 10) -> None:
    """Sell five seats at time 30, and pay for them."""
    licences = await list_series(register)
    await licences.follow(Followed(20, [traded(trade)], [(trade, Leg.HELD, 12)], time_ns=20))
    assert await Entitlements(register.pool, written).deliver(await licences.case(trade), 30)
    await licences.take_step(await licences.case(trade), Step.ACCEPT, frozenset((Party.BUYER,)), BUYER, 40)


def test_seats_are_over_when_their_term_is_and_their_trade_is_settled(dsn: str) -> None:
    async def act(register: Register) -> None:
        await _released(register)
        seats, licences = Seats(register.pool), Licences(register.pool)
        assert await seats.over(TERM_NS) == []  # not yet paid
        await licences.follow(Followed(50, [], [(10, Leg.PAID, 45)], time_ns=50))
        assert await seats.over(TERM_NS - 1) == []
        assert await seats.over(TERM_NS) == [Over(1, INSTRUMENT, BUYER, 5)]
        assert await seats.over(TERM_NS, after=1) == []
        for burned in (Burned(INSTRUMENT, VENDOR, 5, 55), Burned(INSTRUMENT, BUYER, 4, 56)):  # others'
            await licences.follow(Followed(60, burns=[burned], time_ns=TERM_NS))
        assert len(await seats.over(TERM_NS)) == 1
        await licences.follow(Followed(70, burns=[Burned(INSTRUMENT, BUYER, 5, 66)], time_ns=TERM_NS))
        assert await seats.over(TERM_NS) == []

    with_register(dsn, act)
    assert asyncio.run(fetch(dsn, "SELECT entitlement, event FROM register.ends")) == [(1, 66)]
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        asyncio.run(fetch(dsn, "DELETE FROM register.ends"))


def test_a_revoked_dataset_is_over_when_no_trade_of_it_is_open(dsn: str) -> None:
    async def act(register: Register) -> None:
        await _released(register)
        seats, licences = Seats(register.pool), Licences(register.pool)
        assert await seats.revoked() == []
        await register.append(Change(1, 2, Move.REVOKE, State.REVOKED, VENDOR, OPERATOR, 41, entry(), "stolen"))
        assert await seats.revoked() == []  # the trade is still releasing
        await licences.follow(Followed(50, [], [(10, Leg.PAID, 45)], time_ns=50))
        assert await seats.revoked() == [INSTRUMENT]

    with_register(dsn, act)
