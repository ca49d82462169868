"""One HTTP connection: what it may cost before a request is complete, and the two ways a request can take."""

import socket
import time
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
import pytest

from api.connection import HttpConnection, Pending, response
from api.limits import Limits
from tests.api.binance.test_trading import PRICE, refused
from tests.api.stream.raw import Raw
from tests.api.venue import SYMBOL, venue


def opened(market):
    return socket.create_connection(("127.0.0.1", market.port), timeout=60)


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


def test_a_head_that_came_before_is_served_like_the_first(market):
    alice = market.client("alice")
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
    texts = [alice.sign(terms | {"newClientOrderId": f"head-{number}"}) for number in range(3)]
    head = f"POST /api/v3/order HTTP/1.1\r\nhost: y\r\nx-mbx-apikey: {alice.key}\r\ncontent-length: {len(texts[0])}"
    with opened(market) as line:
        answers = []
        for text in (*texts, texts[0][:-1] + "x"):
            line.sendall(f"{head}\r\n\r\n{text}".encode())
            answers.append(line.recv(65536))
        line.sendall(f"{head}\r\n\r\n{texts[1][:50]}".encode())  # the head is known, the body is not all there
        line.sendall(texts[1][50:].encode())
        again = line.recv(65536)
    assert [f'"head-{number}"'.encode() in answer for number, answer in enumerate(answers[:3])] == [True] * 3
    assert b'"code":-1022' in answers[3]
    assert answers[3].startswith(b"HTTP/1.1 400 ")
    assert b'"head-1"' in again
    assert b"x-mbx-order-count-10s" in again


def test_either_way_answers_come_in_order(market):
    alice = market.client("alice")
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
    order = alice.sign(terms | {"newClientOrderId": "one-for-three"})
    key = f"host: x\r\nx-mbx-apikey: {alice.key}\r\n"
    place = f"POST /api/v3/order HTTP/1.1\r\n{key}content-length: {len(order)}\r\n\r\n{order}"
    clock = f"GET /api/v3/time HTTP/1.1\r\n{key}\r\n"
    missing = f"GET /nowhere HTTP/1.1\r\n{key}connection: close\r\n\r\n"
    answers = exchanged(market, (place + clock + place + place + clock + missing).encode()).split(b"HTTP/1.1 ")[1:]
    said = [
        b"orderId" in answer or (2 if b"serverTime" in answer else 3 if b"404" in answer[:4] else 0)
        for answer in answers
    ]
    assert said == [True, 2, True, True, 2, 3]


def test_a_client_that_waits_for_leave_to_send_is_given_it(market):
    alice = market.client("alice")
    body = alice.sign({"symbol": SYMBOL}).encode()
    head = b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n"
    head += b"x-mbx-apikey: %s\r\ncontent-length: %d\r\n\r\n" % (alice.key.encode(), len(body))
    with opened(market) as line:
        line.sendall(head)
        assert line.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body)
        assert b"-1102" in line.recv(65536)


def test_an_old_client_is_answered_once(market):
    request = b"GET /api/v3/ping HTTP/1.0\r\n\r\n"
    answer = exchanged(market, request)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in answer


