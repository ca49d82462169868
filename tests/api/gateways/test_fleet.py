"""An exchange behind two gateway processes: the same answers, and a gateway that dies takes nothing with it."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from api.app import Application
from api.gateways.fleet import serve_behind
from api.gateways.process import GatewayOptions
from exchange.registry.documents import KeyRevoked, encode
from tests.api.stream.talk import ask, hear, joined, order, signed, talk
from tests.api.venue import ALICE, KEYS, SYMBOL, Client, Venue

PRICE = "10.0000"
PATIENCE_S = 60
PAGE = "https://page.example"


class Behind(Venue):
    """A venue whose clients are served by two other processes."""

    async def _listen(self, application: Application, settings: dict[str, Any]) -> None:
        options = GatewayOptions(str(self.directory), "127.0.0.1", 0, self.limits, {}, origins=self.origins)
        await serve_behind(application, options, 2, stop=self._stop, ready=self._is_ready, settings=settings)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    served = Behind(tmp_path_factory.mktemp("behind"), origins=(PAGE,))
    served.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture
def market(behind: Behind) -> Behind:
    behind.reset()
    return behind


@pytest.fixture
def joins(market: Behind) -> Iterator[Callable[[str], Client]]:
    """Return what opens a client with a connection of its own."""
    opened: list[Client] = []

    def join(name: str) -> Client:
        opened.append(Client(market.base, name))
        return opened[-1]

    yield join
    for client in opened:
        client.close()


def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.02)


def gateways() -> set[int]:
    """Return the gateway processes of this one, from what the system knows."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_bytes()
            except (OSError, IndexError):
                continue
            if parent == os.getpid() and b"api.gateways.process" in line:
                found.add(int(entry.name))
    return found


def test_orders_are_placed_found_and_cancelled_through_any_gateway(
    market: Behind, joins: Callable[[str], Client]
) -> None:
    clients = [joins("alice") for _ in range(6)]  # each with a connection of its own
    for number, client in enumerate(clients):
        placed = client.order("BUY", 1 + number, PRICE, newClientOrderId=f"g-{number}")
        assert (placed.status_code, placed.json()["status"]) == (200, "NEW"), placed.text
        assert int(placed.headers["x-mbx-order-count-10s"]) >= 1
        again = client.order("BUY", 1 + number, PRICE, newClientOrderId=f"g-{number}")
        assert again.json() == placed.json()
    assert len(clients[0].signed("GET", "/api/v3/openOrders").json()) == 6
    assert clients[1].signed("DELETE", "/api/v3/order", symbol=SYMBOL, origClientOrderId="g-3").status_code == 200


def test_an_order_without_a_name_is_taken_once_whichever_gateway_it_comes_to(
    market: Behind, joins: Callable[[str], Client]
) -> None:
    first = joins("alice")
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
    text = first.sign(terms)
    answers = [client.send("POST", "/api/v3/order", text) for client in (first, *(joins("alice") for _ in range(5)))]
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 5]


def test_refusals_and_public_answers_are_those_of_the_exchange(market: Behind) -> None:
    alice = market.client("alice")
    assert alice.order("BUY", 1, "10.00001").json()["code"] == -1013
    assert alice.order("BUY", 10_001, PRICE).status_code == 400
    assert market.client("reader").order("BUY", 1, PRICE).status_code == 401
    assert alice.get("/api/v3/exchangeInfo").json()["symbols"]
    assert alice.get("/nowhere").status_code == 404
    book = alice.get("/api/v3/depth", symbol=SYMBOL)
    assert (book.json()["bids"], book.headers["content-type"]) == ([], "application/json")
    assert alice.get("/openapi.json").json()["info"]["title"] == "tokenbourse"


def test_websockets_reach_the_exchange_as_the_clients_that_they_are(market: Behind) -> None:
    async def conversation() -> tuple[Any, Any, set[str]]:
        async with (
            joined(market, "/ws-api/v3") as api,
            joined(market, f"/ws/{SYMBOL.lower()}@trade") as trades,
            joined(market, "/ws-api/v3") as other,
        ):
            addresses = set(market.services.limiter._connections)
            await ask(other, "order.place", signed("bob", **order("SELL", 2, PRICE)))
            placed = await ask(api, "order.place", signed("alice", **order("BUY", 2, PRICE)))
            return placed, await hear(trades), addresses

    placed, trade, addresses = talk(conversation)
    assert placed["result"]["status"] == "FILLED"
    assert (trade["e"], trade["q"]) == ("trade", "2")
    assert addresses == {"127.0.0.1"}


