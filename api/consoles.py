"""Where the command line writes: a terminal as wide as it is, anything else wide enough that no id is cut.

Brackets are brackets: what people and the exchange wrote is printed as it is, never read as markup.
"""

import sys

from rich.console import Console

WIDTH = 200  # of what goes into a file or another program


def consoles() -> tuple[Console, Console]:
    """Return where answers go, and errors."""
    streams = (sys.stdout, False), (sys.stderr, True)
    out, err = (
        Console(stderr=errors, markup=False, width=None if stream.isatty() else WIDTH) for stream, errors in streams
    )
    return out, err