def test_a_body_in_small_parts_is_put_together(market):
    alice = market.client("alice")
    body = alice.sign(
        {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": 1, "newOrderRespType": "ACK"}
    ).encode()
    head = b"POST /api/v3/order/test HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n" % len(body)
    with opened(market) as line:
        line.sendall(head + b"x-mbx-apikey: %s\r\n\r\n" % alice.key.encode())
        for start in range(0, len(body), 20):
            line.sendall(body[start : start + 20])
            time.sleep(0.001)
        assert line.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_a_body_without_end_is_cut(market):
    with opened(market) as line:
        line.sendall(b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n")
        with pytest.raises(ConnectionError):
            send_forever(line)
    assert market.client("alice").get("/api/v3/ping").status_code == 200


def send_forever(line):
    while True:
        line.sendall(bytes(1 << 20))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_large_body_is_refused_after_its_end(market, method):
    reply = httpx.request(method, f"{market.base}/api/v3/order", content=b"x" * 100_000)
    assert refused(reply) == (413, -8001, "Request body is larger than 65536 bytes.")


def test_who_does_not_wait_for_the_answer_has_placed_the_order(market):
    alice = market.client("alice")
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
    for _ in range(20):
        body = alice.sign(terms)
        head = f"POST /api/v3/order HTTP/1.1\r\nx-mbx-apikey: {alice.key}\r\ncontent-length: {len(body)}\r\n\r\n"
        with opened(market) as line:
            line.sendall((head + body).encode())
    deadline = time.monotonic() + 10
    while len(alice.signed("GET", "/api/v3/openOrders").json()) < 20:
        assert time.monotonic() < deadline


def test_a_websocket_is_counted_once(market):
    def count():
        return market.services.limiter._connections.get("127.0.0.2", 0)

    upgrade = b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    upgrade += b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with socket.create_connection(("127.0.0.1", market.port), 20, ("127.0.0.2", 0)) as line:
        line.sendall(upgrade)
        assert line.recv(100).startswith(b"HTTP/1.1 101 ")
        assert count() == 1
    deadline = time.monotonic() + 10
    while count():
        assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Return an exchange for few connections."""
    limits = Limits(connections_per_address_max=4, body_bytes_max=2_000)
    with venue(tmp_path_factory.mktemp("narrow"), limits) as running:
        yield running


def test_a_large_body_is_refused_again_though_its_head_is_known(narrow):
    alice = narrow.client("alice")
    body = alice.sign({"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "quantity": 1, "price": PRICE})
    body += "&" * (2_001 - len(body))
    head = f"POST /api/v3/order HTTP/1.1\r\nx-mbx-apikey: {alice.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with opened(narrow) as line:
        for _ in range(3):
            line.sendall((head + body).encode())
            assert line.recv(65536).startswith(b"HTTP/1.1 413 ")


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


def test_websockets_of_one_address_are_bounded_like_all_connections(narrow):
    with ExitStack() as lines:
        for _ in range(4):
            lines.enter_context(Raw(narrow.port, "/ws"))
        with opened(narrow) as line:
            answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"code":-1034' in answer
    deadline = time.monotonic() + 10
    while httpx.get(f"{narrow.base}/api/v3/ping").status_code != 200:
        assert time.monotonic() < deadline


def connection(cycle, *, is_paused=False, is_in_head=False, is_in_body=False):
    """Return a connection as the sweeper sees it."""
    made = object.__new__(HttpConnection)
    made.cycle = cycle
    made._is_in_head = is_in_head
    made._is_in_body = is_in_body
    made.flow = SimpleNamespace(write_paused=is_paused)
    return made


def cycle(*, is_complete, has_more=False):
    return SimpleNamespace(response_complete=is_complete, more_body=has_more)


@pytest.mark.parametrize(
    ("made", "is_waiting", "is_resting"),
    [
        (connection(None), True, False),
        (connection(cycle(is_complete=True)), True, True),
        (connection(cycle(is_complete=True), is_in_head=True), True, False),
        (connection(cycle(is_complete=True), is_in_body=True), True, False),
        (connection(cycle(is_complete=False, has_more=True)), True, False),
        (connection(cycle(is_complete=False)), False, False),
        (connection(cycle(is_complete=False), is_paused=True), True, False),
    ],
)
def test_whose_move_it_is(made, is_waiting, is_resting):
    assert (made.is_waiting(), made.is_resting()) == (is_waiting, is_resting)


def test_an_answer_is_one_piece_of_text():
    assert response(404, [(b"x-a", b"1")], b"{}") == (
        b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\nx-a: 1\r\n\r\n{}"
    )
    assert response(304, [(b"etag", b"1")], b"") == b"HTTP/1.1 304 Not Modified\r\netag: 1\r\n\r\n"


def test_a_server_that_stops_meanwhile_says_so_in_an_answer_made_with_others():
    written = []
    made = object.__new__(HttpConnection)
    made._ordered = Pending(None, None, keep_alive=False)
    made.write = lambda of, data: written.append((of, data))
    made.answered(memoryview(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\r\n\r\n"), [1])
    expected = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\r\n\r\n"
    assert written == [(made._ordered, expected)]
