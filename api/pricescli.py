"""The command line of published prices: `tokenbourse index recompute`."""

import asyncio
import json

import typer

from api.ledgercli import DATA, EXIT_DIFFERENCE, AsJson, Directory, Dsn, bar, check_exchange, database, failures, out
from exchange.config import Config
from settlement.recompute import recompute


def register(app: typer.Typer) -> None:
    """Add the commands of published prices."""
    group = typer.Typer(help="Indices and settlement prices.", no_args_is_help=True)
    group.command("recompute")(recompute_prices)
    group.callback()(lambda: None)
    app.add_typer(group, name="index")


def recompute_prices(
    data: Directory = DATA,
    dsn: Dsn = None,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Compute every published price again from the tape, bit for bit; exit 1 at the first that does not come out."""
    check_exchange(data)
    with failures(), database(data, dsn) as address, bar() as progress:
        report = asyncio.run(recompute(data, address, Config(), progress=progress))
    if as_json:
        out.print_json(json.dumps({"ok": report.ok, **report._asdict()}))
    else:
        out.print(f"{report.event_count:>15,} events\n{report.published_count:>15,} published prices", highlight=False)
        verdict = "every published price comes out of the tape" if report.ok else f"DIFFERENCE: {report.difference}"
        out.print(verdict, style="bold green" if report.ok else "bold red", highlight=False, soft_wrap=True)
    if not report.ok:
        raise typer.Exit(EXIT_DIFFERENCE)
