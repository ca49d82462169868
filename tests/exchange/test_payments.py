"""Payments in parts: cut anywhere, and again from there, everybody who was planned is paid once, or nobody yet."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from exchange import payments, submitting
from exchange.core import commands
from exchange.core.types import AccountState, RejectReason, TransferPurpose
from exchange.payments import pay, pay_out
from exchange.registry.documents import encode
from exchange.registry.payouts import PaymentKind, PaymentPlan, PaymentsPlanned
from exchange.sequencer import Stopped
from exchange.server import Exchange
from tests.exchange.running import SMALL
from tests.exchange.submitters import busy, cut_at, opened
from tests.exchange.test_expiry import BASE, CASH, HOLDER, ISSUER, KEY, LOT, PLEDGED, _balances, _furnish
from tests.exchange.test_server import interpreter_as_before as interpreter_as_before

FIRST = PaymentsPlanned(BASE, PaymentKind.BREACH, "b", 500, 4, 0, False, ((1, 10, 0), (2, 20, 0), (3, 0, 0)))
LAST = replace(FIRST, part=1, is_last=True, rows=((5, 30, 0),))
PAID = {(1, CASH): 10, (2, CASH): 20, (5, CASH): 30, (PLEDGED, CASH): 1_200 - 60}
STEPS = 5  # two parts, two submissions of two payments at most, the end
ENDS = PaymentsPlanned(
    BASE, PaymentKind.DEFAULT, "d", 10_000, 2, 0, True, ((HOLDER, 20, 6 * LOT), (KEY, 5, 3 * LOT), (ISSUER, 0, 2 * LOT))
)
CLOSED, OPEN = (commands.set_account_state(HOLDER, state) for state in (AccountState.CLOSED, AccountState.ACTIVE))
DAYS_NS = 4 * 86_400 * 10**9


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments, "DONE_AT_ONCE", 2)


async def _pay(exchange: Exchange, submit: Callable[[bytes, bytes], Awaitable[Any]], *parts: PaymentsPlanned) -> None:
    for part in parts:
        await submit(b"", encode(part))
    await pay_out(exchange.registry, submit)


async def _cash(exchange: Exchange) -> dict[tuple[int, int], int]:
    return {place: units for place, units in (await _balances(exchange)).items() if place[1] == CASH}


async def _units(exchange: Exchange) -> dict[int, int]:
    return {account: units for (account, asset), units in (await _balances(exchange)).items() if asset == BASE}


def _plan(exchange: Exchange, part: PaymentsPlanned) -> PaymentPlan:
    found = exchange.registry.allowances.payments.find(part.asset, part.kind, part.id)
    assert found is not None
    return found


async def _furnished(folder: Path) -> Exchange:
    exchange = await opened(folder)
    await _furnish(exchange)
    await exchange.submit(commands.clear_book(1))
    return exchange


@pytest.mark.parametrize("later_ns", [0, DAYS_NS])  # the engine forgets an id in between
@pytest.mark.parametrize("step", range(STEPS + 1))
def test_whoever_goes_on_pays_the_rest_of_what_was_planned(tmp_path: Path, step: int, later_ns: int) -> None:
    async def run() -> None:
        exchange = await _furnished(tmp_path)
        before = await _cash(exchange)
        try:
            await _pay(exchange, cut_at(exchange, step), FIRST, LAST)
            assert step == STEPS
        except Stopped:
            assert step < STEPS
        await exchange.submit(commands.deposit(PLEDGED, CASH, 5))  # what stands meanwhile does not matter
        await exchange.stop()
        exchange = await opened(tmp_path, 1 + later_ns)
        await pay_out(exchange.registry, exchange.submit)
        paid = {**PAID, (PLEDGED, CASH): PAID[PLEDGED, CASH] + 5}
        unpaid = {**before, (PLEDGED, CASH): before[PLEDGED, CASH] + 5}
        assert await _cash(exchange) == (paid if step >= 2 else unpaid)
        if step < 2:
            await _pay(exchange, exchange.submit, FIRST, LAST)
        await pay_out(exchange.registry, exchange.submit)
        assert await _cash(exchange) == paid
        plan = _plan(exchange, FIRST)
        assert (plan.is_over, plan.holders, plan.paid, plan.owed) == (True, 4, 60, {})
        await exchange.stop()

    asyncio.run(run())


def test_what_was_done_is_known_without_a_snapshot_too(tmp_path: Path) -> None:
    async def run() -> None:
        exchange = await _furnished(tmp_path)
        with pytest.raises(Stopped):
            await _pay(exchange, cut_at(exchange, 3), FIRST, LAST)
        told = encode(exchange.registry.allowances.payments.due)
        await exchange.stop()
        for snapshot in (tmp_path / "snapshots").iterdir():
            snapshot.unlink()
        exchange = await opened(tmp_path, DAYS_NS)
        assert encode(exchange.registry.allowances.payments.due) == told
        await pay_out(exchange.registry, exchange.submit)
        assert await _cash(exchange) == PAID
        await exchange.stop()

    asyncio.run(run())


def test_who_is_refused_stays_owed_and_is_paid_once_that_is_mended(tmp_path: Path) -> None:
    async def run() -> None:
        exchange = await _furnished(tmp_path)
        await exchange.submit(CLOSED)
        await _pay(exchange, exchange.submit, FIRST, LAST)
        assert (await _cash(exchange)).get((HOLDER, CASH), 0) == 0
        await exchange.stop()
        exchange = await opened(tmp_path, DAYS_NS)
        await pay_out(exchange.registry, exchange.submit)  # a start tries again, and goes on
        plan = _plan(exchange, FIRST)
        assert (plan.is_over, plan.paid, plan.owed) == (False, 40, {HOLDER: 20})
        assert await pay(exchange.registry, exchange.submit, plan) == RejectReason.ACCOUNT_NOT_ACTIVE
        await exchange.submit(OPEN)
        assert await pay(exchange.registry, exchange.submit, plan) == RejectReason.NONE
        assert await _cash(exchange) == PAID
        assert (plan.is_over, plan.paid) == (True, 60)
        assert await pay(exchange.registry, exchange.submit, plan) == RejectReason.NONE
        await exchange.stop()

    asyncio.run(run())


def test_as_long_as_the_engine_has_no_room_for_ids_nobody_counts_as_paid(tmp_path: Path) -> None:
    async def run() -> None:
        exchange = await _furnished(tmp_path)
        await exchange.submit(commands.deposit(ISSUER, CASH, 10**6))
        made = [
            commands.transfer(ISSUER, KEY, CASH, 1, TransferPurpose.SUBACCOUNT, number.to_bytes(16, "little"))
            for number in range(1, SMALL.capacity.usage_ids + 1)
        ]
        for start in range(0, len(made), 512):
            await exchange.submit(b"".join(made[start : start + 512]))
        units, cash = await _units(exchange), await _cash(exchange)
        await _pay(exchange, exchange.submit, ENDS)
        plan = _plan(exchange, ENDS)
        assert await pay(exchange.registry, exchange.submit, plan) == RejectReason.RECENT_IDS_FULL
        assert (plan.is_over, plan.paid, plan.owed) == (False, 0, {HOLDER: 20, KEY: 5})
        assert await _cash(exchange) == cash
        assert await _units(exchange) == {HOLDER: units[HOLDER], KEY: units[KEY]}  # the issuer's own are burned
        await exchange.stop()

    asyncio.run(run())


def test_what_was_planned_is_burned_or_less_and_of_those_alone_who_were_paid(tmp_path: Path) -> None:
    async def run() -> None:
        exchange = await _furnished(tmp_path)
        await exchange.submit(
            commands.redeem(KEY, BASE, LOT, b"used".ljust(16)) + CLOSED
        )  # used, behind the plan's figures
        await _pay(exchange, exchange.submit, ENDS)
        plan = _plan(exchange, ENDS)
        assert await _units(exchange) == {HOLDER: 7 * LOT}
        assert (plan.is_over, plan.paid, plan.burned, plan.unburned) == (False, 5, 4 * LOT, {HOLDER: 6 * LOT})
        await exchange.submit(OPEN)
        await pay_out(exchange.registry, exchange.submit)
        assert await _units(exchange) == {HOLDER: LOT}  # came behind the plan
        assert (plan.is_over, plan.paid, plan.burned) == (True, 25, 10 * LOT)
        await exchange.stop()

    asyncio.run(run())


@pytest.mark.parametrize("step", range(1, 5))
def test_a_default_that_was_cut_short_burns_the_rest_later(tmp_path: Path, step: int) -> None:
    async def run() -> None:
        exchange = await _furnished(tmp_path)
        with pytest.raises(Stopped):
            await _pay(exchange, cut_at(exchange, step), ENDS)
        await exchange.stop()
        exchange = await opened(tmp_path, DAYS_NS)
        await pay_out(exchange.registry, exchange.submit)
        plan = _plan(exchange, ENDS)
        assert (plan.is_over, plan.paid, plan.burned) == (True, 25, 11 * LOT)
        assert await _units(exchange) == {HOLDER: LOT}
        await exchange.stop()

    asyncio.run(run())


def test_it_waits_while_the_exchange_is_overloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "WAIT_S", 0.0)

    async def run() -> None:
        exchange = await _furnished(tmp_path)
        await _pay(exchange, busy(exchange, 2), FIRST, LAST)
        assert await _cash(exchange) == PAID
        await exchange.stop()

    asyncio.run(run())
