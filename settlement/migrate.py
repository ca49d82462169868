"""Bring a database to the schema of this version: the numbered files of schema/, each applied once and in order."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import asyncpg

FOLDER = Path(__file__).with_name("schema")
_LOCK = 7_465_267  # any number: two migrations of one database wait for each other
_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_version (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The database was made by other migrations than these."""


class Migration(NamedTuple):
    """One file: `0002_rules.sql` is version 2."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Return the hash that tells whether an applied file was changed afterwards."""
        return sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """Return the files in order; their numbers are 1, 2, 3, ... without a gap."""
    files = sorted(folder.glob("[0-9]*.sql"))
    found = [Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in files]
    assert [migration.version for migration in found] == list(range(1, len(found) + 1)), "a migration is missing"
    return found


async def migrate(dsn: str, folder: Path = FOLDER) -> int:
    """Apply what is missing, all of it or nothing, and return how many files that was."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            return await _apply(connection, migrations(folder))
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, known: list[Migration]) -> int:
    await connection.execute(_VERSIONS)
    rows = await connection.fetch("SELECT version, name, sha256 FROM schema_version ORDER BY version")
    applied = [(row["version"], row["name"], row["sha256"]) for row in rows]
    expected = [(migration.version, migration.name, migration.sha256) for migration in known]
    if applied != expected[: len(applied)]:
        raise MigrationError(f"the database has migrations {applied}, this version has {expected}")
    missing = known[len(applied) :]
    for migration in missing:
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_version (version, name, sha256) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.sha256,
        )
    return len(missing)
