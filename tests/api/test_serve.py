"""The server around the application: connections that have stopped are cut, and the end is orderly. Real sockets."""

import asyncio
import socket
import ssl
import threading
import time
from types import SimpleNamespace

import httpx
import pytest

from api.connection import HttpConnection
from api.limits import Limits
from api.serve import SHUTDOWN_S, Sweeper, serve, stop_on_signals
from tests.api.binance.test_trading import PRICE
from tests.api.venue import ALICE, Venue, venue

HALVES = [b"", b"GE", b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"]


@pytest.mark.parametrize("half", HALVES)
def test_who_stops_in_the_middle_is_cut(narrow, half):
    with socket.create_connection(("127.0.0.1", narrow.port), timeout=60) as line:
        line.sendall(half)
        try:
            assert line.recv(1) == b""
        except ConnectionResetError:
            assert line.fileno() >= 0


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Return an exchange whose requests must come at once."""
    with venue(tmp_path_factory.mktemp("narrow"), Limits(receive_s_max=1)) as running:
        yield running


def connection(*, is_complete, is_in_head=False):
    """Return a connection as the sweeper sees it."""
    made = object.__new__(HttpConnection)
    made.cycle = SimpleNamespace(response_complete=is_complete, more_body=not is_complete)
    made.flow = SimpleNamespace(write_paused=False)
    made._is_in_head = is_in_head
    made.transport = SimpleNamespace(abort=lambda: aborted.append(made))
    return made


aborted = []


def test_the_sweeper_cuts_who_owes_something_for_too_long():
    aborted.clear()
    stalled, resting = connection(is_complete=False), connection(is_complete=True)
    server = SimpleNamespace(server_state=SimpleNamespace(connections={stalled, resting, object()}))
    sweeper = Sweeper(server, receive_s=10, rest_s=30)
    assert [sweeper.sweep(now) for now in (1, 5, 10.9)] == [0, 0, 0]
    stalled.cycle = SimpleNamespace(response_complete=False, more_body=True)
    assert [sweeper.sweep(now) for now in (11, 20, 21)] == [0, 0, 1]
    assert aborted == [stalled]
    server.server_state.connections.discard(stalled)
    assert [sweeper.sweep(now) for now in (30, 31)] == [0, 1]
    assert resting in aborted


def test_a_stop_finishes_what_is_in_flight_and_keeps_it(tmp_path):
    running = Venue(tmp_path)
    running.start()
    statuses = []

    def flood():
        client = running.client("alice")
        try:
            while True:
                statuses.append(client.order("BUY", 1, PRICE).status_code)
        except httpx.TransportError:
            statuses.append(0)

    thread = threading.Thread(target=flood)
    thread.start()
    while len(statuses) < 20:
        time.sleep(0.01)
    running._loop.call_soon_threadsafe(running._stop.set)
    thread.join(30)
    running.stop()
    assert set(statuses) <= {200, 0}
    acknowledged = statuses.count(200)
    with venue(tmp_path) as again:
        assert len(again.exchange.orders.open_orders(ALICE)) == acknowledged


@pytest.mark.parametrize("half", HALVES)
def test_a_stop_does_not_wait_for_requests_that_are_not_complete(tmp_path, half):
    running = Venue(tmp_path)
    running.start()
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as line:
        line.sendall(half)
        time.sleep(0.1)
        begin = time.monotonic()
        running.stop()
    assert time.monotonic() - begin < SHUTDOWN_S


def test_an_address_that_is_taken_is_an_error(market):
    async def take():
        await serve(SimpleNamespace(), "127.0.0.1", market.port, stop=asyncio.Event())

    with pytest.raises(OSError, match="in use"):
        asyncio.run(take())


def test_a_certificate_that_is_none_is_an_error(market, tmp_path):
    (tmp_path / "wrong.pem").write_text("no certificate")

    async def offer():
        files = {name: str(tmp_path / "wrong.pem") for name in ("ssl_certfile", "ssl_keyfile")}
        await asyncio.wait_for(serve(market.application, "127.0.0.1", 0, stop=asyncio.Event(), **files), 10)

    with pytest.raises(ssl.SSLError):
        asyncio.run(offer())


def test_signals_ask_for_an_orderly_end():
    handlers = {}
    stop = asyncio.Event()
    stop_on_signals(SimpleNamespace(add_signal_handler=handlers.__setitem__), stop)
    assert sorted(handlers) == [2, 15]
    handlers[15]()
    assert stop.is_set()
