"""Readers that know no more than the streams tell: each keeps a book from a snapshot and the updates behind it."""

import zlib
from decimal import Decimal
from typing import Any


class BookReader:
    """Levels, as texts, from `@book`; every update must follow the one before and match its checksum."""

    def __init__(self) -> None:
        self.update_id = -1
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}

    def hear(self, body: dict[str, Any]) -> None:
        if body["e"] == "bookSnapshot":
            self.bids, self.asks = dict(body["b"]), dict(body["a"])
        else:
            assert body["e"] == "bookUpdate"
            assert (body["pu"], body["U"]) == (self.update_id, self.update_id + 1), "an update is missing"
            for levels, changes in ((self.bids, body["b"]), (self.asks, body["a"])):
                for price, quantity in changes:
                    levels[price] = quantity
                    if not Decimal(quantity):
                        del levels[price]
        self.update_id = body["u"]
        assert body["c"] == self.checksum()

    def checksum(self) -> int:
        sides = (",".join(f"{price}:{quantity}" for price, quantity in side[:10]) for side in self.book())
        return zlib.crc32("|".join(sides).encode("ascii"))

    def book(self) -> tuple[list[list[str]], list[list[str]]]:
        """Return both sides as the REST answer has them."""
        bids = sorted(self.bids.items(), key=lambda level: -Decimal(level[0]))
        asks = sorted(self.asks.items(), key=lambda level: Decimal(level[0]))
        return [list(level) for level in bids], [list(level) for level in asks]


class OrdersReader:
    """Single orders from `@orders`, in the order in which they came to their places."""

    def __init__(self) -> None:
        self.update_id = -1
        self.orders: dict[int, tuple[str, str, str]] = {}

    def hear(self, body: dict[str, Any]) -> None:
        if body["e"] == "ordersSnapshot":
            self.orders = {}
            for side in ("b", "a"):
                for order_id, price, quantity in body[side]:
                    self.orders[order_id] = (side.upper(), price, quantity)
        else:
            assert body["e"] == "ordersUpdate"
            assert (body["pu"], body["U"]) == (self.update_id, self.update_id + 1), "an update is missing"
            assert len(body["c"]) == body["u"] - body["pu"]
            for side, order_id, price, quantity, *_ in body["c"]:
                self.orders[order_id] = (side, price, quantity)
                if not Decimal(quantity):
                    del self.orders[order_id]
        self.update_id = body["u"]

    def queue(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """Return the orders of both sides in the order in which they trade, as a snapshot has them."""
        rows = [(side, order_id, price, quantity) for order_id, (side, price, quantity) in self.orders.items()]
        bids = sorted((row for row in rows if row[0] == "B"), key=lambda row: -Decimal(row[2]))
        asks = sorted((row for row in rows if row[0] == "A"), key=lambda row: Decimal(row[2]))
        return [list(row[1:]) for row in bids], [list(row[1:]) for row in asks]
