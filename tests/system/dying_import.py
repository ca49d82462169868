"""A process that imports a catalogue into an exchange of its own and kills itself, SIGKILL, in front of a document.

python -m tests.system.dying_import DIRECTORY FILE DOCUMENT HOW_MANY_BEFORE
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from api import cataloguecli
from exchange import catalogues
from tests.api.v1.office import Office, office


def deadly(desk: Office, begin: bytes, count: int) -> None:
    """Let the process die when the exchange is to take one more document of a kind than `count`."""
    submit, seen = desk.exchange.submit, iter(range(count))

    def submitted(commands: bytes, document: bytes = b"") -> "asyncio.Future[Any]":
        if document.startswith(begin) and next(seen, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return submit(commands, document)

    desk.exchange.submit = submitted  # type: ignore[method-assign]


def main(directory: Path, file: Path, kind: str, count: int) -> None:
    """Import, in parts of two rows that are listed one by one."""
    cataloguecli.ROWS_MAX = 2
    catalogues.ROWS_AT_ONCE = 1
    app = typer.Typer()
    cataloguecli.register(app)
    with office(directory) as desk:
        desk.admit("acme", "read")
        deadly(desk, b'{"type":"%s"' % kind.encode(), count)
        words = ["catalogue", "import", str(file), "--data", str(directory), "--url", desk.base]
        told = CliRunner().invoke(app, [*words, "--state", "CONTINUOUS"])
    sys.exit(f"it lived: {told.output}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
