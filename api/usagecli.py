"""The command line of metered use: `tokenbourse usage send` of gateways, `tokenbourse usage watch` of whoever uses.

A batch whose answer did not come is sent again under its number, and the exchange answers as it did; a whole file sent
again counts nothing twice, for each record has its id.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer

from api.client.conduct import Patience
from api.client.faults import BadAddressError, ClientError, ConnectionFailedError, OutcomeUnknownError, Refused
from api.client.feed import Parted
from api.client.operations import Access, Operation
from api.client.rest import URL, Client
from api.client.signing import BadKeyError, Key, find_key
from api.client.streams import AllowanceStream
from api.ledgercli import EXIT_DIFFERENCE, AsJson, bar, err, fail, out
from api.messages.allowances import Allowances, AllowancesChanged, RemainingChanged
from api.tradecli import KeyFile, Url
from api.usagefiles import UsageFileError, batches, count
from api.v1.metering import RECORDS_MAX, Record
from settlement.progress import Progress

PATIENCE = Patience(attempts=8, first_s=0.5, longest_s=8.0, told_s_max=60.0)
TIMEOUT_S = 60.0


class Sent(NamedTuple):
    """What became of all records of a file."""

    records: int = 0
    applied: int = 0
    duplicates: int = 0
    refused: int = 0
    tokens: int = 0
    overrun: int = 0


class _Counted(msgspec.Struct):
    """What the answer to a batch counts."""

    applied: int
    duplicates: int
    refused: int
    tokens: int
    overrun: int


def next_batch() -> Operation[dict[str, int]]:
    """Ask for the number of the issuer's next batch."""
    return Operation("GET", "/v1/usage-batch", dict[str, int], access=Access.SIGNED)


def report(number: int, records: list[Record]) -> Operation[_Counted]:
    """Report use; the same batch again is answered as it was."""
    body = msgspec.json.encode({"batch": number, "records": records})
    return Operation("POST", "/v1/usage", _Counted, access=Access.SIGNED, body=body)


def register(app: typer.Typer) -> None:
    """Add the commands of gateways."""
    group = typer.Typer(help="Metered use of token allowances.", no_args_is_help=True)
    group.command("send")(send_file)
    group.command("watch")(watch)
    app.add_typer(group, name="usage")


def send_file(
    file: Annotated[Path, typer.Argument(help="Records: .parquet, .ndjson or .csv.", exists=True, dir_okay=False)],
    url: Url = URL,
    key_file: KeyFile = None,
    key: Annotated[str, typer.Option(help="Whose use it is, of records that name no key.")] = "",
    size: Annotated[int, typer.Option("--batch", min=1, max=RECORDS_MAX, help="Records of one batch.")] = RECORDS_MAX,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Report the use in a file; exit 1 if a record was refused."""
    try:
        with Client(url, _own_key(key_file), patience=PATIENCE, timeout_s=TIMEOUT_S) as client, bar() as progress:
            sent = send(client, file, key, size, progress)
    except (ConnectionFailedError, OutcomeUnknownError) as error:
        fail(f"{url}: {error}: send the file again, nothing counts twice")
    except (ClientError, UsageFileError) as error:
        fail(str(error))
    _show(sent, as_json=as_json)
    if sent.refused:
        raise typer.Exit(EXIT_DIFFERENCE)


def send(client: Client, file: Path, key: str, size: int, progress: Progress) -> Sent:
    """Send all batches of a file, and return the sums."""
    total, number = count(file), client.run(next_batch())["batch"]
    sums = Sent()
    for records in batches(file, key, size):
        told = Sent(len(records), *msgspec.structs.astuple(client.run(report(number, records))))
        sums = Sent(*[before + now for before, now in zip(sums, told, strict=True)])
        progress("usage records", sums.records, total)
        number += 1
    return sums


def watch(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys to hear of alone; all unless given.")] = None,
    url: Url = URL,
    key_file: KeyFile = None,
    once: Annotated[bool, typer.Option("--once", help="Say how things stand, and end.")] = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Follow what API keys have left: your own, or with an issuer's metering key those with units of its series."""
    own = _own_key(key_file)
    try:
        stream = AllowanceStream(url, own, *(keys or ()))
    except BadAddressError as error:
        fail(str(error))
    try:
        for event in stream:
            if isinstance(event, Allowances | AllowancesChanged):
                _tell(event, as_json=as_json)
            elif isinstance(event, Parted):
                err.print(f"not connected: {event.reason}", highlight=False)
            if once and isinstance(event, Allowances):
                stream.close()
    except Refused as refused:
        fail(str(refused))
    except KeyboardInterrupt:
        stream.close()


def _tell(event: Allowances | AllowancesChanged, *, as_json: bool) -> None:
    if as_json:
        out.print_json(msgspec.json.encode(event).decode(), indent=None)
        return
    for row in event.rows:
        causes = row.changes.items() if isinstance(row, RemainingChanged) else ()
        why = ", ".join(f"{cause.lower().replace('_', ' ')} {amount}" for cause, amount in causes)
        out.print(f"{row.key}  {row.asset}  {row.available}" + (f"  ({why})" if why else ""), highlight=False)


def _own_key(key_file: Path | None) -> Key:
    try:
        own = find_key(key_file)
    except BadKeyError as error:
        fail(str(error))
    if own is None:
        fail("this needs a key: name its file with --key-file")
    return own


def _show(sent: Sent, *, as_json: bool) -> None:
    if as_json:
        out.print_json(data=sent._asdict())
        return
    fates = f"{sent.applied:,} applied, {sent.duplicates:,} known, {sent.refused:,} refused"
    out.print(f"{sent.records:,} records: {fates}", highlight=False)
    out.print(f"{sent.tokens:,} tokens burned, {sent.overrun:,} beyond the allowance", highlight=False)
