"""The end of a series, step by step, and again from wherever a crash left it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from exchange.clock import ManualClock
from exchange.core import commands
from exchange.core.types import AccountState, AssetKind, Side, TradingState, TransferPurpose
from exchange.events import Event
from exchange.expiry import HOLDERS_MAX, KEY_PREFIX, RETRY_NS, Expiry, Holder, holders
from exchange.payments import pay_out
from exchange.registry.documents import (
    AccountNamed,
    AssetNamed,
    Document,
    InstrumentNamed,
    ParticipantCreated,
    Role,
    commands_of,
    encode,
)
from exchange.registry.payouts import PaymentKind, PaymentsPlanned
from exchange.registry.series import Direction, SeriesNamed
from exchange.sequencer import Stopped
from exchange.server import Exchange
from tests.exchange.running import SMALL
from tests.exchange.test_server import interpreter_as_before as interpreter_as_before

ISSUER, HOLDER, KEY, PLEDGED = 1, 2, 3, 4
CASH, BASE, NEXT = 1, 2, 3
LOT = 1_000_000
END_NS, GATE_NS, GRACE_NS = 10**15, 10**12, 10**13
SERIES = SeriesNamed(
    asset=BASE, issuer=ISSUER, grade="Q3", direction=Direction.BLEND, hub="GZ", window="D1", start_ns=0, end_ns=END_NS,
    green_bps=0, is_firm=False, collateral_account=PLEDGED, collateral_per_lot=100, gate_ns=GATE_NS, grace_ns=GRACE_NS,
    rollover_bps=5_000, next_asset=NEXT,
)  # fmt: skip
FOLLOWING = replace(
    SERIES, asset=NEXT, window="D2", end_ns=2 * END_NS, rollover_bps=0, next_asset=0, collateral_account=PLEDGED + 1
)


def _documents() -> list[Document]:
    accounts = ("issuer", "holder", f"{KEY_PREFIX}holder", "collateral.D1", "collateral.D2")
    return [
        ParticipantCreated("p", Role.ISSUER),
        *[AccountNamed(index, name, "p", Role.ISSUER) for index, name in enumerate(accounts, 1)],
        AssetNamed(CASH, "CNY", AssetKind.CASH, 6),
        AssetNamed(BASE, "TA.D1", AssetKind.ALLOWANCE, 6, ISSUER),
        AssetNamed(NEXT, "TA.D2", AssetKind.ALLOWANCE, 6, ISSUER),
        InstrumentNamed(1, "TA.D1", BASE, CASH, 100, LOT, 4, 0, 1, 1_000, 1, 10_000),
        SERIES,
        FOLLOWING,
    ]


async def _furnish(exchange: Exchange) -> None:
    for document in _documents():
        await exchange.submit(commands_of(document), encode(document))
    purpose = TransferPurpose.SUBACCOUNT
    await exchange.submit(
        commands.set_trading_state(1, TradingState.CONTINUOUS)
        + commands.deposit(PLEDGED, CASH, 1_200)
        + commands.issue(ISSUER, BASE, 12 * LOT)
        + commands.transfer(ISSUER, HOLDER, BASE, 7 * LOT, purpose)
        + commands.transfer(ISSUER, KEY, BASE, 3 * LOT, purpose)
        + commands.new_order(HOLDER, 1, Side.SELL, 10, 5)
    )


async def _balances(exchange: Exchange) -> dict[tuple[int, int], int]:
    rows = await exchange.query(lambda engine: engine.balance_rows().tolist())
    return {(account, asset): free + held for account, asset, free, held in rows if free + held}


def _run(directory: Path, drive: Callable[[Exchange, Expiry], Awaitable[None]]) -> None:
    async def main() -> None:
        exchange = Exchange.open(directory, SMALL, ManualClock(1))
        exchange.start(asyncio.get_running_loop())
        if not exchange.registry.instruments:
            await _furnish(exchange)
        try:
            await drive(exchange, Expiry(exchange.registry, exchange.submit, exchange.query))
        finally:
            await exchange.stop()

    asyncio.run(main())


def test_the_gate_closes_units_expire_and_roll_over_and_collateral_goes_back(tmp_path: Path) -> None:
    async def drive(exchange: Exchange, expiry: Expiry) -> None:
        before = await _balances(exchange)
        await expiry.step(END_NS - GATE_NS - 1)
        assert exchange.registry.instruments[0].trading_state is TradingState.CONTINUOUS
        await expiry.step(END_NS - GATE_NS)
        assert exchange.registry.instruments[0].trading_state is TradingState.GATE_CLOSED
        assert exchange.orders.open_orders(HOLDER, 1) == []
        await expiry.step(END_NS - 1)
        assert await _balances(exchange) == before
        await expiry.step(END_NS)
        assert exchange.registry.instruments[0].trading_state is TradingState.EXPIRED
        rolled = {(HOLDER, NEXT): 7 * LOT // 2}
        cash = {(PLEDGED, CASH): 300, (PLEDGED + 1, CASH): 350, (ISSUER, CASH): 550}
        assert await _balances(exchange) == {(KEY, BASE): 3 * LOT} | rolled | cash
        await expiry.step(END_NS + GRACE_NS - 1)
        assert (KEY, BASE) in await _balances(exchange)
        for _ in range(2):
            await expiry.step(END_NS + GRACE_NS)
            rolled |= {(KEY, NEXT): 3 * LOT // 2}
            assert await _balances(exchange) == rolled | {(PLEDGED + 1, CASH): 500, (ISSUER, CASH): 700}
        assert exchange.registry.allowances.issued[NEXT] == 5 * LOT

    _run(tmp_path, drive)


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def close_gate(exchange: Exchange, expiry: Expiry) -> None:
        await expiry.step(END_NS - GATE_NS)

    async def end(exchange: Exchange, expiry: Expiry) -> None:
        exchange.clock.time_ns = END_NS + GRACE_NS
        await expiry.step(END_NS + GRACE_NS)
        assert (await _balances(exchange))[KEY, NEXT] == 3 * LOT // 2

    async def again(exchange: Exchange, expiry: Expiry) -> None:
        before = await _balances(exchange)
        await expiry.step(END_NS + GRACE_NS)
        assert await _balances(exchange) == before
        assert not [account for account, asset in before if asset == BASE]

    for part in (close_gate, end, again):
        _run(tmp_path, part)


def test_nothing_is_burned_while_the_issuer_may_not_issue_what_it_rolls_into(tmp_path: Path) -> None:
    async def drive(exchange: Exchange, expiry: Expiry) -> None:
        await exchange.submit(commands.set_account_state(ISSUER, AccountState.RESTRICTED))
        await expiry.step(END_NS)
        found = await _balances(exchange)
        assert (found[HOLDER, BASE], found.get((HOLDER, NEXT)), found.get((ISSUER, BASE))) == (7 * LOT, None, None)
        await exchange.submit(commands.set_account_state(ISSUER, AccountState.ACTIVE))
        await expiry.step(END_NS + RETRY_NS)
        found = await _balances(exchange)
        assert (found.get((HOLDER, BASE)), found[HOLDER, NEXT]) == (None, 7 * LOT // 2)

    _run(tmp_path, drive)


def test_a_holder_that_is_refused_the_new_units_keeps_the_old_and_the_issuer_gets_none(tmp_path: Path) -> None:
    async def drive(exchange: Exchange, expiry: Expiry) -> None:
        await exchange.submit(commands.set_account_state(HOLDER, AccountState.CLOSED))
        await expiry.step(END_NS + GRACE_NS)
        found = await _balances(exchange)
        assert {row: units for row, units in found.items() if row[1] != CASH} == {
            (HOLDER, BASE): 7 * LOT,
            (KEY, NEXT): 3 * LOT // 2,
        }
        assert exchange.registry.allowances.issued[NEXT] == 3 * LOT // 2

    _run(tmp_path, drive)


def test_a_roll_over_that_was_cut_short_gives_nobody_more(tmp_path: Path) -> None:
    async def cut(exchange: Exchange, expiry: Expiry) -> None:
        async def submit(made: bytes, document: bytes) -> list[Event]:
            if (HOLDER, NEXT) in await _balances(exchange):
                raise Stopped("cut")
            return await exchange.submit(made, document)

        with pytest.raises(Stopped):
            await Expiry(exchange.registry, submit, exchange.query).step(END_NS)
        found = await _balances(exchange)
        assert (found[HOLDER, BASE], found[HOLDER, NEXT]) == (7 * LOT, 7 * LOT // 2)

    async def again(exchange: Exchange, expiry: Expiry) -> None:
        await expiry.step(END_NS)
        found = await _balances(exchange)
        assert {row: units for row, units in found.items() if row[1] != CASH} == {
            (HOLDER, NEXT): 7 * LOT // 2,
            (KEY, BASE): 3 * LOT,
        }
        assert exchange.registry.allowances.issued[NEXT] == 7 * LOT // 2

    for part in (cut, again):
        _run(tmp_path, part)


def test_the_exchange_itself_keeps_the_time(tmp_path: Path) -> None:
    async def drive(exchange: Exchange, expiry: Expiry) -> None:
        exchange.clock.time_ns = END_NS + GRACE_NS
        for _ in range(200):
            await asyncio.sleep(0.02)
            if (KEY, NEXT) in await _balances(exchange):
                return
        pytest.fail("nothing expired")

    _run(tmp_path, drive)


def test_collateral_that_holders_are_owed_is_not_given_back(tmp_path: Path) -> None:
    async def drive(exchange: Exchange, expiry: Expiry) -> None:
        rows = ((HOLDER, 20, 7 * LOT), (KEY, 5, 3 * LOT))
        planned = PaymentsPlanned(BASE, PaymentKind.DEFAULT, "d", 10_000, 2, 0, True, rows)
        await exchange.submit(b"", encode(planned))
        await expiry.step(END_NS + GRACE_NS)
        assert (await _balances(exchange))[PLEDGED, CASH] == 25
        await pay_out(exchange.registry, exchange.submit)
        found = await _balances(exchange)
        assert (found.get((PLEDGED, CASH)), found[HOLDER, CASH], found[KEY, CASH]) == (None, 20, 5)

    _run(tmp_path, drive)


def test_who_has_units_is_listed_by_account(tmp_path: Path) -> None:
    async def drive(exchange: Exchange, expiry: Expiry) -> None:
        found = await exchange.query(lambda engine: holders(engine, BASE))
        assert found == [Holder(ISSUER, 2 * LOT), Holder(HOLDER, 2 * LOT), Holder(KEY, 3 * LOT)]

    _run(tmp_path, drive)
    assert 2 * HOLDERS_MAX + 1 <= 32_768
