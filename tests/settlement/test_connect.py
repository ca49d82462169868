"""Roles, and servers that may not keep a ledger."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from settlement.connect import (
    PASSING_ERRORS,
    POSTER_ROLE,
    READER_ROLE,
    UnsafeServerError,
    check_durability,
    connect,
    fetch_records,
)
from settlement.records import INSTRUMENT
from tests.settlement.posting import execute


async def _value(dsn: str, role: str, query: str) -> object:
    connection = await connect(dsn, role)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.parametrize("role", [POSTER_ROLE, READER_ROLE])
def test_a_connection_acts_as_its_role(role: str, dsn: str) -> None:
    assert asyncio.run(_value(dsn, role, "SELECT current_user::text")) == role


def test_a_poster_that_hangs_in_a_transaction_is_cut_off(dsn: str) -> None:
    query = "SHOW idle_in_transaction_session_timeout"
    assert asyncio.run(_value(dsn, POSTER_ROLE, query)) == "1min"
    assert asyncio.run(_value(dsn, READER_ROLE, query)) == "0"


async def _check(dsn: str) -> None:
    connection = await connect(dsn, POSTER_ROLE)
    try:
        await check_durability(connection)
    finally:
        await connection.close()


def test_a_durable_server_is_accepted(dsn: str) -> None:
    asyncio.run(_check(dsn))


def test_a_server_that_commits_before_the_disk_has_it_is_refused(dsn: str) -> None:
    name = urlsplit(dsn).path.removeprefix("/")
    asyncio.run(execute(dsn, f"ALTER DATABASE {name} SET synchronous_commit = off"))
    with pytest.raises(UnsafeServerError, match=r"^synchronous_commit is off"):
        asyncio.run(_check(dsn))


class _Settings:
    """Stands for the settings that only a server's restart could change."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings

    async def fetch(self, _query: str, names: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"name": name, "setting": self._settings[name]} for name in names if name in self._settings]


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_each_guard_counts(name: str) -> None:
    on = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "remote_apply"}
    asyncio.run(check_durability(_Settings(on)))  # type: ignore[arg-type]
    for settings in ({**on, name: "off"}, {key: value for key, value in on.items() if key != name}):
        with pytest.raises(UnsafeServerError, match=f"^{name} is off"):
            asyncio.run(check_durability(_Settings(settings)))  # type: ignore[arg-type]


def test_records_come_back_in_their_layout(dsn: str) -> None:
    async def fetch() -> list[tuple[int, ...]]:
        connection = await connect(dsn, READER_ROLE)
        query = "SELECT 1::int, $1::int, 3::int, 4::bigint, 5::bigint, 6::bigint"
        found = await fetch_records(connection, query, INSTRUMENT, 2)
        await connection.close()
        return found.tolist()

    assert asyncio.run(fetch()) == [(1, 2, 3, 4, 5, 6)]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionRefusedError(), True),
        (asyncpg.AdminShutdownError(), True),
        (asyncpg.CannotConnectNowError(), True),
        (asyncpg.ConnectionDoesNotExistError(), True),
        (asyncpg.DiskFullError(), True),
        (asyncpg.CheckViolationError(), False),
        (asyncpg.UndefinedTableError(), False),
        (asyncpg.InsufficientPrivilegeError(), False),
    ],
)
def test_what_passes_by_itself(error: Exception, passes: bool) -> None:
    assert isinstance(error, PASSING_ERRORS) is passes
