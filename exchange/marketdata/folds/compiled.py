"""What compiled folds are written with: the core's decorators, with a cache of their own, and the shape of an event.

A fold is handed the addresses of its state and of an array of events. It stops before the first event that it has no
room for and returns its place; the view makes room and lets it go on. So memory grows without the compiled part
knowing how.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from exchange.core.jit import ROW, Record, config, int64, kernel, record_at, routine
from exchange.core.jit import entry as _entry
from exchange.core.records import EVENT
from exchange.core.types import SLOT_BITS

__all__ = [
    "EVENT_ROW",
    "SLOT_MASK",
    "Record",
    "address",
    "cache_directory",
    "entry",
    "event_at",
    "int64",
    "kernel",
    "record_at",
    "routine",
]

SLOT_MASK = (1 << SLOT_BITS) - 1  # the part of an order id that no other open order shares
EVENT_ROW = np.dtype((ROW, EVENT))
_EVENT_BYTES = EVENT.itemsize


def cache_directory(folder: Path = Path(__file__).parent, *besides: Path) -> str:
    """Return where the compiled functions of a folder are kept: beside the core's, for exactly these sources.

    `besides` are sources elsewhere that they take constants from.
    """
    total = hashlib.sha256()
    for source in [*sorted(folder.glob("*.py")), *besides]:
        total.update(source.read_bytes())
    return f"{config.CACHE_DIR}-{folder.name}-{total.hexdigest()[:16]}"


def entry(function: Callable[..., Any], folder: Path = Path(__file__).parent, *besides: Path) -> Callable[..., Any]:
    """Compile what Python calls; numba looks for its cache while this is called, and at no other time."""
    kept, config.CACHE_DIR = config.CACHE_DIR, cache_directory(folder, *besides)
    try:
        made: Callable[..., Any] = _entry(function)
    finally:
        config.CACHE_DIR = kept
    return made


def address(array: np.ndarray) -> int:
    """Return where an array's first element stands."""
    return array.ctypes.data


@kernel
def event_at(events_at: int, index: int) -> Record:
    """Return one of an array of events."""
    return record_at(events_at + index * _EVENT_BYTES, EVENT_ROW)
