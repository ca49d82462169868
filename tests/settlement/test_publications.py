"""Publications: stored once and for good, read by name and by day."""

import asyncio
from typing import Any

import asyncpg
import pytest

from exchange.marketdata.indices import IndexRow
from exchange.marketdata.settlements import SettlementRow
from settlement import publications
from settlement.connect import AUDITOR_ROLE, POSTER_ROLE, READER_ROLE, connect
from settlement.publications import INDEX, SETTLEMENT, publication
from tests.settlement.conftest import dsn as dsn
from tests.settlement.conftest import server_dsn as server_dsn
from tests.settlement.conftest import template_dsn as template_dsn
from tests.settlement.posting import execute, fetch

DAY = 20_000


def index(day: int = DAY, version: int = 1, name: str = "Q3.OUT.GZ") -> IndexRow:
    return IndexRow(day, name, 1, version, 7_000_000 + version, "FULL", 0, 9, 1, 3, 3, 0, 9_000, 99, 1)


def settled(day: int = DAY, version: int = 1, symbol: str = "TA.X") -> SettlementRow:
    return SettlementRow(day, symbol, version, 100 + version, "LAST", 3, 0, 0, 1)


async def stored(dsn: str, *rows: Any) -> None:
    connection = await connect(dsn, POSTER_ROLE)
    try:
        await publications.store(connection, rows)
    finally:
        await connection.close()


async def asked(dsn: str, question: Any, *arguments: Any) -> Any:
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=1, server_settings={"role": READER_ROLE})
    try:
        return await question(pool, *arguments)
    finally:
        await pool.close()


def test_a_version_is_stored_once(dsn: str) -> None:
    asyncio.run(stored(dsn, index(), settled()))
    asyncio.run(stored(dsn, index()._replace(price=1), index(version=2)))
    rows = asyncio.run(fetch(dsn, "SELECT kind, version, body FROM ledger.publications ORDER BY kind, version"))
    assert rows == [
        (INDEX, 1, publication(index()).body),
        (INDEX, 2, publication(index(version=2)).body),
        (SETTLEMENT, 1, publication(settled()).body),
    ]
    assert publication(index()).body.startswith('{"day":20000,"name":"Q3.OUT.GZ","quote":1,"version":1,"price":7000001')


@pytest.mark.parametrize("statement", ["UPDATE ledger.publications SET body = ''", "DELETE FROM ledger.publications"])
def test_nothing_is_changed(dsn: str, statement: str) -> None:
    asyncio.run(stored(dsn, index()))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        asyncio.run(execute(dsn, statement))
    for role in (READER_ROLE, AUDITOR_ROLE):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            asyncio.run(execute(dsn, "INSERT INTO ledger.publications VALUES ('index','x',1,1,1,'')", role=role))


def test_prices_are_read_by_name_and_by_day(dsn: str) -> None:
    rows = [index(day) for day in (DAY, DAY + 1)] + [index(DAY, 2), settled(), settled(version=2), settled(symbol="Z")]
    asyncio.run(stored(dsn, *rows))
    found = asyncio.run(asked(dsn, publications.history, INDEX, "Q3.OUT.GZ", DAY + 9, 10))
    assert [(row.day, row.version) for row in found] == [(DAY + 1, 1), (DAY, 2), (DAY, 1)]
    assert [row.day for row in asyncio.run(asked(dsn, publications.history, INDEX, "Q3.OUT.GZ", DAY + 1, 1))] == [
        DAY
    ] * 2
    of_day = asyncio.run(asked(dsn, publications.of_day, SETTLEMENT, DAY, "", 10))
    assert [(row.name, row.version) for row in of_day] == [("TA.X", 2), ("Z", 1)]
    assert [row.name for row in asyncio.run(asked(dsn, publications.of_day, SETTLEMENT, DAY, "TA.X", 10))] == ["Z"]


class Prices:
    """In the place of the fold: rows that were published."""

    def __init__(self, *rows: Any) -> None:
        self.rows = list(rows)

    @property
    def published_count(self) -> int:
        return len(self.rows)

    def published_after(self, count: int) -> list[Any]:
        return self.rows[count:]


def test_what_is_published_is_stored_as_it_comes(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = Prices(index())
    failures = [OSError("away")]

    async def flaky(*arguments: Any) -> asyncpg.Connection:
        if failures:
            raise failures.pop()
        return await connect(*arguments)

    async def run() -> None:
        task = asyncio.create_task(publications.publish(prices, dsn, poll_s=0.01))  # type: ignore[arg-type]
        await until(1)
        prices.rows += [index(version=2), index(DAY - 100)]  # the last is too old to be news
        await until(2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def until(count: int) -> None:
        for _ in range(500):
            if (await fetch(dsn, "SELECT count(*) FROM ledger.publications"))[0][0] == count:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the rows were not stored")

    monkeypatch.setattr(publications, "connect", flaky)
    asyncio.run(run())
    assert failures == []
