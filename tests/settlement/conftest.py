"""A real Postgres for the tests of the ledger: the embedded one, or the server that TOKENBOURSE_DSN names."""

import asyncio
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from settlement.embedded import SETTINGS, Embedded
from settlement.migrate import migrate
from tests.settlement.exchanges import activity, read, write
from tests.settlement.posting import post_all

TEMPLATE = "ledger_template"
SMALL = {**SETTINGS, "shared_buffers": "64MB", "max_wal_size": "512MB"}
_NUMBERS = itertools.count(1)


def in_database(dsn: str, name: str) -> str:
    """Return the same address with another database."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{name}"))


async def recreate(dsn: str, name: str, template: str = "template1") -> str:
    """Make a database anew and return its address."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    finally:
        await connection.close()
    return in_database(dsn, name)


@pytest.fixture(scope="session")
def server_dsn(session_dir: Path) -> Iterator[str]:
    given = os.environ.get("TOKENBOURSE_DSN")
    if given:
        yield given
        return
    # another folder for each module that asks for this fixture under its own name
    server = Embedded(session_dir / f"postgres-{next(_NUMBERS)}", SMALL)
    server.start()
    yield server.dsn
    assert server.pid is not None
    os.kill(server.pid, signal.SIGQUIT)  # nobody needs its files any more: a clean end would write them all down
    server.stop()


@pytest.fixture(scope="session")
def template_dsn(server_dsn: str) -> str:
    async def make() -> str:
        dsn = await recreate(server_dsn, TEMPLATE)
        await migrate(dsn)
        return dsn

    return asyncio.run(make())


@pytest.fixture
def dsn(server_dsn: str, template_dsn: str) -> str:
    """Return a fresh, migrated database."""
    return asyncio.run(recreate(server_dsn, f"ledger_{next(_NUMBERS) % 16}", TEMPLATE))


@pytest.fixture
def empty_dsn(server_dsn: str) -> str:
    """Return a fresh database without a ledger."""
    return asyncio.run(recreate(server_dsn, "empty"))


@pytest.fixture(scope="session")
def exchange_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an exchange with a past that only reading tests share."""
    directory = tmp_path_factory.mktemp("exchange")
    write(directory, activity())
    return directory


@pytest.fixture(scope="session")
def settled(server_dsn: str, template_dsn: str, exchange_dir: Path) -> str:
    """Return its ledger, in several batches; a template for those that get damaged."""
    dsn = asyncio.run(recreate(server_dsn, "ledger_settled", TEMPLATE))
    asyncio.run(post_all(dsn, read(exchange_dir), size=50))
    return dsn


@pytest.fixture
def damaged(server_dsn: str, settled: str) -> str:
    """Return a copy of it to be damaged."""
    return asyncio.run(recreate(server_dsn, "ledger_damaged", "ledger_settled"))
