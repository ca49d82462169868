"""The command line of catalogues: `tokenbourse catalogue import`.

A file is read and checked here, and every row of it by the exchange, before anything is planned; then it is planned in
parts, and listed when the last one is there. Should the exchange end before that, nothing is listed and the same
command goes on; should it end after that, its next start lists the rest.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import typer
from rich.table import Table

from api.client.faults import AnswerError, BadAddressError
from api.client.signing import BadKeyError
from api.client.wire import http_url
from api.demo.client import Refused, Rest, open_http
from api.demo.market import operator_key
from api.ledgercli import DATA, EXIT_DIFFERENCE, AsJson, Directory, bar, err, fail, out
from api.v1.catalogue import ROWS_MAX
from exchange.registry.pricelists import KINDS, TICKS_PER_YUAN, BadRow, FormatError, PriceList, Wanted, read
from settlement.progress import Progress

URL = "http://127.0.0.1:8080"
LISTING_S_MAX = 300  # until the last part of a large file is answered
SHOWN_MAX = 50  # bad lines on a terminal; --json names all
Address = Annotated[str, typer.Option("--url", help="Where the exchange listens.")]


class Terms(NamedTuple):
    """What the whole file is listed with."""

    issuer: int | None
    state: str
    is_dry: bool
    skips_bad: bool


class Imported(NamedTuple):
    """What became of a file."""

    listed: int
    known: int
    bad: list[BadRow]


def register(app: typer.Typer) -> None:
    """Add the commands of catalogues."""
    group = typer.Typer(help="Lists of what is traded.", no_args_is_help=True)
    group.command("import")(import_file)
    group.callback()(lambda: None)
    app.add_typer(group, name="catalogue")


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV of model prices, or of data sets.", exists=True, dir_okay=False)],
    data: Directory = DATA,
    url: Address = URL,
    rate: Annotated[list[str] | None, typer.Option(help="Yuan for one of a currency: USD=7.10; repeatable.")] = None,
    issuer: Annotated[int | None, typer.Option(min=0, help="Account that issues all; else the one so named.")] = None,
    state: Annotated[str, typer.Option(help="Trading state of what is listed.")] = "CLOSED",
    as_json: AsJson = False,  # noqa: FBT002 - a switch
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, list nothing.")] = False,  # noqa: FBT002
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="List the good rows all the same.")] = False,  # noqa: FBT002
) -> None:
    """List every model or data set of a file: all of them, or none and each bad line with its reason (exit 1)."""
    rates = parse_rates(rate or [])
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            found = read(lines, rates, datetime.now(UTC).date().isoformat())
    except UnicodeDecodeError:
        fail(f"{file} is no text in UTF-8: save it as CSV in UTF-8")
    except (FormatError, OSError) as error:
        fail(f"{file}: {error}")
    terms = Terms(issuer, state, dry_run, skip_bad)
    with reaching(url, data), bar() as progress:
        imported = asyncio.run(_import(found, data, url, terms, progress))
    _conclude(found, imported, terms, as_json=as_json)


@contextmanager
def reaching(url: str, data: Path) -> Iterator[None]:
    """Turn what may go wrong between an operator and the exchange into one line and an exit code."""
    try:
        http_url(url)
        yield
    except Refused as refusal:
        fail(f"the exchange refused: {refusal}")
    except AnswerError as error:
        fail(f"what answers at {url} is no exchange that this program knows: {error}")
    except (BadAddressError, BadKeyError) as error:
        fail(str(error))
    except (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError):
        fail(f"the exchange at {url} gave no answer, so it may have been done: operator acts and markets show whether")
    except (httpx.HTTPError, OSError) as error:
        fail(f"no exchange answers at {url} with the key in {data}: {error or type(error).__name__}")


def parse_rates(texts: list[str]) -> dict[str, Fraction]:
    """Return the yuan for one of each currency that is named with its rate."""
    rates = {}
    for text in texts:
        match = re.fullmatch(r"([A-Z]{3})=([0-9]{1,9}(?:\.[0-9]{1,9})?)", text)
        if match is None:
            raise typer.BadParameter("a rate is a currency and yuan, such as USD=7.10", param_hint="--rate")
        rates[match[1]] = Fraction(match[2])
    return rates


async def _import(found: PriceList, data: Path, url: str, terms: Terms, progress: Progress) -> Imported:
    bad = list(found.bad)
    async with open_http(url) as http:
        http.timeout = httpx.Timeout(LISTING_S_MAX)
        desk = Rest(http, operator_key(data))
        issuers = {} if terms.issuer is not None else await _accounts(desk)
        good = _issued(found.wanted, terms, issuers, bad)
        if bad and not terms.skips_bad:
            return Imported(0, 0, bad)
        checked = await _send(desk, found, good, terms, progress, is_dry=True)
        bad += checked.bad
        if terms.is_dry or (bad and not terms.skips_bad):
            return Imported(checked.listed if terms.is_dry else 0, checked.known, bad)
        if not checked.listed and not checked.bad:
            return Imported(0, checked.known, bad)
        refused = {row.line for row in checked.bad}
        kept = [(wanted, account) for wanted, account in good if wanted.line not in refused]
        listed = await _send(desk, found, kept, terms, progress, is_dry=False)
        return Imported(listed.listed, listed.known, [*bad, *listed.bad])


async def _accounts(desk: Rest) -> dict[str, int]:
    """Return the number of every account by its name."""
    numbers: dict[str, int] = {}
    after: dict[str, object] = {}
    while page := (await desk.signed("GET", "/v1/participants", **after))["participants"]:
        numbers |= {account["name"]: account["account"] for entry in page for account in entry["accounts"]}
        after = {"after": page[-1]["participant"]}
    return numbers


def _issued(wanted: list[Wanted], terms: Terms, issuers: dict[str, int], bad: list[BadRow]) -> list[tuple[Wanted, int]]:
    """Return what is wanted with the account that issues it; lines without one are bad."""
    good = []
    missing: dict[int, BadRow] = {}
    for row in wanted:
        account = issuers.get(row.issuer) if terms.issuer is None else terms.issuer
        if account is None:
            missing[row.line] = BadRow(row.line, f"no account is named {row.issuer}: create it, or give --issuer")
        else:
            good.append((row, account))
    bad += missing.values()
    return good


async def _send(
    desk: Rest, found: PriceList, rows: list[tuple[Wanted, int]], terms: Terms, progress: Progress, *, is_dry: bool
) -> Imported:
    """Send all rows in parts, to be checked or to be listed."""
    listed = known = 0
    bad: dict[int, BadRow] = {}
    what = "checking" if is_dry else "listing"
    shared = {"kind": KINDS[found.kind].name, "state": terms.state, "dry_run": is_dry}
    wanted_rows = [_row(*row) for row in rows]
    if not is_dry:
        shared["plan"] = hashlib.sha256(json.dumps([ROWS_MAX, shared, wanted_rows]).encode()).hexdigest()
    for number, start in enumerate(range(0, len(rows), ROWS_MAX)):
        part = rows[start : start + ROWS_MAX]
        place = {} if is_dry else {"part": number, "is_last": start + ROWS_MAX >= len(rows)}
        body = {**shared, **place, "rows": wanted_rows[start : start + ROWS_MAX]}
        answer = await desk.json("POST", "/v1/catalogue", body)
        listed, known = listed + answer["listed"], known + answer["known"]
        for refused in answer["refused"]:
            wanted = part[refused["row"]][0]
            bad[wanted.line] = BadRow(wanted.line, f"{wanted.symbol}: {refused['msg']}")
        progress(what, start + len(part), len(rows))
        if is_dry and listed > answer["room"]:
            fail(f"the exchange has room for {answer['room']} more instruments, fewer than the file asks for")
    return Imported(listed, known, list(bad.values()))


def _row(wanted: Wanted, account: int) -> dict[str, Any]:
    row: dict[str, Any] = {"symbol": wanted.symbol, "issuer": account, "description": wanted.description}
    if wanted.price_ticks:
        whole, ticks = divmod(wanted.price_ticks, TICKS_PER_YUAN)
        row["price"] = f"{whole}.{ticks:04}"
    return row


def _conclude(found: PriceList, imported: Imported, terms: Terms, *, as_json: bool) -> None:
    """Say what became of the file; exit 1 if lines were bad and the good ones were not asked for alone."""
    ok = terms.skips_bad or not imported.bad
    counts = {"rows": found.row_count, "listed": imported.listed, "known": imported.known}
    counts |= {"repeated": found.repeated_count, "bad": len(imported.bad)}
    if as_json:
        rows = [row._asdict() for row in imported.bad]
        out.print_json(json.dumps({"ok": ok, "dry_run": terms.is_dry, **counts, "bad_rows": rows}))
    else:
        for name, count in counts.items():
            out.print(f"{count:>10,} {name}", highlight=False)
        _print_bad(imported.bad)
        if not ok:
            err.print("nothing was listed: mend these lines, or pass them over with --skip-bad", style="bold red")
    if not ok:
        raise typer.Exit(EXIT_DIFFERENCE)


def _print_bad(bad: list[BadRow]) -> None:
    if bad:
        table = Table("line", "why")
        for row in bad[:SHOWN_MAX]:
            table.add_row(str(row.line), row.reason)
        if len(bad) > SHOWN_MAX:
            table.add_row("", f"and {len(bad) - SHOWN_MAX:,} more: --json names all")
        out.print(table)
