"""Symbols of instruments for the shell's completion: known ones from a file, new ones from the exchange if it is quick.

Whatever goes wrong here is no answer to a key that was pressed: then there is nothing to complete, and nothing is said.
"""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

import typer

from api.client.conduct import Patience
from api.client.faults import ClientError, UnknownSymbol
from api.client.rest import URL, Client

URL_VARIABLE = "TOKENBOURSE_URL"
ASK_S = 0.5  # a person waits: whatever the exchange has not said by then is asked for at the next key
PAGE = 1_000  # instruments asked for at a time
COMPLETIONS_MAX = 500
CACHE_BYTES_MAX = 1 << 24


def symbols(context: typer.Context, incomplete: str) -> list[str]:
    """Return the symbols that begin like this, on the exchange that the command line names."""
    url = str(context.params.get("url") or os.environ.get(URL_VARIABLE) or URL)
    file = cache_file(url)
    names = _kept(file)
    found = _asked(url, names)
    if found != names:
        _keep(file, found)
    return [name for name in found if name.startswith(incomplete)][:COMPLETIONS_MAX]


def cache_file(url: str) -> Path:
    """Return where the symbols of an exchange are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tokenbourse" / f"symbols-{hashlib.sha256(url.encode()).hexdigest()[:16]}.txt"


def _asked(url: str, names: list[str]) -> list[str]:
    """Return the symbols known, and those listed since as far as there is time; instruments are listed in order."""
    until_s, found = time.monotonic() + ASK_S, list(names)
    try:
        with Client(url, patience=Patience(attempts=1), timeout_s=ASK_S) as client:
            while time.monotonic() < until_s:
                page = [one.symbol for one in client.instruments(found[-1] if found else "", PAGE).instruments]
                found += page
                if len(page) < PAGE:
                    break
    except UnknownSymbol:  # another exchange listens there now
        return []
    except (ClientError, ValueError):  # it is away, or the address is none
        return found
    return found


def _kept(file: Path) -> list[str]:
    try:
        if file.stat().st_size > CACHE_BYTES_MAX:
            return []
        return file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []


def _keep(file: Path, names: list[str]) -> None:
    """Put a file in the place of the one before, whole or not at all."""
    made = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        made.write_text("\n".join(names), "utf-8")
        made.replace(file)
        return
    with suppress(OSError):
        made.unlink()
