"""Register entries that are right, and a register on a fresh database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from exchange.registry.dataset import Move, State
from exchange.registry.entry import Entry, PersonalData, SourceKind
from exchange.registry.escrow import Party
from exchange.registry.licence import Right, Terms
from settlement.entitlements import Entitlement
from settlement.licences import Case, Licences, Series, Traded
from settlement.register import Change, Register

T = TypeVar("T")
VENDOR, OPERATOR = 1, 0
ENTRY = Entry(
    title="Common Crawl News",
    root="ab" * 32,
    size_bytes=31_000_000_000,
    rights=(Right.HOLD, Right.USE),
    source_kind=SourceKind.PUBLIC,
    personal_data=PersonalData.ANONYMOUS,
    licence="Research only",
    scenarios=("FT", "RAG"),
    valid_until=4_102_444_800_000,
    keywords=("news", "web"),
    publisher="Example Press",
)


def entry(**changed: Any) -> Entry:
    """Return an entry with some of it changed."""
    return replace(ENTRY, **changed)


def drafted(number: int, **changed: Any) -> Change:
    """Return the first move of a new entry."""
    return Change(number, 0, Move.DRAFT, State.DRAFT, VENDOR, VENDOR, 1, entry(**changed))


def with_register(dsn: str, act: Callable[[Register], Awaitable[T]]) -> T:
    """Do something with the register of a database."""

    async def run() -> T:
        register = await Register.open(dsn)
        try:
            return await act(register)
        finally:
            await register.close()

    return asyncio.run(run())


TERMS = Terms(
    right=Right.USE, seats=40, months=12, quota_tokens=100, royalty_bps=500, acceptance_hours=1, may_resell=True
)
INSTRUMENT, QUOTE, BUYER, SECOND = 7, 1, 2, 3
SERIES = Series(INSTRUMENT, "DL.0000000001.FT.Y1S40", 1, VENDOR, "FT", TERMS, "ab" * 32, 1)
CLERK = frozenset((Party.CLERK,))


def traded(trade: int, buyer: int = BUYER, seller: int = VENDOR, lots: int = 5, price: int = 100) -> Traded:
    """Return a trade of the series, whose seller pays a fee of 1."""
    notional = price * lots
    return Traded(trade, trade, trade, trade, INSTRUMENT, buyer, seller, lots, QUOTE, notional, notional - 1)


async def list_series(register: Register) -> Licences:
    """Write down a listed dataset with a series."""
    licences = Licences(register.pool)
    await register.append(drafted(1))
    await register.append(Change(1, 1, Move.LIST, State.LISTED, VENDOR, OPERATOR, 2, entry()))
    await licences.add_series(SERIES)
    return licences


def written(made: Entitlement, case: Case) -> str:
    """Return a text in the place of a signed one."""
    return f"{case.series.symbol} {made.holder} {made.seats}"
