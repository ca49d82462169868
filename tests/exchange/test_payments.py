"""Payments in parts: cut anywhere, and again from there, everybody who was planned is paid once, or nobody yet."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from exchange import payments, submitting
from exchange.core import commands
from exchange.payments import pay_out
from exchange.registry.documents import encode
from exchange.registry.series import PaymentsPlanned, payments_key
from exchange.sequencer import Stopped
from exchange.server import Exchange
from tests.exchange.submitters import busy, cut_at, opened
from tests.exchange.test_expiry import BASE, CASH, PLEDGED, _balances, _furnish
from tests.exchange.test_server import interpreter_as_before as interpreter_as_before

FIRST = PaymentsPlanned(BASE, "breach", 0, False, ((1, 10), (2, 20), (3, 0)))
LAST = PaymentsPlanned(BASE, "breach", 1, True, ((5, 30),))
PAID = {(1, CASH): 10, (2, CASH): 20, (5, CASH): 30, (PLEDGED, CASH): 1_200 - 60}
STEPS = 5  # two parts, two submissions of two payments at most, the end


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments, "PAID_AT_ONCE", 2)


async def _pay(exchange: Exchange, submit: Callable[[bytes, bytes], Awaitable[Any]], *parts: PaymentsPlanned) -> None:
    for part in parts:
        await submit(b"", encode(part))
    await pay_out(exchange.registry, submit)


async def _cash(exchange: Exchange) -> dict[tuple[int, int], int]:
    return {place: units for place, units in (await _balances(exchange)).items() if place[1] == CASH}


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_whoever_goes_on_pays_the_rest_of_what_was_planned(tmp_path: Path, step: int) -> None:
    async def run() -> None:
        exchange = await opened(tmp_path)
        await _furnish(exchange)
        before = await _cash(exchange)
        try:
            await _pay(exchange, cut_at(exchange, step), FIRST, LAST)
            assert step == STEPS
        except Stopped:
            assert step < STEPS
        await exchange.submit(commands.deposit(PLEDGED, CASH, 5))  # what stands meanwhile does not matter
        await exchange.stop()
        exchange = await opened(tmp_path)
        await pay_out(exchange.registry, exchange.submit)
        paid = {**PAID, (PLEDGED, CASH): PAID[PLEDGED, CASH] + 5}
        unpaid = {**before, (PLEDGED, CASH): before[PLEDGED, CASH] + 5}
        assert await _cash(exchange) == (paid if step >= 2 else unpaid)
        if step < 2:
            await _pay(exchange, exchange.submit, FIRST, LAST)
        await pay_out(exchange.registry, exchange.submit)
        assert await _cash(exchange) == paid
        plan = exchange.registry.allowances.payments[payments_key(BASE, "breach")]
        assert (plan.is_over, plan.holders, plan.paid, plan.rows) == (True, 4, 60, [])
        await exchange.stop()

    asyncio.run(run())


def test_it_waits_while_the_exchange_is_overloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "WAIT_S", 0.0)

    async def run() -> None:
        exchange = await opened(tmp_path)
        await _furnish(exchange)
        await _pay(exchange, busy(exchange, 2), FIRST, LAST)
        assert await _cash(exchange) == PAID
        await exchange.stop()

    asyncio.run(run())
