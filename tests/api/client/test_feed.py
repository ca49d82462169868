"""What a feed makes of what it hears: no socket, no clock."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.auth import Signer
from api.client.faults import NotAuthorised, Refused
from api.client.feed import AccountFeed, Heard, Joined, MarketFeed, Missed, Parted, kind_of
from api.client.signing import Key
from api.messages import market
from api.messages.private import Balances, PrivateEvent, Welcome
from api.messages.talk import Conflated, ServerShutdown

KEY = Key.of("k", "s")
BOOK = "x@book@100ms"


def said(stream: str, **data: Any) -> str:
    return json.dumps({"stream": stream, "data": data})


def snapshot(update_id: int, *bids: list[str], check: int | None = None) -> str:
    told = MarketFeed("http://h").book("X")
    told.snapshot(update_id, [(Decimal(price), Decimal(quantity)) for price, quantity in bids], [])
    check = told.checksum() if check is None else check
    return said(BOOK, e="bookSnapshot", E=1, s="X", u=update_id, b=bids, a=[], c=check)


def asked(feed: MarketFeed) -> list[tuple[str, list[str]]]:
    texts, feed.outgoing = feed.outgoing, []
    return [(request["method"], request["params"]) for request in map(json.loads, texts)]


def opened(*names: str) -> MarketFeed:
    feed = MarketFeed("http://h")
    feed.subscribe(*names)
    assert feed.opened() == [Joined()]
    return feed


def test_everything_is_asked_for_when_the_connection_opens() -> None:
    feed = MarketFeed("https://h/")
    feed.subscribe("x@trade")
    book = feed.book("X")
    assert (feed.address(), feed.outgoing, book.is_stale) == ("wss://h/stream", [], True)
    feed.opened()
    assert asked(feed) == [("SUBSCRIBE", ["x@trade", BOOK])]
    feed.subscribe("x@trade", "y@trade")
    feed.unsubscribe("x@trade")
    assert asked(feed) == [("SUBSCRIBE", ["y@trade"]), ("UNSUBSCRIBE", ["x@trade"])]
    feed.opened()
    assert asked(feed) == [("SUBSCRIBE", [BOOK, "y@trade"])]


def test_many_names_are_asked_for_in_parts() -> None:
    feed = opened(*[f"x{number}@trade" for number in range(450)])
    assert [len(names) for _, names in asked(feed)] == [200, 200, 50]


def test_a_book_is_kept() -> None:
    feed = opened()
    book = feed.book("X")
    feed.heard(snapshot(5, ["1.0", "2"]))
    assert (book.is_stale, book.best_bid) == (False, (Decimal("1.0"), Decimal(2)))
    book.update(6, 6, 5, [(Decimal("1.0"), Decimal(3))], [])
    right = book.checksum()
    feed.heard(snapshot(5, ["1.0", "2"]))
    update = {"e": "bookUpdate", "E": 1, "s": "X", "U": 6, "u": 6, "pu": 5, "b": [["1.0", "3"]], "a": [], "c": right}
    heard = feed.heard(said(BOOK, **update))
    assert isinstance(heard[0], Heard)
    assert (book.last_update_id, book.is_stale, asked(feed)[1:]) == (6, False, [])


def test_a_book_that_missed_something_asks_for_a_new_snapshot() -> None:
    feed = opened()
    book = feed.book("X")
    feed.heard(snapshot(5, ["1.0", "2"]))
    asked(feed)
    gap = {"e": "bookUpdate", "E": 1, "s": "X", "U": 8, "u": 8, "pu": 7, "b": [], "a": [], "c": 0}
    feed.heard(said(BOOK, **gap))
    assert (book.is_stale, asked(feed)) == (True, [("UNSUBSCRIBE", [BOOK]), ("SUBSCRIBE", [BOOK])])
    feed.heard(snapshot(9))
    assert (book.is_stale, book.gap_count, book.bids()) == (False, 1, [])


def gap(update_id: int) -> str:
    return said(BOOK, e="bookUpdate", E=1, s="X", U=update_id, u=update_id, pu=update_id - 1, b=[], a=[], c=0)


def test_a_snapshot_is_asked_for_once_however_much_comes_before_it() -> None:
    feed = opened()
    book = feed.book("X")
    feed.heard(snapshot(5))
    asked(feed)
    renewal = [("UNSUBSCRIBE", [BOOK]), ("SUBSCRIBE", [BOOK])]
    for update_id in range(8, 68):
        feed.heard(gap(update_id))
    assert asked(feed) == renewal
    feed.heard(snapshot(70))
    assert not book.is_stale
    feed.heard(gap(90))
    assert asked(feed) == renewal
    feed.lost("cut")
    feed.opened()
    asked(feed)
    feed.heard(gap(100))
    assert asked(feed) == renewal
    feed.unsubscribe(BOOK)
    feed.book("X")
    asked(feed)
    feed.heard(gap(110))
    assert asked(feed) == renewal


def test_a_snapshot_that_is_wrong_is_asked_for_again() -> None:
    feed = opened()
    feed.book("X")
    asked(feed)
    for update_id in (5, 6):
        feed.heard(snapshot(update_id, ["1.0", "2"], check=1))
        assert asked(feed) == [("UNSUBSCRIBE", [BOOK]), ("SUBSCRIBE", [BOOK])]


def test_a_lost_connection_makes_books_stale() -> None:
    feed = opened()
    book = feed.book("X")
    feed.heard(snapshot(5))
    assert feed.lost("cut") == [Parted("cut")]
    assert (book.is_stale, book.reason) == (True, "cut")
    asked(feed)
    feed.unsubscribe(BOOK)
    assert asked(feed) == []


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("x@bookTicker", market.BookTickerMessage),
        ("x@depth5@100ms", market.LevelsMessage),
        ("!ticker@arr@100ms@TA.*", list[market.TickerMessage]),
        ("!bookTicker@arr", list[market.BookTickerMessage]),
    ],
)
def test_untagged_messages_are_known_by_their_stream(stream: str, kind: Any) -> None:
    assert kind_of(stream) == kind
    assert kind_of("x@depth@0ms") == kind_of("x@trade")


def test_notices_and_refusals_are_told() -> None:
    feed = opened("x@trade")
    assert feed.heard('{"e":"conflated","E":1,"streams":{"x":2}}') == [Conflated(1, {"x": 2})]
    assert feed.heard('{"e":"serverShutdown","E":1}') == [ServerShutdown(1)]
    assert feed.heard('{"result":null,"id":1}') == feed.heard('{"error":{"code":-1003,"msg":"slow"},"id":null}') == []
    assert feed.heard(said("y@trade", e="trade")) == []
    with pytest.raises(Refused, match="no such stream"):
        feed.heard('{"error":{"code":2,"msg":"no such stream"},"id":1}')
    assert feed.refused(503, b'{"code":-1008,"msg":"busy"}') == [Parted("busy (-1008)")]
    with pytest.raises(Refused):
        feed.refused(404, b'{"code":-1020,"msg":"no such path"}')


def event(sequence: int) -> str:
    return json.dumps({"type": "DEPOSITED", "sequence": sequence, "event": 9, "time": 1, "asset": "CNY", "amount": "5"})


def welcome(latest: int) -> str:
    return json.dumps({"type": "WELCOME", "account": 1, "latest": latest, "earliest": 1, "cancel_on_disconnect": False})


def account(after: int | None = None) -> AccountFeed:
    return AccountFeed("http://h", KEY, lambda: 77, after)


def query(feed: AccountFeed) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(feed.address()).query).items()}


def test_an_account_s_address_is_signed_and_says_where_to_go_on() -> None:
    feed = account(4)
    text = urlsplit(feed.address()).query
    payload, _, signature = text.rpartition("&signature=")
    assert signature == Signer(b"s").sign(payload.encode())
    assert query(feed) | {"signature": ""} == {
        "key": "k",
        "recvWindow": "5000",
        "from": "4",
        "timestamp": "77",
        "signature": "",
    }
    assert "from" not in query(account())


def test_events_come_once_and_in_order() -> None:
    feed = account()
    assert [type(one) for one in feed.heard(welcome(3))] == [Welcome]
    [first] = feed.heard(event(4))
    assert isinstance(first, PrivateEvent)
    assert (first.sequence, first.amount, feed.latest) == (4, Decimal(5), 4)
    assert feed.heard(event(4)) == []
    assert query(feed)["from"] == "4"
    balances = '{"type":"BALANCES","after":4,"changed":1,"time":1,"balances":[]}'
    assert feed.heard(balances) == [Balances(4, 1, 1, [])]
    assert feed.heard('{"e":"serverShutdown","E":1}') == [ServerShutdown(1)]
    assert feed.heard('{"error":{"code":-2015,"msg":"over"},"id":null}') == []
    assert feed.lost("cut") == [Parted("cut")]


def test_a_gap_is_told_before_what_follows_it() -> None:
    feed = account(4)
    missed, after = feed.heard(event(7))
    assert (missed.first, missed.last, after.sequence) == (5, 6, 7)


def test_what_is_not_kept_any_more_is_told_as_missed() -> None:
    feed = account(4)
    assert feed.refused(410, b'{"code":-8120,"msg":"Events before 90 are not replayed."}')
    assert "from" not in query(feed)
    hello, missed = feed.heard(welcome(120))
    assert (hello.latest, missed) == (120, Missed(5, 120, "Events before 90 are not replayed."))
    assert query(feed)["from"] == "120"


def test_a_key_that_is_no_good_is_told_at_once() -> None:
    with pytest.raises(NotAuthorised):
        account().refused(401, b'{"code":-2015,"msg":"no"}')
    assert isinstance(account().refused(429, b'{"code":-1003,"msg":"slowly"}')[0], Parted)
