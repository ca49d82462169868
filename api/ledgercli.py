"""The command line of the ledger: `tokenbourse reconcile`, `audit`, `rebuild`, `statement`, `close-period`.

All of them work beside a running exchange. They exit with 0 where everything agrees, with 1 where a difference was
found, and with 2 where they could not look.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.compose import ExchangeFailedError
from api.consoles import consoles
from api.demo.server import ServerError
from api.demo.usage import TraceError
from api.keeper import POSTGRES_FOLDER
from api.ledgernames import names
from exchange.config import JOURNAL_FOLDER
from exchange.journal.contract import JournalError
from exchange.recovery import RecoveryError
from settlement import periods
from settlement.audit import audit as follow
from settlement.comparison import Report
from settlement.connect import DATABASE_ERRORS, PASSING_ERRORS, UnsafeServerError
from settlement.differences import Difference
from settlement.embedded import Embedded, PostgresError
from settlement.ledger import Ledger
from settlement.migrate import MigrationError
from settlement.progress import Progress as Progressed
from settlement.rebuild import NotEmptyError
from settlement.rebuild import rebuild as build
from settlement.reconcile import reconcile as prove
from settlement.statements import Statement, StatementError, statement_between, to_csv, to_parquet

EXIT_DIFFERENCE, EXIT_FAILURE = 1, 2
DSN_VARIABLE = "TOKENBOURSE_DSN"
ACCOUNT_MAX = ASSET_MAX = (1 << 31) - 1  # that the ledger has room for
TIME_NS_MAX = (1 << 63) - 1
HASH_BYTES = 32
CASH = 1  # the first asset of every exchange
START_ERRORS = (
    JournalError,
    RecoveryError,
    PostgresError,
    MigrationError,
    UnsafeServerError,
    ExchangeFailedError,
    *PASSING_ERRORS,
)
LEDGER_ERRORS = (NotEmptyError, Difference, StatementError, *DATABASE_ERRORS)
out, err = consoles()

Directory = Annotated[
    Path, typer.Option("--data", help="Data directory of the exchange; serve makes it if need be.", file_okay=False)
]
Dsn = Annotated[
    str | None, typer.Option("--dsn", envvar=DSN_VARIABLE, help="A Postgres of your own; else one is run beside.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AtCommand = Annotated[
    int | None, typer.Option("--at", min=0, help="Up to this command of the journal; else to its end.")
]
Heads = Annotated[
    list[str] | None, typer.Option("--head", help="A ledger head known from earlier, EVENT:HASH; may be repeated.")
]
Published = Annotated[str, typer.Option(help="Hash of a batch known from an earlier pass, in hexadecimal.")]
Start = Annotated[datetime | None, typer.Option(help="A time in UTC; else the beginning.")]
End = Annotated[datetime | None, typer.Option(help="A time in UTC; else now.")]
Account = Annotated[
    int | None, typer.Argument(min=0, max=ACCOUNT_MAX, help="Number of the account; 0 is the exchange's own.")
]
AccountName = Annotated[str | None, typer.Option("--account", help="Name of the account, instead of its number.")]
AssetName = Annotated[str, typer.Option("--asset", help="Number or name of the asset.")]
DATA = Path("exchange-data")


def register(app: typer.Typer) -> None:
    """Add the commands of the ledger."""
    app.command("reconcile")(reconcile)
    app.command("audit")(audit)
    app.command("rebuild")(rebuild)
    app.command("statement")(statement)
    app.command("close-period")(close_period)


def reconcile(
    data: Directory = DATA,
    dsn: Dsn = None,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
    at_command: AtCommand = None,
    published: Published = "",
    heads: Heads = None,
) -> None:
    """Prove that journal, engine, ledger and tape agree, beside a running exchange too; exit 1 if they do not."""
    check_exchange(data)
    known, batch_hash = parse_heads(heads or []), _hash(published, "--published")
    with failures(), database(data, dsn) as address, bar() as progress:
        report = asyncio.run(
            prove(data, address, published=batch_hash, at_command=at_command, heads=known, progress=progress)
        )
    _conclude(report, "journal = engine = ledger = tape", as_json=as_json)


def audit(
    data: Directory = DATA,
    dsn: Dsn = None,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
    at_command: AtCommand = None,
    heads: Heads = None,
) -> None:
    """Follow the chain from journal over tape to ledger and compute every fee again; exit 1 at the first difference."""
    check_exchange(data)
    known = parse_heads(heads or [])
    with failures(), database(data, dsn) as address, bar() as progress:
        report = asyncio.run(follow(data, address, at_command=at_command, heads=known, progress=progress))
    _conclude(report, "the chain holds: journal, tape, ledger", as_json=as_json)


def rebuild(
    into: Annotated[str, typer.Argument(help="Address of the database that gets the ledger; it has none yet.")],
    data: Directory = DATA,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
    at_command: AtCommand = None,
    head: Annotated[str, typer.Option(help="The head that must come out, EVENT:HASH; exit 1 if another does.")] = "",
) -> None:
    """Make the whole ledger again from the journal, in an empty database: the same events make the same head."""
    check_exchange(data)
    wanted = parse_heads([head] if head else [])
    with failures(), bar() as progress:
        made = asyncio.run(build(data, into, at_command=at_command, progress=progress))
    is_same = not wanted or wanted == parse_heads([made.ledger_head])
    if as_json:
        out.print_json(json.dumps({"ok": is_same, **made._asdict()}))
    else:
        for name, value in made._asdict().items():
            out.print(f"{name.replace('_', ' '):>13} {value}", highlight=False, soft_wrap=True)
    if not is_same:
        err.print(f"DIFFERENCE: the head is {made.ledger_head}, not {head}", style="bold red", soft_wrap=True)
        raise typer.Exit(EXIT_DIFFERENCE)


def statement(
    account: Account = None,
    data: Directory = DATA,
    dsn: Dsn = None,
    name: AccountName = None,
    asset: AssetName = str(CASH),
    start: Start = None,
    end: End = None,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for a spreadsheet.")] = False,  # noqa: FBT002 - a switch
    parquet: Annotated[Path | None, typer.Option(help="Write the lines to this Parquet file.")] = None,
) -> None:
    """Print opening balance, every posting and closing balance of an account in one asset, in units. They add up."""
    from_ns, to_ns = _nanoseconds(start, 0), _nanoseconds(end, TIME_NS_MAX)
    if from_ns > to_ns:
        fail("the statement would end before it begins: give --start a time before that of --end")
    with failures():
        who, what = _account(data, account, name), _asset(data, asset)
    with failures(), database(data, dsn) as address:
        found = asyncio.run(_statement(address, who, what, from_ns, to_ns))
        if parquet is not None:
            to_parquet(found, parquet)
    if as_json:
        out.print_json(json.dumps({**found._asdict(), "lines": [line._asdict() for line in found.lines]}))
    elif as_csv:
        typer.echo(to_csv(found), nl=False)
    else:
        _print_statement(found)


def close_period(
    period: Annotated[int, typer.Argument(min=0, help="Number of the period: partitions are named by it.")],
    data: Directory = DATA,
    dsn: Dsn = None,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Index, check and seal a period all of whose events are posted."""
    with failures(), database(data, dsn) as address:
        head = asyncio.run(periods.close_period(address, period))
    if as_json:
        out.print_json(json.dumps({"ok": True, "period": period, "head": head}))
    else:
        out.print(f"period {period} is closed, the chain's head is {head}", highlight=False, soft_wrap=True)


