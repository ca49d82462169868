"""How clients write their orders, as the compiled reader knows it: the records, and what they are compiled with.

A wording is a row of parts: bytes that stand in every message written so, and between them what differs. With an
instrument it makes a row: all that is needed to turn such a message into a command, and its events into an answer.
"""

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from api import auth
from api.stream import frames
from exchange.core.jit import ROW
from exchange.core.records import COMMAND, EVENT
from exchange.marketdata.folds import compiled

FULL, RESULT, ACK = range(3)  # how much is answered


class Part(IntEnum):
    """What stands at a place of a message; all but the last have a span in each message."""

    MESSAGE = 0  # the whole of it
    ID = 1  # of the request, as JSON
    SYMBOL = 2
    PRICE = 3
    QUANTITY = 4
    NAME = 5  # the client order id
    TIME = 6
    WINDOW = 7
    SIGNATURE = 8
    LITERAL = 9


SPANS = int(Part.LITERAL)  # of one message: (begin, size) each
PARTS = np.dtype((ROW, [("kind", "<i8"), ("at", "<i8"), ("size", "<i8")]))
WORDINGS = np.dtype(
    (
        ROW,
        [
            ("first", "<i8"),  # of its parts
            ("end", "<i8"),
            ("side", "<i8"),
            ("order_type", "<i8"),
            ("time_in_force", "<i8"),
            ("flags", "<i8"),
            ("response", "<i8"),
        ],
    )
)
ROWS = np.dtype(
    (
        ROW,
        [
            ("wording", "<i8"),
            ("symbol_at", "<i8"),  # texts stand in the table of letters
            ("symbol_size", "<i8"),
            ("instrument", "<i8"),
            ("price_step", "<i8"),
            ("price_decimals", "<i8"),
            ("quantity_step", "<i8"),
            ("quantity_decimals", "<i8"),
            ("quote_decimals", "<i8"),
            ("prevention", "<i8"),
            ("terms_at", "<i8"),  # words of the answer
            ("terms_size", "<i8"),
            ("asset_at", "<i8"),  # the quote asset's name
            ("asset_size", "<i8"),
        ],
    )
)
_SOURCES = (Path(__file__).parent, *[Path(str(module.__file__)) for module in (auth, frames, compiled)])
COMMAND_ROW = np.dtype((ROW, COMMAND))
EVENT_ROW = np.dtype((ROW, EVENT))

DIGIT, NAMING, COUNTING, HEX = (1 << number for number in range(4))


def _letters() -> np.ndarray:
    """Return of each byte in what it may stand."""
    found = np.zeros(256, np.uint8)
    digits, small, large = b"0123456789", b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for kind, letters in (
        (DIGIT, digits),
        (NAMING, digits + small + large + b"-_.:/"),
        (COUNTING, digits + small + large + b"-_"),
        (HEX, digits + b"abcdef"),
    ):
        found[np.frombuffer(letters, np.uint8)] |= kind
    return found


LETTERS = _letters()


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile what Python calls, with a cache for exactly the sources that go in."""
    return compiled.entry(function, *_SOURCES)


def cache_directory() -> str:
    """Return where it is kept."""
    return compiled.cache_directory(*_SOURCES)
