"""What the streams of books say that can be rebuilt from the stream alone: levels, and single orders."""

from decimal import Decimal
from typing import Any

import msgspec

from api.messages.market import Level


class BookSnapshot(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="bookSnapshot",
    rename={
        "event_time": "E",
        "symbol": "s",
        "last_update_id": "u",
        "bids": "b",
        "asks": "a",
        "checksum": "c",
    },
):
    """How the levels stand, best first, as of an update id; the next update follows it."""

    event_time: int
    symbol: str
    last_update_id: int
    bids: list[Level]
    asks: list[Level]
    checksum: int


class BookUpdate(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="bookUpdate",
    rename={
        "event_time": "E",
        "symbol": "s",
        "first_update_id": "U",
        "last_update_id": "u",
        "previous_update_id": "pu",
        "bids": "b",
        "asks": "a",
        "checksum": "c",
    },
):
    """Levels that changed and what stands there now, 0 for nothing; `checksum` is of the best levels afterwards."""

    event_time: int
    symbol: str
    first_update_id: int
    last_update_id: int
    previous_update_id: int
    bids: list[Level]
    asks: list[Level]
    checksum: int


class OrdersSnapshot(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="ordersSnapshot",
    rename={"event_time": "E", "symbol": "s", "last_update_id": "u", "bids": "b", "asks": "a"},
):
    """Which orders rest, each as id, price, quantity; the one that trades first first."""

    event_time: int
    symbol: str
    last_update_id: int
    bids: list[tuple[int, Decimal, Decimal]]
    asks: list[tuple[int, Decimal, Decimal]]


class OrdersUpdate(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="ordersUpdate",
    rename={
        "event_time": "E",
        "symbol": "s",
        "first_update_id": "U",
        "last_update_id": "u",
        "previous_update_id": "pu",
        "changes": "c",
    },
):
    """How single orders changed: each as side, id, price, quantity now, why, and the trade's id if one did it."""

    event_time: int
    symbol: str
    first_update_id: int
    last_update_id: int
    previous_update_id: int
    changes: list[list[Any]]


BookMessage = BookSnapshot | BookUpdate | OrdersSnapshot | OrdersUpdate
