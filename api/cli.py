"""The command line: `tokenbourse serve`, `demo`, `reconcile`, `version`."""

import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.status import Status

from api import compose
from api.compose import ExchangeFailedError, Observer, Options, Started
from api.demo.day import Plan, run_day
from api.demo.server import ServerError
from api.demo.usage import TraceError
from api.keeper import POSTGRES_FOLDER
from api.version import own_version
from exchange.config import JOURNAL_FOLDER
from exchange.journal.contract import JournalError
from exchange.recovery import RecoveryError
from settlement.connect import PASSING_ERRORS, UnsafeServerError
from settlement.embedded import Embedded, PostgresError
from settlement.migrate import MigrationError
from settlement.reconcile import Report
from settlement.reconcile import reconcile as prove

HOST, PORT = "127.0.0.1", 8080
EXIT_DIFFERENCE, EXIT_FAILURE = 1, 2
DSN_VARIABLE = "TOKENBOURSE_DSN"
START_ERRORS = (
    JournalError,
    RecoveryError,
    PostgresError,
    MigrationError,
    UnsafeServerError,
    ExchangeFailedError,
    *PASSING_ERRORS,
)
EXAMPLES = """
**Examples**

`tokenbourse demo` shows a market, kills it in the middle and proves that nothing was lost

`tokenbourse serve --data ./exchange` serves on http://127.0.0.1:8080, the API described at /docs

`tokenbourse serve --data ./exchange --dsn postgresql://user@host/ledger` settles in a Postgres of your own

`tokenbourse reconcile --data ./exchange` proves that journal, engine, ledger and tape agree
"""

app = typer.Typer(
    name="tokenbourse",
    help="An exchange for LLM token allowances and dataset licences.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
)
out, err = Console(), Console(stderr=True)

Directory = Annotated[Path, typer.Option("--data", help="Data directory, made if need be.", file_okay=False)]
Dsn = Annotated[
    str | None, typer.Option("--dsn", envvar=DSN_VARIABLE, help="A Postgres of your own; else one is run beside.")
]


@app.command()
def serve(
    data: Directory = Path("exchange-data"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = PORT,
    dsn: Dsn = None,
    demo: Annotated[bool, typer.Option("--demo", help="With market makers and buyers that keep trading.")] = False,  # noqa: FBT002 - a switch
) -> None:
    """Serve the exchange until SIGINT or SIGTERM; after a kill the next start goes on from the journal."""
    _log_to_stderr()
    with err.status("starting") as status, _failures():
        compose.run(Options(data, host, port, dsn, demo), Observer(_steps(status), _welcome(status)))
    err.print("stopped: everything acknowledged is in the journal")


@app.command("demo")
def show(
    data: Annotated[Path | None, typer.Option("--data", help="Keep the day here; else nothing is kept.")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Usage to redeem: TIMESTAMP,ContextTokens,GeneratedTokens.", dir_okay=False)
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of trading before the kill, and after it.")] = 8.0,
) -> None:
    """Show a day of the exchange: trade, kill the engine in the middle, go on, prove that nothing was lost."""
    with _day_directory(data) as directory, _failures():
        holds = asyncio.run(run_day(Plan(directory, trace, seconds, seconds), out))
    if not holds:
        raise typer.Exit(EXIT_DIFFERENCE)


@app.command()
def reconcile(
    data: Directory = Path("exchange-data"),
    dsn: Dsn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 - a switch
    published: Annotated[str, typer.Option(help="Hash of a batch known from an earlier pass, in hexadecimal.")] = "",
) -> None:
    """Prove that journal, engine, ledger and tape agree, beside a running exchange too; exit 1 if they do not."""
    if not (data / JOURNAL_FOLDER).is_dir():
        _fail(f"no exchange in {data}: name its data directory by --data")
    with _failures(), _database(data, dsn) as address:
        report = asyncio.run(prove(data, address, published=_hash(published)))
    if as_json:
        out.print_json(json.dumps(_fields(report)))
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(EXIT_DIFFERENCE)


@app.command("version")
def print_version() -> None:
    """Print the version."""
    out.print(own_version(), highlight=False)


def main() -> None:
    """Run the command line."""
    app()


def _steps(status: Status) -> Callable[[str], None]:
    """Return what shows a step: a spinner on a terminal, a line in a log."""

    def step(text: str) -> None:
        status.update(text)
        if not err.is_terminal:
            err.print(text, highlight=False)

    return step


def _welcome(status: Status) -> Callable[[Started], None]:
    def welcome(started: Started) -> None:
        status.stop()
        out.print(f"tokenbourse {own_version()} listens on {started.url}", highlight=False, soft_wrap=True)
        out.print(f"the API is described at {started.url}/docs", highlight=False, soft_wrap=True)
        out.print(f"the operator's key is in {started.operator_file}", highlight=False, soft_wrap=True)
        out.print(f"{started.instruments:,} instruments, {started.events:,} events", highlight=False)
        out.file.flush()

    return welcome


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what may go wrong into one line and an exit code; a bug still shows where it is."""
    try:
        yield
    except (*START_ERRORS, ServerError, TraceError) as error:
        _fail(f"{type(error).__name__}: {error}")


def _fail(text: str) -> None:
    err.print(text, style="bold red", highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_FAILURE)


@contextmanager
def _day_directory(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="tokenbourse-demo-") as folder:
        yield Path(folder)


@contextmanager
def _database(data: Path, dsn: str | None) -> Iterator[str]:
    """Yield the ledger's address: the one given, the running exchange's, or that of our own Postgres meanwhile."""
    if dsn is not None:
        yield dsn
        return
    folder = data / POSTGRES_FOLDER
    if not folder.is_dir():
        _fail(f"no ledger in {data}: name its database by --dsn")
    postgres = Embedded(folder)
    try:
        postgres.start()
    except PostgresError:
        yield postgres.dsn  # the exchange runs, and its Postgres with it
        return
    try:
        yield postgres.dsn
    finally:
        postgres.stop()


def _hash(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if text else None
    except ValueError:
        raise typer.BadParameter("a hash is 64 hexadecimal digits", param_hint="--published") from None


def _fields(report: Report) -> dict[str, object]:
    counts = {name.replace(" ", "_"): count for name, count in report.counts.items()}
    return {
        "ok": report.ok,
        "difference": report.difference,
        **counts,
        "journal_head": report.journal_head,
        "ledger_head": report.ledger_head,
    }


def _print(report: Report) -> None:
    for name, count in report.counts.items():
        out.print(f"{count:>15,} {name}", highlight=False)
    out.print(f"journal head {report.journal_head}\nledger head  {report.ledger_head}", highlight=False, soft_wrap=True)
    if report.ok:
        out.print("journal = engine = ledger = tape", style="bold green")
    else:
        out.print(f"DIFFERENCE: {report.difference}", style="bold red", highlight=False, soft_wrap=True)


def _log_to_stderr() -> None:
    """Let logs go where they do not mix with what a command prints: readable on a terminal, JSON elsewhere."""
    shown = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    main()