def _account(data: Path, number: int | None, name: str | None) -> int:
    if (number is None) == (name is None):
        fail("name one account, by its number or with --account by its name")
    if name is None:
        assert number is not None
        return number
    found = names(data).account(name)
    if found is None:
        fail(f"no account is named {name!r}")
    return found.index


def _asset(data: Path, asset: str) -> int:
    if asset.isdecimal():
        if int(asset) > ASSET_MAX:
            fail(f"no asset has number {asset}: the last possible one is {ASSET_MAX}")
        return int(asset)
    found = names(data).asset(asset)
    if found is None:
        fail(f"no asset is named {asset!r}")
    return found.index


async def _statement(dsn: str, account: int, asset: int, from_ns: int, to_ns: int) -> Statement:
    ledger = await Ledger.open(dsn)
    try:
        return await statement_between(ledger, account, asset, from_ns, to_ns)
    finally:
        await ledger.close()


@contextmanager
def failures() -> Iterator[None]:
    """Turn what may go wrong into one line and an exit code; a bug still shows where it is."""
    try:
        yield
    except (*START_ERRORS, *LEDGER_ERRORS, ServerError, TraceError) as error:
        fail(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        fail("interrupted")


def fail(text: str) -> NoReturn:
    """Say why it cannot be done, and end."""
    err.print(text, style="bold red", highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_FAILURE)


def check_exchange(data: Path) -> None:
    """Refuse a directory without a journal."""
    if not (data / JOURNAL_FOLDER).is_dir():
        fail(f"no exchange in {data}: name its data directory by --data")


@contextmanager
def database(data: Path, dsn: str | None) -> Iterator[str]:
    """Yield the ledger's address: the one given, the running exchange's, or that of our own Postgres meanwhile."""
    if dsn is not None:
        yield dsn
        return
    folder = data / POSTGRES_FOLDER
    if not folder.is_dir():
        fail(f"no ledger in {data}: name its database by --dsn")
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


@contextmanager
def bar() -> Iterator[Progressed]:
    """Yield what shows progress on a terminal, and says nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        tasks = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=max(done, total))

        yield progress


def parse_heads(texts: list[str]) -> dict[int, bytes]:
    """Return the hash of each event that is named with one."""
    heads = {}
    for text in texts:
        event, _, digest = text.partition(":")
        if not event.isdecimal() or not digest:
            raise typer.BadParameter("a head is EVENT:HASH, as reconcile prints it", param_hint="--head")
        heads[int(event)] = _hash(digest, "--head") or b""
    return heads


def _hash(text: str, option: str) -> bytes | None:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if text and len(found) != HASH_BYTES:
        raise typer.BadParameter(f"a hash is {2 * HASH_BYTES} hexadecimal digits", param_hint=option)
    return found or None


def _nanoseconds(moment: datetime | None, otherwise: int) -> int:
    """Return a time as the ledger counts it; what it has no room for is as good as its end or its beginning."""
    if moment is None:
        return otherwise
    return min(max(int(moment.replace(tzinfo=UTC).timestamp()) * 10**9, 0), TIME_NS_MAX)


def _conclude(report: Report, proof: str, *, as_json: bool) -> None:
    """Print a report; exit 1 if it names a difference."""
    if as_json:
        out.print_json(json.dumps(_fields(report)))
    else:
        _print(report, proof)
    if not report.ok:
        raise typer.Exit(EXIT_DIFFERENCE)


def _fields(report: Report) -> dict[str, object]:
    counts = {name.replace(" ", "_"): count for name, count in report.counts.items()}
    return {
        "ok": report.ok,
        "difference": report.difference,
        **counts,
        "journal_head": report.journal_head,
        "ledger_head": report.ledger_head,
    }


def _print(report: Report, proof: str) -> None:
    for name, count in report.counts.items():
        out.print(f"{count:>15,} {name}", highlight=False)
    out.print(f"journal head {report.journal_head}\nledger head  {report.ledger_head}", highlight=False, soft_wrap=True)
    if report.ok:
        out.print(proof, style="bold green")
    else:
        out.print(f"DIFFERENCE: {report.difference}", style="bold red", highlight=False, soft_wrap=True)


def _print_statement(found: Statement) -> None:
    table = Table("entry", "what", "amount", "balance", title=f"account {found.account}, asset {found.asset}")
    for column in table.columns[2:]:
        column.justify = "right"
    table.add_row(str(found.after_seq), "opening", "", f"{found.opening:,}")
    for line in found.lines:
        table.add_row(str(line.entry_id), line.kind, f"{line.amount:+,}", f"{line.balance:,}")
    table.add_row(str(found.upto_seq), "closing", "", f"{found.closing:,}")
    out.print(table)
