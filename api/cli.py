"""The command line: `tokenbourse serve`, `demo`, `version`; `ledgercli` adds the ledger's, `tradecli` the traders'."""

import asyncio
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

from api import cataloguecli, compose, datasetcli, entitlementcli, ledgercli, operatorcli, pricescli, tradecli, usagecli
from api.compose import Observer, Options, Started, Tls
from api.demo.day import Plan, run_day
from api.gateways.fleet import GATEWAYS_MAX
from api.ledgercli import EXIT_DIFFERENCE, Directory, Dsn, err, failures, out
from api.logs import log_to_stderr
from api.manual import illustrate
from api.origins import origin_of
from api.version import own_version

HOST, PORT = "127.0.0.1", 8080
EXAMPLES = """
**Examples**

`tokenbourse demo` shows a market, kills it in the middle and proves that nothing was lost

`tokenbourse serve --data ./exchange` serves on http://127.0.0.1:8080, the API described at /docs

`tokenbourse serve --data ./exchange --dsn postgresql://user@host/ledger` settles in a Postgres of your own

`tokenbourse catalogue import prices.csv --rate USD=7.10 --issuer 1` lists the models of a price list

`tokenbourse reconcile --data ./exchange` proves that journal, engine, ledger and tape agree

`tokenbourse audit --data ./exchange` follows the chain of hashes and computes every fee again

`tokenbourse operator halt --why "prices are stale"` halts all that trades, and writes down who, when and why

`tokenbourse index recompute --data ./exchange` computes every published price again from the tape

`tokenbourse dataset root ./corpus` prints the content root that a register entry names

`tokenbourse entitlement verify entitlement.json --key KEY` checks a buyer's right to read, offline

`tokenbourse statement 3 --data ./exchange --csv` lists what happened to an account

`tokenbourse book TA.CTEL.Q3.OUT.GZ.M2701.G80A --watch` follows a book of the exchange at `--url`

`tokenbourse buy TA.CTEL.Q3.OUT.GZ.M2701.G80A 5 0.2 --key-file alice.json` buys 5 lots at 0.2 or less
"""

app = typer.Typer(
    name="tokenbourse",
    help="An exchange for LLM token allowances and dataset licences.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # a local variable may be a secret
)
ledgercli.register(app)
datasetcli.register(app)
entitlementcli.register(app)
cataloguecli.register(app)
pricescli.register(app)
operatorcli.register(app)
tradecli.register(app)
usagecli.register(app)


@app.command()
def serve(
    data: Directory = Path("exchange-data"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = PORT,
    dsn: Dsn = None,
    demo: Annotated[bool, typer.Option("--demo", help="With market makers and buyers that keep trading.")] = False,  # noqa: FBT002 - a switch
    gateways: Annotated[int, typer.Option(min=0, max=GATEWAYS_MAX, help="Processes in front of the exchange's.")] = 0,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain in PEM, to serve over TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key in PEM.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Web pages that may use it: https://HOST, or *.")
    ] = None,
) -> None:
    """Serve the exchange until SIGINT or SIGTERM; after a kill the next start goes on from the journal."""
    origins = _origins(allow_origin or [])
    log_to_stderr()
    with err.status("starting") as status, failures():
        tls = _tls(tls_cert, tls_key, demo=demo)
        options = Options(data, host, port, dsn, demo, gateways=gateways, tls=tls, origins=origins)
        compose.run(options, Observer(_steps(status), _welcome(status)))
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
    with _day_directory(data) as directory, failures():
        holds = asyncio.run(run_day(Plan(directory, trace, seconds, seconds), out))
    if not holds:
        raise typer.Exit(EXIT_DIFFERENCE)


@app.command("version")
def print_version() -> None:
    """Print the version."""
    out.print(own_version(), highlight=False)


def _tls(certificate: Path | None, key: Path | None, *, demo: bool) -> Tls | None:
    """Return the files for TLS, both or none; the demo's own clients speak plain HTTP."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None or not certificate.is_file() or not key.is_file():
        raise typer.BadParameter("--tls-cert and --tls-key go together and name files that exist")
    if demo:
        raise typer.BadParameter("--demo trades over plain HTTP: leave out --tls-cert and --tls-key")
    try:  # a key that asks for a pass phrase is refused: nobody is there to type it after a restart
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise typer.BadParameter(
            f"{certificate} and {key} are no certificate in PEM with its key, without a pass phrase: {error}"
        ) from None
    return Tls(certificate, key)


def _origins(texts: list[str]) -> tuple[str, ...]:
    try:
        return tuple(origin_of(text) for text in texts)
    except ValueError as error:
        raise typer.BadParameter(f"--allow-origin: {error}") from None


illustrate(app)


def _steps(status: Status) -> Callable[[str], None]:
    """Return what shows a step: a spinner on a terminal, a line in a log as each begins, however often it counts."""
    told = ""

    def step(text: str) -> None:
        nonlocal told
        status.update(text)
        what, _, _ = text.partition(":")
        if not err.is_terminal and what != told:
            err.print(text, highlight=False)
        told = what

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
def _day_directory(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="tokenbourse-demo-") as folder:
        yield Path(folder)
