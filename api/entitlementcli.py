"""The command line of entitlements: `tokenbourse entitlement verify`, offline. Exits with 1 where one does not hold."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.ledgercli import EXIT_DIFFERENCE, err, fail, out
from api.signing import ENTITLEMENT, REVOCATIONS, SignatureError, opened

app = typer.Typer(help="Entitlements to read datasets, checked offline.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The signed text of the entitlement.")]
Key = Annotated[str, typer.Option(help="The venue's public key, hexadecimal: GET /v1/signers says it.")]
List_ = Annotated[
    Path | None,
    typer.Option("--revocations", exists=True, dir_okay=False, help="What GET /v1/revocations says."),
]


def register(parent: typer.Typer) -> None:
    """Add the commands of entitlements."""
    parent.add_typer(app, name="entitlement")


@app.callback()
def _group() -> None:
    """Keep `verify` a command of its own while it is the only one."""


@app.command("verify")
def verify(
    file: File,
    key: Key,
    revocations: List_ = None,
    at: Annotated[datetime | None, typer.Option(help="A time in UTC; else now.")] = None,
) -> None:
    """Check an entitlement's signature, its time and, where a list is given, that it was not revoked."""
    moment = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    try:
        public_key = bytes.fromhex(key)
        said = opened(_json(file), ENTITLEMENT, public_key)
        listed = [] if revocations is None else opened(_json(revocations), REVOCATIONS, public_key)["revoked"]
    except (SignatureError, ValueError) as error:
        _refuse(str(error))
    if not said["valid_from"] <= moment.timestamp() * 1000 < said["valid_until"]:
        _refuse("it is not valid at this time")
    if said["entitlement"] in listed:
        _refuse("it was revoked")
    quota = "without a limit" if said["quota_tokens"] is None else f"{said['quota_tokens']:,} tokens"
    out.print(
        f"entitlement {said['entitlement']} holds: {said['buyer']} may read dataset {said['dataset']} "
        f"with {said['seats']} seats, {quota}",
        style="green",
        highlight=False,
        soft_wrap=True,
    )


def _json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON the file holds
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        fail(f"{path} is no JSON: {error}")


def _refuse(reason: str) -> None:
    err.print(f"DOES NOT HOLD: {reason}", style="bold red", highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_DIFFERENCE)
