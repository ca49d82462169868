"""What people ship for order entry over REST: FastAPI and pydantic on uvicorn, matching in this process's memory.

python -m benchmarks.restpeers: serves on a free port, which is the first line of the output, until it is killed.

It takes the same order as the exchange and answers with the same fields. It has what is left out of most examples as
well: prices and quantities are decimals, priority is price and time, and a name may be used once. There is no key, no
signature, no limit, no balance, no journal: what it forgets when it ends, it forgets.
"""

import heapq
import socket
import time
from decimal import Decimal
from typing import Literal

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field


class OrderRequest(BaseModel):
    """A limit order."""

    symbol: str = Field(pattern="^[A-Z0-9-_.]{1,64}$")
    side: Literal["BUY", "SELL"]
    type: Literal["LIMIT"]
    timeInForce: Literal["GTC"]  # noqa: N815 - the name in the request
    quantity: Decimal = Field(gt=0)
    price: Decimal = Field(gt=0)
    newClientOrderId: str = Field(pattern="^[a-zA-Z0-9-_.:/]{1,36}$")  # noqa: N815 - the name in the request


class Fill(BaseModel):
    """One trade of an order."""

    price: Decimal
    qty: Decimal
    tradeId: int  # noqa: N815 - the name in the answer


class OrderReply(BaseModel):
    """What became of an order."""

    symbol: str
    orderId: int  # noqa: N815 - the name in the answer
    clientOrderId: str  # noqa: N815 - the name in the answer
    transactTime: int  # noqa: N815 - the name in the answer
    price: Decimal
    origQty: Decimal  # noqa: N815 - the name in the answer
    executedQty: Decimal  # noqa: N815 - the name in the answer
    status: Literal["NEW", "PARTIALLY_FILLED", "FILLED"]
    timeInForce: str  # noqa: N815 - the name in the answer
    type: str
    side: str
    fills: list[Fill]


class Book:
    """Resting orders in two heaps, by price and then by number."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sides: dict[str, list[tuple[Decimal, int]]] = {"BUY": [], "SELL": []}
        self._leaves: dict[int, Decimal] = {}
        self.names: set[str] = set()
        self.trade_count = 0

    @property
    def order_count(self) -> int:
        """Return how many orders were accepted."""
        return len(self.names)

    def place(self, order: OrderRequest) -> tuple[int, list[Fill]]:
        """Match an order and let the rest of it rest; return its number and its trades."""
        self.names.add(order.newClientOrderId)
        number, leaves, fills = len(self.names), order.quantity, []
        sign = 1 if order.side == "BUY" else -1
        others = self._sides["SELL" if sign == 1 else "BUY"]
        while leaves and others and sign * abs(others[0][0]) <= sign * order.price:
            price, maker = abs(others[0][0]), others[0][1]
            lots = min(leaves, self._leaves[maker])
            leaves -= lots
            self._leaves[maker] -= lots
            if not self._leaves[maker]:
                heapq.heappop(others)
                del self._leaves[maker]
            self.trade_count += 1
            fills.append(Fill(price=price, qty=lots, tradeId=self.trade_count))
        if leaves:
            self._leaves[number] = leaves
            heapq.heappush(self._sides[order.side], (-sign * order.price, number))
        return number, fills


def create_app() -> FastAPI:
    """Return the application."""
    app, book = FastAPI(), Book()

    @app.post("/api/v3/order")
    async def place(order: OrderRequest) -> OrderReply:
        """Place an order."""
        if order.newClientOrderId in book.names:
            raise HTTPException(409, "the name was used before")
        number, fills = book.place(order)
        filled = sum((fill.qty for fill in fills), Decimal(0))
        return OrderReply(
            symbol=order.symbol,
            orderId=number,
            clientOrderId=order.newClientOrderId,
            transactTime=time.time_ns() // 1_000_000,
            price=order.price,
            origQty=order.quantity,
            executedQty=filled,
            status="FILLED" if filled == order.quantity else "PARTIALLY_FILLED" if filled else "NEW",
            timeInForce=order.timeInForce,
            type=order.type,
            side=order.side,
            fills=fills,
        )

    @app.get("/count")
    async def count() -> dict[str, int]:
        """Say how many orders and trades there are."""
        return {"orders": book.order_count, "trades": book.trade_count}

    return app


def main() -> None:
    """Serve."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(create_app(), http="httptools", loop="uvloop", log_level="warning", access_log=False)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
