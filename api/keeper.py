"""Keeps the ledger going beside the exchange: Postgres, unless a DSN is given, and the poster, restarted when they die.

All of it happens on one thread that lives as long as the exchange, for the kernel ties a child process to the thread
that made it. Trading does not wait for any of this: while the ledger is away, it lags, and then it catches up.
"""

import asyncio
import subprocess
import threading
from pathlib import Path

import structlog

from settlement.connect import POSTER_ROLE, check_durability, connect
from settlement.embedded import Embedded, PostgresError
from settlement.migrate import migrate
from settlement.poster import EXIT_SUPERSEDED, spawn

POSTGRES_FOLDER = "postgres"
LOOK_S = 0.2  # between two looks at the children
RESTART_S = (0.0, 0.5, 1.0, 2.0, 5.0)  # before a poster that died is started again, the last repeated
CALM_S = 60.0  # a poster that lived so long dies for the first time
FINISH_S = 30.0  # for the poster to post what waits
log = structlog.get_logger()


class Keeper:
    """One ledger's database and poster."""

    def __init__(self, directory: Path, dsn: str | None) -> None:
        """Prepare to keep the ledger of a data directory, in the database that a DSN names or in one of our own."""
        self._directory = directory
        self._postgres = Embedded(directory / POSTGRES_FOLDER) if dsn is None else None
        self._dsn = dsn
        self._poster: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self.poster_deaths = 0  # since the start
        self.postgres_deaths = 0
        self._thread = threading.Thread(target=self._run, name="keeper")

    def start(self) -> None:
        """Begin; does not wait."""
        self._thread.start()

    def dsn(self) -> str:
        """Wait until the ledger is there, and return its address; raise what kept it from being there."""
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        assert self._dsn is not None
        return self._dsn

    def stop(self) -> None:
        """Let the poster post what waits, then stop Postgres; does nothing twice."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 - raised where the ledger is waited for
            self._failure = error
        self._ready.set()
        try:
            if self._failure is None:
                self._keep()
        finally:
            self._close()

    def _open(self) -> None:
        if self._postgres is not None:
            self._postgres.start()
            self._dsn = self._postgres.dsn
        assert self._dsn is not None
        asyncio.run(_prepare(self._dsn))
        self._poster = spawn(self._directory, self._dsn)

    def _keep(self) -> None:
        """Look at the children until told to stop."""
        deaths, lived_s = 0, 0.0
        while not self._stop.wait(LOOK_S):
            self._keep_postgres()
            assert self._poster is not None
            status = self._poster.poll()
            lived_s = lived_s + LOOK_S if status is None else 0.0
            if lived_s > CALM_S:
                deaths = 0
            if status == EXIT_SUPERSEDED:
                log.error("another exchange posts to this ledger: nothing is posted from here any more")
                self._stop.wait()
            elif status is not None:
                self.poster_deaths += 1
                self._restart_poster(status, deaths)
                deaths += 1

    def _keep_postgres(self) -> None:
        try:
            if self._postgres is not None and self._postgres.ensure_running():
                self.postgres_deaths += 1
                log.warning("postgres had ended and was started again")
        except PostgresError:
            log.exception("postgres does not start again")

    def _restart_poster(self, status: int, deaths: int) -> None:
        pause_s = RESTART_S[min(deaths, len(RESTART_S) - 1)]
        log.error("the poster ended and is started again", status=status, pause_s=pause_s)
        assert self._dsn is not None
        if not self._stop.wait(pause_s):
            self._poster = spawn(self._directory, self._dsn)

    def _close(self) -> None:
        if self._poster is not None:
            self._poster.terminate()
            try:
                self._poster.wait(FINISH_S)
            except subprocess.TimeoutExpired:
                log.warning("the poster did not finish in time: the next start goes on where it stands")
                self._poster.kill()
                self._poster.wait()
        if self._postgres is not None:
            self._postgres.stop()


async def _prepare(dsn: str) -> None:
    """Bring the schema up to date, and refuse a server that may forget what it has confirmed."""
    await migrate(dsn)
    connection = await connect(dsn, POSTER_ROLE)
    try:
        await check_durability(connection)
    finally:
        await connection.close()
