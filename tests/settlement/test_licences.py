"""Series, escrows and their steps in Postgres: followed once, moved by the table alone, found when they are due."""

import asyncio

import asyncpg
import pytest
from msgspec.structs import replace

from exchange.registry.dataset import Move, State
from exchange.registry.escrow import Escrow, Party, Step, StepRefusal
from settlement.licences import Followed, Leg, Licences, leg_of, transfer_id
from settlement.register import Change, Register, StaleError
from tests.settlement.posting import fetch
from tests.settlement.registers import (
    BUYER,
    CLERK,
    INSTRUMENT,
    OPERATOR,
    SECOND,
    SERIES,
    VENDOR,
    entry,
    list_series,
    traded,
    with_register,
)

HOUR_NS = 3_600_000_000_000


def _follow(dsn: str, *steps: Followed) -> None:
    async def act(register: Register) -> None:
        licences = Licences(register.pool)
        for step in steps:
            await licences.follow(step)

    with_register(dsn, act)


def _states(dsn: str) -> dict[int, str]:
    return dict(asyncio.run(fetch(dsn, "SELECT trade, state FROM register.escrows")))


@pytest.fixture
def listed(dsn: str) -> str:
    with_register(dsn, list_series)
    return dsn


def test_a_series_is_found_by_name_and_dataset(listed: str) -> None:
    async def act(register: Register) -> None:
        licences = Licences(register.pool)
        assert await licences.series(SERIES.symbol) == SERIES
        assert await licences.series("DL.X") is None
        assert await licences.series_of(1) == [SERIES]
        assert await licences.state_of(INSTRUMENT) is State.LISTED
        assert await licences.state_of(99) is None
        assert await licences.not_listed() == []
        await register.append(Change(1, 2, Move.OBJECT, State.OBJECTED, VENDOR, BUYER, 3, entry(), "mine"))
        assert await licences.not_listed() == [(INSTRUMENT, State.OBJECTED)]
        with pytest.raises(StaleError):
            await licences.add_series(SERIES)
        await licences.note_clearance(INSTRUMENT, BUYER, "{}", OPERATOR, 5, is_cleared=True)

    with_register(listed, act)
    assert asyncio.run(fetch(listed, "SELECT account, is_cleared FROM register.clearances")) == [(BUYER, True)]


def test_a_trade_is_due_until_its_transfer_was_seen(listed: str) -> None:
    _follow(listed, Followed(10, [traded(10)], time_ns=10))
    assert _states(listed) == {10: "due"}
    _follow(listed, Followed(12, [], [(10, Leg.HELD, 12)], time_ns=12))
    assert _states(listed) == {10: "held"}
    steps = asyncio.run(fetch(listed, "SELECT step, source, state, time_ns FROM register.steps"))
    assert steps == [("hold", "due", "held", 12)]


def test_a_trade_and_its_transfer_may_be_seen_together(listed: str) -> None:
    _follow(listed, Followed(12, [traded(10)], [(10, Leg.HELD, 11)], time_ns=12))
    assert _states(listed) == {10: "held"}


def test_what_was_followed_is_not_followed_again(listed: str) -> None:
    _follow(listed, Followed(12, [traded(10)]))
    with pytest.raises(asyncpg.UniqueViolationError):
        _follow(listed, Followed(12, [traded(10)]))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        _follow(listed, Followed(11))
    assert with_register(listed, lambda register: Licences(register.pool).cursor()) == 12


def test_a_resale_owes_a_royalty_and_a_trade_without_proceeds_holds_nothing(listed: str) -> None:
    free = traded(12)._replace(notional=1, proceeds=0)
    _follow(listed, Followed(20, [traded(10), traded(11, SECOND, BUYER, 2), free]))
    found = asyncio.run(fetch(listed, "SELECT trade, royalty, state, holder FROM register.escrows ORDER BY 1"))
    assert found == [(10, 0, "due", VENDOR), (11, 10, "due", VENDOR), (12, 0, "held", VENDOR)]


async def _step(register: Register, trade: int, step: Step, party: Party, time_ns: int = 50) -> object:
    licences = Licences(register.pool)
    case = await licences.case(trade)
    return await licences.take_step(case, step, frozenset((party,)), 9, time_ns, "note")


def test_money_is_out_when_all_its_transfers_were_seen(listed: str) -> None:
    async def act(register: Register) -> None:
        licences = Licences(register.pool)
        held = [(10, Leg.HELD, 12), (11, Leg.HELD, 13)]
        await licences.follow(Followed(20, [traded(10), traded(11, SECOND, BUYER)], held))
        for trade in (10, 11):
            assert await _step(register, trade, Step.DISPUTE, Party.BUYER) is Escrow.DISPUTED
        assert await _step(register, 10, Step.REFUND, Party.OPERATOR) is Escrow.REFUNDING
        assert await _step(register, 11, Step.RELEASE, Party.OPERATOR) is Escrow.RELEASING
        assert [sorted(case.escrow.wanted) for case in await licences.work(60)] == [
            [Leg.UNITS_BACK, Leg.CASH_BACK],
            [Leg.PAID, Leg.ROYALTY],
        ]
        await licences.follow(Followed(22, [], [(10, Leg.UNITS_BACK, 21), (11, Leg.PAID, 22)]))
        assert len(await licences.work(60)) == 2
        await licences.follow(Followed(24, [], [(10, Leg.CASH_BACK, 23), (11, Leg.ROYALTY, 24)]))
        assert await licences.work(60) == []

    with_register(listed, act)
    assert _states(listed) == {10: "refunded", 11: "released"}