def test_clocks_that_are_off_and_signed_requests_that_come_again_are_refused(
    market: Behind, joins: Callable[[str], Client]
) -> None:
    clients = [joins("alice") for _ in range(6)]
    terms = order("BUY", 1, PRICE)
    now_ms = int(time.time() * 1000)
    for number, client in enumerate(clients):
        for off_ms in (-60_000, 60_000):
            late = client.order("BUY", 1, PRICE, newClientOrderId=f"s-{number}", timestamp=now_ms + off_ms)
            assert late.json()["code"] == -1021
            assert abs(late.json()["data"]["aheadMs"] - off_ms) < 10_000

    async def conversation() -> list[int]:
        params = signed("alice", **terms)
        found = []
        for _ in range(3):  # each through a connection of its own
            async with joined(market, "/ws-api/v3") as client:
                answer = await ask(client, "order.place", params)
                found.append(answer.get("error", {}).get("code", answer["status"]))
        return found

    assert talk(conversation) == [200, -8124, -8124]
    text = clients[0].sign({"symbol": SYMBOL})
    ended = [client.send("DELETE", "/api/v3/openOrders", text).json() for client in clients]
    assert len(ended[0]) == 1
    assert [one["code"] for one in ended[1:]] == [-8124] * 5


def test_pages_of_allowed_origins_read_answers_and_open_websockets_through_a_gateway(market: Behind) -> None:
    alice = market.client("alice")
    placed = alice.send("POST", "/api/v3/order", alice.sign(order("BUY", 1, PRICE)), origin=PAGE)
    ask_first = {"origin": PAGE, "access-control-request-method": "POST"}
    before = httpx.options(f"{market.base}/api/v3/order", headers=ask_first)
    for answer in (placed, before, httpx.get(f"{market.base}/api/v3/time", headers={"origin": PAGE})):
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "access-control-allow-origin" not in alice.get("/api/v3/time").headers

    async def conversation() -> tuple[Any, int]:
        with pytest.raises(InvalidStatus) as refused:
            async with joined(market, "/ws", origin="https://elsewhere.example"):
                pass
        async with joined(market, "/ws", origin=PAGE) as client:
            return await ask(client, "LIST_SUBSCRIPTIONS"), refused.value.response.status_code

    assert talk(conversation) == ({"result": [], "id": 1}, 403)


def test_names_follow(market: Behind, joins: Callable[[str], Client]) -> None:
    late = joins("expired")
    assert late.order("BUY", 1, PRICE).status_code == 401
    carol = joins("carol")
    assert carol.order("BUY", 1, PRICE).json()["code"] == -2010  # no money, but a good key

    async def revoke() -> None:
        await market.exchange.submit(b"", encode(KeyRevoked(KEYS["carol"][0])))

    market.run(revoke)
    until(lambda: carol.order("BUY", 1, PRICE).status_code == 401)


def test_a_gateway_that_dies_takes_no_order_with_it_and_is_replaced(
    market: Behind, joins: Callable[[str], Client]
) -> None:
    client = joins("alice")
    for number in range(5):
        assert client.order("BUY", 1, PRICE, newClientOrderId=f"d-{number}").status_code == 200
    before = gateways()
    assert len(before) == 2
    os.kill(victim := min(before), signal.SIGKILL)
    until(lambda: len(gateways()) == 2 and victim not in gateways())
    until(lambda: all(_answers(market) for _ in range(8)))
    fresh = joins("alice")
    assert {one["clientOrderId"] for one in fresh.signed("GET", "/api/v3/openOrders").json()} == {
        f"d-{number}" for number in range(5)
    }
    assert market.exchange.orders.open_orders(ALICE)


def _answers(market: Behind) -> bool:
    try:
        return httpx.get(f"{market.base}/api/v3/ping", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_large_head_and_a_large_body_are_the_gateway_s_business(market: Behind) -> None:
    alice = market.client("alice")
    assert alice.send("POST", "/api/v3/order", "x=" + "y" * 70_000).status_code == 413
    for key, size, status in ((alice.key, 100_000, 404), ("", 100_000, 413), (alice.key, 9_000_000, 413)):
        usage = httpx.post(f"{market.base}/v1/usage", content=bytes(size), headers={"x-mbx-apikey": key})
        assert usage.status_code == status  # there is no such path here, and the exchange's process says so
    with socket.create_connection(("127.0.0.1", market.port), timeout=60) as line:
        line.sendall(b"GET /" + b"y" * 70_000)
        assert line.recv(65_536).startswith(b"HTTP/1.1 431 ")
    assert json.loads(alice.get("/api/v3/ping").text) == {}
