"""The command line of metered use: `tokenbourse usage send` of gateways, `tokenbourse usage watch` of whoever uses.

A batch whose answer did not come is sent again under its number, and the exchange answers as it did; a whole file sent
again counts nothing twice, for each record has its id.
"""

import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import msgspec
import typer

from api.client.faults import Refused
from api.client.feed import Parted
from api.client.rest import URL
from api.client.signing import BadKeyError, Key, find_key
from api.client.streams import AllowanceStream
from api.ledgercli import EXIT_DIFFERENCE, AsJson, bar, err, fail, out
from api.messages.allowances import Allowances, AllowancesChanged, RemainingChanged
from api.tradecli import KeyFile, Url
from api.usagefiles import UsageFileError, batches, count
from api.v1.metering import RECORDS_MAX, Record
from settlement.progress import Progress

ATTEMPTS_MAX = 8  # to hear an answer
TIMEOUT_S = 60.0
WAIT_S = 1.0
PATIENCE_S = 60  # longer than that nobody waits for an exchange that says how long


class Sent(NamedTuple):
    """What became of all records of a file."""

    records: int = 0
    applied: int = 0
    duplicates: int = 0
    refused: int = 0
    tokens: int = 0
    overrun: int = 0


class GatewayError(Exception):
    """The exchange refused a batch, or was not reached; the message says which."""


class Gateway:
    """An issuer's way of reporting use."""

    def __init__(self, url: str, key: Key, transport: httpx.BaseTransport | None = None) -> None:
        """Report to an exchange with the issuer's key."""
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, transport=transport)
        self._key = key

    def next_batch(self) -> int:
        """Return the number of the next batch."""
        return int(self._ask("GET", "/v1/usage-batch", b"")["batch"])

    def send(self, number: int, records: list[Record]) -> dict[str, Any]:
        """Send a batch until its answer is heard, and return that."""
        return self._ask("POST", "/v1/usage", msgspec.json.encode({"batch": number, "records": records}))

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _ask(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        for attempt in range(ATTEMPTS_MAX):
            query = f"timestamp={time.time_ns() // 1_000_000}&recvWindow=60000"
            signature = self._key.signer.sign(query.encode() + body)
            headers = {"X-MBX-APIKEY": self._key.key, "content-type": "application/json"}
            signed = httpx.QueryParams({"signature": signature})
            try:
                answer = self._http.request(method, f"{path}?{query}&{signed}", content=body, headers=headers)
            except httpx.TransportError:
                time.sleep(WAIT_S * attempt)
                continue
            if answer.status_code == 503 and int(answer.headers.get("retry-after", 0)) <= PATIENCE_S:
                time.sleep(WAIT_S * attempt)
                continue
            told: dict[str, Any] = answer.json()
            if answer.status_code != 200:
                raise GatewayError(f"{told['code']}: {told['msg']}")
            return told
        raise GatewayError(f"no answer after {ATTEMPTS_MAX} attempts: send the file again, nothing counts twice")


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
    gateway = Gateway(url, _own_key(key_file))
    try:
        with bar() as progress:
            sent = send(gateway, file, key, size, progress)
    except (GatewayError, UsageFileError) as error:
        fail(str(error))
    finally:
        gateway.close()
    _show(sent, as_json=as_json)
    if sent.refused:
        raise typer.Exit(EXIT_DIFFERENCE)


def send(gateway: Gateway, file: Path, key: str, size: int, progress: Progress) -> Sent:
    """Send all batches of a file, and return the sums."""
    total, number = count(file), gateway.next_batch()
    sums = Sent()
    for records in batches(file, key, size):
        answer = gateway.send(number, records)
        told = Sent(len(records), *[answer[name] for name in Sent._fields[1:]])
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
    stream = AllowanceStream(url, own, *(keys or ()))
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
