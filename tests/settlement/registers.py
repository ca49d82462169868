"""Register entries that are right, and a register on a fresh database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from exchange.registry.dataset import Move, State
from exchange.registry.entry import Entry, PersonalData, SourceKind
from exchange.registry.licence import Right
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
