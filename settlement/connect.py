"""Connections to the ledger's database: always in a role that can do no more than its task."""

import asyncpg
import numpy as np

from settlement import config, copyformat

OWNER_ROLE = "tokenbourse_owner"
POSTER_ROLE = "tokenbourse_poster"
READER_ROLE = "tokenbourse_reader"
AUDITOR_ROLE = "tokenbourse_auditor"
REGISTRAR_ROLE = "tokenbourse_registrar"
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")

# what may pass when the server restarts or the network comes back; every other error is a fault of ours
PASSING_ERRORS = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver's word for a connection that went away between two messages
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, crash recovery, "cannot connect now"
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)

# everything that the database or the way to it may answer to a command: no such database, no ledger in it, no rights
DATABASE_ERRORS = (*PASSING_ERRORS, asyncpg.PostgresError)

# what it says of a text that it does not keep: one with the character U+0000
BAD_TEXTS = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)


class UnsafeServerError(Exception):
    """The server may lose what it has confirmed."""


async def connect(
    dsn: str, role: str, statement_seconds_max: float | None = config.STATEMENT_SECONDS_MAX
) -> asyncpg.Connection:
    """Return a connection that acts as one of the ledger's roles."""
    connection: asyncpg.Connection = await asyncpg.connect(
        dsn,
        server_settings=settings(role),
        timeout=config.CONNECT_SECONDS_MAX,
        command_timeout=statement_seconds_max,
    )
    return connection


def settings(role: str) -> dict[str, str]:
    """Return what each session of a role asks of the server."""
    common = {"application_name": role, "role": role, "jit": "off", "work_mem": "64MB"}
    # a poster that hangs gives the cursor up; a reader may look at one moment for as long as it needs
    return {**common, "idle_in_transaction_session_timeout": "60s" if role == POSTER_ROLE else "0"}


async def check_durability(connection: asyncpg.Connection) -> None:
    """Refuse (UnsafeServerError) a server that could forget a committed batch or tear a page."""
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", _DURABLE)
    found = {row["name"]: row["setting"] for row in rows}
    off = [name for name in _DURABLE if found.get(name) in ("off", None)]
    if off:
        raise UnsafeServerError(f"{', '.join(off)} is off on this server: turn it on before it may keep the ledger")


async def fetch_records(connection: asyncpg.Connection, query: str, dtype: np.dtype, *arguments: object) -> np.ndarray:
    """Return the rows of a query as records; its columns have the widths of the dtype's fields."""
    data = await fetch_copy(connection, query, *arguments)
    return copyformat.decode(data, dtype)


async def fetch_copy(connection: asyncpg.Connection, query: str, *arguments: object) -> bytes:
    """Return the rows of a query as binary COPY data."""
    buffer = bytearray()

    async def take(data: bytes) -> None:  # asyncpg takes a coroutine function here
        buffer.extend(data)

    await connection.copy_from_query(query, *arguments, output=take, format="binary")
    return bytes(buffer)
