"""The server around the application: what holds before a request is complete, and how it ends. Real sockets."""

import asyncio
import socket
import threading
import time
from types import SimpleNamespace

import httpx
import pytest

from api.limits import Limits
from api.serve import CountedProtocol, Sweeper, serve, stop_on_signals
from tests.api.binance.test_trading import PRICE
from tests.api.venue import ALICE, Venue, venue


def opened(market):
    return socket.create_connection(("127.0.0.1", market.port), timeout=20)


def exchanged(market, data):
    """Send bytes, and return what comes back until the server closes."""
    with opened(market) as line:
        line.sendall(data)
        parts = []
        while part := line.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"GET\r\n\r\n",
        b"GET /api/v3/time HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /api/v3/\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_server_lives_on(market, data):
    answer = exchanged(market, data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":-8003' in answer
    assert market.client("alice").get("/api/v3/ping").status_code == 200


@pytest.mark.parametrize("piece", [b"x-a: " + b"y" * 1000 + b"\r\n", b"y" * 1000])
def test_a_head_without_end_is_refused(market, piece):
    with opened(market) as line:
        line.sendall(b"GET /api/v3/ping HTTP/1.1\r\nhost: x\r\nx-b: ")
        for _ in range(66):
            line.sendall(piece)
        answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b'"code":-8004' in answer
    assert market.client("alice").get("/api/v3/ping").status_code == 200


def test_requests_may_be_pipelined(market):
    request = b"GET /api/v3/ping HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /api/v3/ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert exchanged(market, request * 50 + last).count(b"HTTP/1.1 200 OK") == 51


def test_a_client_that_goes_away_in_the_middle_does_no_harm(market):
    for data in (b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nhalf", b"GE", b""):
        with opened(market) as line:
            line.sendall(data)
    assert market.client("alice").get("/api/v3/ping").status_code == 200


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Return an exchange for few connections, whose requests must come at once."""
    limits = Limits(connections_per_address_max=4, receive_s_max=1)
    with venue(tmp_path_factory.mktemp("narrow"), limits) as running:
        yield running


def test_connections_of_one_address_are_bounded(narrow):
    lines = [opened(narrow) for _ in range(4)]
    with opened(narrow) as line:
        answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"current limit is '4'" in answer
    for line in lines:
        line.close()
    deadline = time.monotonic() + 10
    while httpx.get(f"{narrow.base}/api/v3/ping").status_code != 200:
        assert time.monotonic() < deadline


def test_who_stops_in_the_middle_is_cut(narrow):
    with opened(narrow) as line:
        line.sendall(b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nhalf")
        try:
            assert line.recv(1) == b""
        except ConnectionResetError:
            assert line.fileno() >= 0


class Cycle:
    response_complete = False
    more_body = True


def connection(cycle, *, keep_alive=None, is_paused=False):
    """Return a connection as the sweeper sees it."""
    made = object.__new__(CountedProtocol)
    made.cycle = cycle
    made.timeout_keep_alive_task = keep_alive
    made.flow = SimpleNamespace(write_paused=is_paused)
    made.transport = SimpleNamespace(abort=lambda: aborted.append(made))
    return made


aborted = []


@pytest.mark.parametrize(
    ("made", "is_waiting"),
    [
        (connection(None), True),
        (connection(SimpleNamespace(response_complete=True, more_body=False)), True),
        (connection(SimpleNamespace(response_complete=True, more_body=False), keep_alive=1), False),
        (connection(SimpleNamespace(response_complete=False, more_body=True)), True),
        (connection(SimpleNamespace(response_complete=False, more_body=False)), False),
        (connection(SimpleNamespace(response_complete=False, more_body=False), is_paused=True), True),
    ],
)
def test_whose_move_it_is(made, is_waiting):
    assert made.is_waiting() is is_waiting


def test_the_sweeper_cuts_who_owes_one_request_for_too_long():
    aborted.clear()
    stalled, working = connection(Cycle()), connection(SimpleNamespace(response_complete=False, more_body=False))
    server = SimpleNamespace(server_state=SimpleNamespace(connections={stalled, working, object()}))
    sweeper = Sweeper(server, 10)
    assert [sweeper.sweep(now) for now in (1, 5, 10.9)] == [0, 0, 0]
    stalled.cycle = Cycle()
    assert [sweeper.sweep(now) for now in (11, 20, 21)] == [0, 0, 1]
    assert aborted == [stalled]


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


def test_an_address_that_is_taken_is_an_error(market):
    async def take():
        await serve(SimpleNamespace(), "127.0.0.1", market.port, stop=asyncio.Event())

    with pytest.raises(OSError, match="in use"):
        asyncio.run(take())


def test_signals_ask_for_an_orderly_end():
    handlers = {}
    stop = asyncio.Event()
    stop_on_signals(SimpleNamespace(add_signal_handler=handlers.__setitem__), stop)
    assert sorted(handlers) == [2, 15]
    handlers[15]()
    assert stop.is_set()
