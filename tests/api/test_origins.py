"""Web pages: whose may read answers, whose may open websockets, and that nobody else notices."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from api.errors import FOREIGN_ORIGIN
from api.limits import Limits
from api.origins import Origins, origin_of
from tests.api.binance.test_trading import PRICE
from tests.api.stream.talk import ask, joined, talk
from tests.api.venue import SYMBOL, Venue, venue

PAGE, STRANGER = "https://page.example", "https://elsewhere.example"
TERMS = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("origins"), Limits(weight_per_minute=200), origins=(PAGE,)) as running:
        yield running


def preflight(served: Venue, path: str, origin: str = PAGE, method: str = "POST", names: str = "") -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": method}
    headers |= {"access-control-request-headers": names} if names else {}
    return httpx.options(f"{served.base}{path}", headers=headers)


@pytest.mark.parametrize("path", ["/api/v3/order", "/v1/order", "/openapi.json", "/nowhere"])
def test_a_page_asks_first_and_is_told_what_it_may_send(open_venue: Venue, path: str) -> None:
    answer = preflight(open_venue, path, names="content-type,x-mbx-apikey")
    assert (answer.status_code, answer.headers[ALLOWED]) == (200, PAGE)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "X-MBX-APIKEY" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers


def test_what_a_page_may_not_send_or_whose_page_may_not_is_refused_before(open_venue: Venue) -> None:
    stranger = preflight(open_venue, "/api/v3/order", STRANGER)
    assert stranger.status_code == 400
    assert ALLOWED not in stranger.headers
    assert preflight(open_venue, "/api/v3/order", method="TRACE").status_code == 400
    assert preflight(open_venue, "/api/v3/order", names="x-secret").status_code == 400


def test_answers_and_refusals_say_that_the_page_may_read_them(open_venue: Venue) -> None:
    alice = open_venue.client("alice")
    for terms, status in ((TERMS, 200), (TERMS | {"price": "-1"}, 400)):
        for origin, allowed in ((PAGE, PAGE), (STRANGER, None)):
            answer = alice.send("POST", "/api/v3/order", alice.sign(terms), origin=origin)
            assert (answer.status_code, answer.headers.get(ALLOWED)) == (status, allowed)
            assert "X-MBX-Used-Weight-1m" in answer.headers["access-control-expose-headers"]
            assert answer.headers["x-mbx-used-weight-1m"]
    for path in ("/nowhere", "/v1/markets", "/api/v3/depth"):
        assert httpx.get(f"{open_venue.base}{path}", headers={"origin": PAGE}).headers[ALLOWED] == PAGE


def test_a_page_s_head_is_not_taken_for_one_that_came_before(open_venue: Venue) -> None:
    alice = open_venue.client("alice")
    for origin in ("", PAGE, "", PAGE):
        headers = {"origin": origin} if origin else {}
        answer = alice.send("POST", "/api/v3/order", alice.sign(TERMS), **headers)
        assert (answer.status_code, answer.headers.get(ALLOWED, "")) == (200, origin)


def test_asking_first_counts_like_any_request(open_venue: Venue) -> None:
    headers = {"origin": PAGE, "access-control-request-method": "GET"}
    with httpx.Client(base_url=open_venue.base, headers=headers) as page:
        statuses = [page.options("/api/v3/time").status_code for _ in range(300)]
    assert statuses[0] == 200
    assert statuses.count(429) > 30  # but for what has come back meanwhile


def test_who_allows_nobody_says_nothing_of_origins(market: Venue) -> None:
    answer = httpx.get(f"{market.base}/api/v3/time", headers={"origin": PAGE})
    assert (answer.status_code, answer.headers.get(ALLOWED)) == (200, None)
    assert preflight(market, "/api/v3/time").status_code == 405


def handshake(served: Venue, **options: Any) -> tuple[int, Any]:
    """Return the status that a websocket ends with, and the answer of what it was refused with or of a question."""

    async def conversation() -> tuple[int, Any]:
        try:
            async with joined(served, "/ws-api/v3", **options) as client:
                return 101, (await ask(client, "ping"))["status"]
        except InvalidStatus as refused:
            return refused.response.status_code, json.loads(refused.response.body)

    return talk(conversation)


def test_a_websocket_is_opened_by_pages_of_its_own_host_and_of_allowed_origins_alone(market: Venue) -> None:
    for origin in (STRANGER, PAGE, "null", f"http://127.0.0.1:{market.port + 1}"):
        status, body = handshake(market, origin=origin)
        assert (status, body) == (403, {"code": FOREIGN_ORIGIN.code, "msg": FOREIGN_ORIGIN.message})
    assert handshake(market, origin=f"http://127.0.0.1:{market.port}") == (101, 200)
    assert handshake(market) == (101, 200)


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        (None, "x", True),
        (PAGE, "x", True),
        (STRANGER, "x", False),
        (STRANGER, "elsewhere.example", True),
        (STRANGER, "Elsewhere.Example:443", True),
        (STRANGER, "elsewhere.example:80", False),
        ("http://elsewhere.example:80", "elsewhere.example", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("null", "null", False),
        ("", "", False),
        ("https://", "", False),
        ("chrome-extension://abc", "abc", False),
    ],
)
def test_whose_page_may_open_a_websocket(origin: str | None, host: str, may: bool) -> None:
    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    assert Origins((PAGE,)).problem(headers) is (None if may else FOREIGN_ORIGIN)
    assert Origins(("*",)).problem(headers) is None


@pytest.mark.parametrize(
    ("text", "origin"),
    [("*", "*"), (PAGE, PAGE), ("HTTPS://Page.Example:443", PAGE), ("http://x:8080", "http://x:8080")],
)
def test_an_origin_is_written_as_browsers_do(text: str, origin: str) -> None:
    assert origin_of(text) == origin


@pytest.mark.parametrize(
    "text", ["", "page.example", "https://", "https://x/", "https://x/page", "ftp://x", "https://a@x", "https://x:y"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"origin|Port"):
        origin_of(text)