def test_a_step_is_the_tables_and_of_the_state_that_was_seen(listed: str) -> None:
    async def act(register: Register) -> None:
        licences = Licences(register.pool)
        await licences.follow(Followed(20, [traded(10)], [(10, Leg.HELD, 12)]))
        seen = await licences.case(10)
        assert await _step(register, 10, Step.ACCEPT, Party.BUYER) is StepRefusal.NOT_FROM_HERE
        assert await _step(register, 10, Step.DISPUTE, Party.OPERATOR) is StepRefusal.NOT_YOURS
        assert await _step(register, 10, Step.DISPUTE, Party.BUYER) is Escrow.DISPUTED
        with pytest.raises(StaleError):
            await licences.take_step(seen, Step.DELIVER, CLERK, 0, 51)
        assert await licences.case(99) is None

    with_register(listed, act)


def test_the_time_of_acceptance_begins_anew_behind_a_freeze(listed: str) -> None:
    async def act(register: Register) -> None:
        licences = Licences(register.pool)
        await licences.follow(Followed(20, [traded(10)], [(10, Leg.HELD, 12)]))
        assert [case.escrow.trade for case in await licences.work(13)] == [10]  # to be delivered
        await _step(register, 10, Step.DELIVER, Party.CLERK, 100)
        assert await licences.work(100 + HOUR_NS - 1) == []
        assert [case.accept_until_ns for case in await licences.work(100 + HOUR_NS)] == [100 + HOUR_NS]
        await register.append(Change(1, 2, Move.OBJECT, State.OBJECTED, VENDOR, BUYER, 500, entry(), "mine"))
        assert await licences.work(100 + 9 * HOUR_NS) == []
        assert await _step(register, 10, Step.ACCEPT, Party.BUYER) is StepRefusal.FROZEN
        await register.append(Change(1, 3, Move.DISMISS, State.REGISTERED, VENDOR, OPERATOR, HOUR_NS, entry()))
        assert await licences.work(2 * HOUR_NS - 1) == []
        assert len(await licences.work(2 * HOUR_NS)) == 1

    with_register(listed, act)


def test_a_revoked_dataset_gives_back_whatever_is_open(listed: str) -> None:
    async def act(register: Register) -> None:
        licences = Licences(register.pool)
        await licences.follow(Followed(20, [traded(10)], [(10, Leg.HELD, 12)]))
        await register.append(Change(1, 2, Move.REVOKE, State.REVOKED, VENDOR, OPERATOR, 500, entry(), "stolen"))
        (case,) = await licences.work(600)
        assert await licences.take_step(case, Step.REVOKE, CLERK, 0, 600) is Escrow.REFUNDING

    with_register(listed, act)


def test_a_bust_gives_the_seller_back_what_is_held(listed: str) -> None:
    held = [(11, Leg.HELD, 13)]
    _follow(listed, Followed(20, [traded(10), traded(11, SECOND, BUYER)], held))
    _follow(listed, Followed(30, busts=[(INSTRUMENT, 10, 21), (INSTRUMENT, 11, 22), (INSTRUMENT, 99, 23)]))
    assert _states(listed) == {10: "void", 11: "releasing"}
    assert asyncio.run(fetch(listed, "SELECT royalty FROM register.escrows WHERE trade = 11")) == [(0,)]
    _follow(listed, Followed(40, [], [(10, Leg.HELD, 31), (11, Leg.PAID, 32)]))
    assert _states(listed) == {10: "releasing", 11: "released"}  # the first came too late and goes back too


def test_escrows_come_in_pages_newest_first(listed: str) -> None:
    _follow(listed, Followed(20, [traded(10), traded(11, SECOND, BUYER), traded(12, SECOND)]))

    async def act(register: Register) -> None:
        licences = Licences(register.pool)
        pages = [(None, 99, 2, [12, 11]), (BUYER, 99, 9, [11, 10]), (SECOND, 12, 9, [11]), (OPERATOR, 99, 9, [])]
        for account, before, limit, trades in pages:
            assert [case.escrow.trade for case in await licences.cases(account, before, limit)] == trades

    with_register(listed, act)


@pytest.mark.parametrize("leg", Leg)
def test_a_transfers_id_names_trade_and_leg(leg: Leg) -> None:
    words = transfer_id(1 << 40, leg)
    first, second = (int.from_bytes(words[at : at + 8], "little", signed=True) for at in (0, 8))
    assert leg_of(first, second) == (1 << 40, leg)
    assert leg_of(first, second + 100) is None
    assert leg_of(0, second) is None
    assert leg_of(first, -1) is None


def test_the_same_terms_come_back(listed: str) -> None:
    other = SERIES._replace(instrument=8, symbol="DL.0000000001.RAG.Y1S40", terms=replace(SERIES.terms, sectors=("x",)))

    async def act(register: Register) -> None:
        await Licences(register.pool).add_series(other)
        assert await Licences(register.pool).series_of(1) == [SERIES, other]

    with_register(listed, act)
