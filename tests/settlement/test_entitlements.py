"""Entitlements in Postgres: delivered once, split by a resale, taken back, and metered exactly once."""

from collections.abc import Awaitable, Callable

import pytest

from exchange.registry.dataset import Move, State
from exchange.registry.escrow import Party, Step
from settlement.entitlements import MONTH_NS, Counted, Entitlement, Entitlements, Read
from settlement.licences import Followed, Leg, Licences
from settlement.register import Change, Register, StaleError
from tests.settlement.registers import (
    BUYER,
    CLERK,
    INSTRUMENT,
    OPERATOR,
    SECOND,
    VENDOR,
    entry,
    list_series,
    traded,
    with_register,
    written,
)

Act = Callable[[Register, Licences, Entitlements], Awaitable[None]]


def _run(dsn: str, act: Act) -> None:
    async def run(register: Register) -> None:
        licences = await list_series(register)
        await act(register, licences, Entitlements(register.pool, written))

    with_register(dsn, run)


async def _trade(licences: Licences, entitlements: Entitlements, trade: int, **terms: int) -> bool:
    """Let a trade happen, be held, and be delivered at ten times its number."""
    made = traded(trade, **terms)
    await licences.follow(Followed(trade + 1, [made], [(trade, Leg.HELD, trade + 1)], time_ns=trade))
    case = await licences.case(trade)
    return await entitlements.deliver(case, trade * 10)


async def _settle(licences: Licences, trade: int) -> None:
    """Let the buyer's time pass, and the seller be paid."""
    await licences.take_step(await licences.case(trade), Step.LAPSE, CLERK, 0, trade * 10)
    legs = [(trade, Leg.PAID, 1), (trade, Leg.ROYALTY, 2)]
    await licences.follow(Followed(await licences.cursor(), legs=legs, time_ns=trade * 10))
    assert (await licences.case(trade)).escrow.state == "released"


async def _held(entitlements: Entitlements, holder: int) -> list[tuple[int, int | None, bool]]:
    return [(one.seats, one.quota, bool(one.revoked)) for one in await entitlements.of(holder)]


def test_a_delivery_is_made_once_and_says_what_was_bought(dsn: str) -> None:
    async def act(_register: Register, licences: Licences, entitlements: Entitlements) -> None:
        assert await _trade(licences, entitlements, 10)
        assert await entitlements.of(BUYER) == [
            Entitlement(1, INSTRUMENT, BUYER, 5, 500, 100 + 12 * MONTH_NS, 10, 100, "DL.0000000001.FT.Y1S40 2 5")
        ]
        assert await entitlements.of(None, after=1) == []
        delivered = await licences.case(10)
        assert delivered.escrow.state == "delivered"
        with pytest.raises(StaleError):
            await entitlements.deliver(delivered._replace(escrow=delivered.escrow._replace(state="held")), 101)
        assert len(await entitlements.of(BUYER)) == 1

    _run(dsn, act)


def test_a_resale_takes_the_resellers_seats_first_in_first_out(dsn: str) -> None:
    async def act(_register: Register, licences: Licences, entitlements: Entitlements) -> None:
        await _trade(licences, entitlements, 10, lots=3)
        await _trade(licences, entitlements, 12, lots=4)
        assert not await _trade(licences, entitlements, 13, buyer=SECOND, seller=BUYER, lots=1)  # may be undone yet
        for trade in (10, 12):
            await _settle(licences, trade)
        assert (await entitlements.count(VENDOR, [Read("r", 1, 30)], 130))[0].status == "APPLIED"
        assert await _trade(licences, entitlements, 14, buyer=SECOND, seller=BUYER, lots=5)
        assert await _held(entitlements, BUYER) == [(3, 300, True), (4, 400, True), (2, 200, False)]
        assert await _held(entitlements, SECOND) == [(3, 270, False), (2, 200, False)]
        first, second = await entitlements.of(SECOND)
        assert (first.valid_until_ns, second.valid_until_ns) == (100 + 12 * MONTH_NS, 120 + 12 * MONTH_NS)
        assert [one.number for one in await entitlements.revocations()] == [1, 2]

    _run(dsn, act)


def test_who_has_too_few_seats_entitled_delivers_nothing(dsn: str) -> None:
    async def act(_register: Register, licences: Licences, entitlements: Entitlements) -> None:
        await _trade(licences, entitlements, 10, lots=3)
        await _settle(licences, 10)
        assert not await _trade(licences, entitlements, 12, buyer=SECOND, seller=BUYER, lots=4)
        assert await _held(entitlements, BUYER) == [(3, 300, False)]
        assert (await licences.case(12)).escrow.state == "held"

    _run(dsn, act)


