"""The command line of datasets: `tokenbourse dataset root`, `prove`, `verify`, `entry`, and `check`.

They exit with 0 where what was asked holds, with 1 where it does not, and with 2 where they could not look.
"""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from api.content import ContentError, content_of
from api.content import prove as make_proof
from api.content import verify as check_proof
from api.croissant import CroissantError, described
from api.ledgercli import DATA, EXIT_DIFFERENCE, AsJson, Directory, Dsn, bar, database, err, fail, failures, out
from settlement.register import Register

SAMPLES = 16
NONCE_BYTES = 16
app = typer.Typer(help="Roots and proofs of datasets, offline; the register's history.", no_args_is_help=True)
Content = Annotated[Path, typer.Argument(exists=True, help="A file, or a folder of files.")]
Samples = Annotated[int, typer.Option(min=1, max=1_024, help="How many chunks to show.")]


def register(parent: typer.Typer) -> None:
    """Add the commands of datasets."""
    parent.add_typer(app, name="dataset")


@app.command("root")
def root(
    path: Content,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Print the content root of a dataset, its size and its number of chunks."""
    try:
        with bar() as progress:
            found = content_of(path, progress)
    except (ContentError, OSError) as error:
        fail(str(error))
    if as_json:
        out.print_json(json.dumps(found._asdict()))
    else:
        out.print(f"{found.root}  {found.size_bytes:,} bytes, {found.chunks:,} chunks", highlight=False, soft_wrap=True)


@app.command("prove")
def prove(
    path: Content,
    into: Annotated[Path, typer.Argument(help="File for the proof.", dir_okay=False)],
    nonce: Annotated[str, typer.Option(help="Hexadecimal, from whoever asks; drawn if none is given.")] = "",
    samples: Samples = SAMPLES,
) -> None:
    """Write the proof that a dataset is there: the chunks that root and nonce ask for, with their way to the root."""
    try:
        drawn = bytes.fromhex(nonce) or secrets.token_bytes(NONCE_BYTES)
        with bar() as progress:
            proof = make_proof(path, drawn, samples, progress)
        into.write_text(json.dumps(proof), encoding="ascii")
    except (ContentError, OSError, ValueError) as error:
        fail(str(error))
    out.print(f"{len(proof['samples'])} of {proof['chunks']:,} chunks under {proof['root']}", highlight=False)
    out.print(f"nonce {proof['nonce']}", highlight=False)


@app.command("verify")
def verify(
    proof: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `prove` wrote.")],
    content_root: Annotated[str, typer.Option("--root", help="The root in the register.")],
    nonce: Annotated[str, typer.Option(help="The nonce that was asked with.")],
    samples: Samples = SAMPLES,
) -> None:
    """Check a proof against the root in the register; exit 1 if it does not hold."""
    said = _json(proof)
    try:
        count = check_proof(said, content_root, bytes.fromhex(nonce), samples)
    except ValueError as error:
        err.print(f"DOES NOT HOLD: {error}", style="bold red", highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_DIFFERENCE) from None
    out.print(f"{count} chunks are under this root", style="bold green")


@app.command("entry")
def entry(
    croissant: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Croissant metadata (JSON-LD).")],
) -> None:
    """Print what Croissant metadata say for a register entry, as JSON."""
    try:
        found = described(_json(croissant))
    except CroissantError as error:
        fail(str(error))
    out.print_json(json.dumps(found))


@app.command("check")
def check(data: Directory = DATA, dsn: Dsn = None) -> None:
    """Follow the chain of hashes through the register's whole history; exit 1 at the first row that does not hold."""
    with failures(), database(data, dsn) as address:
        rows, fault = asyncio.run(_check(address))
    if fault:
        out.print(f"DIFFERENCE: {fault}", style="bold red", highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_DIFFERENCE)
    out.print(f"{rows:,} rows, the chain holds", style="bold green", highlight=False)


async def _check(dsn: str) -> tuple[int, str]:
    register_ = await Register.open(dsn)
    try:
        return await register_.first_fault()
    finally:
        await register_.close()


def _json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON the file holds
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        fail(f"{path} is no JSON: {error}")