def test_what_is_taken_back_goes_to_the_reseller_again(dsn: str) -> None:
    async def act(_register: Register, licences: Licences, entitlements: Entitlements) -> None:
        await _trade(licences, entitlements, 10, lots=3)
        await _settle(licences, 10)
        await _trade(licences, entitlements, 12, buyer=SECOND, seller=BUYER, lots=2)
        assert await entitlements.undone() == []
        await licences.follow(Followed(20, busts=[(INSTRUMENT, 12, 20)]))
        assert await entitlements.undone() == [12]
        for _ in range(2):  # the second time there is nothing left of it
            await entitlements.take_back(await licences.case(12), "busted", 21)
        assert await entitlements.undone() == []
        assert await _held(entitlements, SECOND) == [(2, 200, True)]
        assert await _held(entitlements, BUYER) == [(3, 300, True), (1, 100, False), (2, 200, False)]
        await entitlements.take_back(await licences.case(10), "busted", 22)
        assert {revoked for _, _, revoked in await _held(entitlements, BUYER)} == {True}

    _run(dsn, act)


def test_a_revoked_dataset_leaves_nobody_entitled(dsn: str) -> None:
    async def act(register: Register, licences: Licences, entitlements: Entitlements) -> None:
        await _trade(licences, entitlements, 10)
        await entitlements.revoke_ended(200)
        assert await entitlements.revocations() == []
        await register.append(Change(1, 2, Move.REVOKE, State.REVOKED, VENDOR, OPERATOR, 500, entry(), "stolen"))
        await entitlements.revoke_ended(600)
        await entitlements.revoke_ended(700)
        assert [(one.number, one.time_ns) for one in await entitlements.revocations()] == [(1, 600)]

    _run(dsn, act)


def test_reads_count_once_and_stay_within_the_quota(dsn: str) -> None:
    async def act(_register: Register, licences: Licences, entitlements: Entitlements) -> None:
        await _trade(licences, entitlements, 10, lots=1)
        reads = [Read("a", 1, 60), Read("a", 1, 60), Read("b", 1, 41), Read("c", 1, 40), Read("d", 9, 1)]
        assert await entitlements.count(VENDOR, reads, 200) == [
            Counted("a", "APPLIED", 0),
            Counted("a", "DUPLICATE", 0),
            Counted("b", "EXHAUSTED", 0),
            Counted("c", "APPLIED", 0),
            Counted("d", "UNKNOWN", None),
        ]
        again = await entitlements.count(VENDOR, reads[:1], 201)
        assert again == [Counted("a", "DUPLICATE", 0)]
        foreign = await entitlements.count(BUYER, reads[:1], 202)
        assert foreign == [Counted("a", "NOT_YOURS", None)]  # how much is left is its vendor's to know
        assert (await entitlements.of(BUYER))[0].used == 100

    _run(dsn, act)


def test_reads_need_an_entitlement_that_holds_now(dsn: str) -> None:
    async def act(register: Register, licences: Licences, entitlements: Entitlements) -> None:
        await _trade(licences, entitlements, 10, lots=1)
        late = await entitlements.count(VENDOR, [Read("a", 1, 1)], 100 + 12 * MONTH_NS)
        assert late[0].status == "EXPIRED"
        await register.append(Change(1, 2, Move.OBJECT, State.OBJECTED, VENDOR, BUYER, 500, entry(), "mine"))
        assert (await entitlements.count(VENDOR, [Read("a", 1, 1)], 501))[0].status == "FROZEN"
        case = await licences.case(10)
        assert await licences.take_step(case, Step.DISPUTE, frozenset((Party.BUYER,)), BUYER, 502) == "disputed"
        await entitlements.take_back(case, "refunded", 503)
        assert (await entitlements.count(VENDOR, [Read("a", 1, 1)], 504))[0].status == "REVOKED"

    _run(dsn, act)


def test_a_dataset_is_owed_to_others_from_the_trade_to_the_end_of_the_term(dsn: str) -> None:
    async def act(_register: Register, licences: Licences, entitlements: Entitlements) -> None:
        assert not await entitlements.are_owed(1, 1)
        await licences.follow(Followed(11, [traded(10)], [(10, Leg.HELD, 11)], time_ns=10))
        assert await entitlements.of(None) == []
        assert await entitlements.are_owed(1, 11)  # paid for, and not yet delivered
        assert await entitlements.deliver(await licences.case(10), 100)
        await _settle(licences, 10)
        (bought,) = await entitlements.of(BUYER)
        assert await entitlements.are_owed(1, bought.valid_until_ns - 1)
        assert not await entitlements.are_owed(1, bought.valid_until_ns)
        assert not await entitlements.are_owed(2, 101)
        await entitlements.take_back(await licences.case(10), "busted", 200)
        assert not await entitlements.are_owed(1, 201)

    _run(dsn, act)
