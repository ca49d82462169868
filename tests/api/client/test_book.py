"""A book follows its updates, and says so when it cannot."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from api.client.book import LocalBook, Standing


def level(price: str, quantity: str = "1") -> tuple[Decimal, Decimal]:
    return Decimal(price), Decimal(quantity)


def live() -> LocalBook:
    book = LocalBook("X")
    book.snapshot(10, [level("1.0"), level("0.9", "2")], [level("1.1")])
    return book


def test_a_book_waits_for_its_snapshot() -> None:
    book = LocalBook("X")
    assert (book.standing, book.is_stale, book.best_bid, book.best_ask) == (Standing.EMPTY, True, None, None)
    assert not book.update(1, 1, 0, [level("1")], [])
    assert book.bids() == []


def test_levels_come_change_and_go() -> None:
    book = live()
    assert (book.best_bid, book.best_ask) == (level("1.0"), level("1.1"))
    assert book.update(11, 13, 10, [level("1.0", "0"), level("0.95", "4")], [level("1.05", "3")])
    assert book.bids() == [level("0.95", "4"), level("0.9", "2")]
    assert book.asks(1) == [level("1.05", "3")]
    assert (book.last_update_id, book.is_stale) == (13, False)


def test_a_gap_makes_it_stale_until_the_next_snapshot() -> None:
    book = live()
    assert not book.update(12, 12, 11, [level("0.5")], [])
    assert (book.standing, book.gap_count, book.last_update_id) == (Standing.STALE, 1, 10)
    assert "11 is next" in book.reason
    assert level("0.5") not in book.bids()
    assert not book.update(11, 11, 10, [], [])
    book.snapshot(20, [], [level("2")])
    assert (book.is_stale, book.reason, book.bids(), book.best_ask) == (False, "", [], level("2"))


def test_what_is_older_than_the_snapshot_is_no_gap() -> None:
    book = live()
    assert book.update(8, 10, 7, [level("0.5")], [])
    assert level("0.5") not in book.bids()
    assert book.update(9, 11, 8, [level("0.5")], [])
    assert level("0.5") in book.bids()


def test_a_lost_connection_is_counted_once() -> None:
    book = live()
    book.lose("cut")
    book.lose("still cut")
    assert (book.gap_count, book.reason) == (1, "still cut")


def test_a_wrong_checksum_is_a_gap() -> None:
    book = live()
    twin = live()
    twin.update(11, 11, 10, [level("1.0", "5")], [])
    assert book.update(11, 11, 10, [level("1.0", "5")], [], twin.checksum())
    assert not book.update(12, 12, 11, [level("1.0", "6")], [], twin.checksum())
    assert "not those of the exchange" in book.reason


SIDES = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=4)


@given(st.lists(st.tuples(SIDES, SIDES), max_size=10))
def test_it_equals_the_sum_of_what_it_heard(updates) -> None:
    book = LocalBook("X")
    book.snapshot(0, [], [])
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for number, (buys, sells) in enumerate(updates, 1):
        assert book.update(number, number, number - 1, *([level(str(p), str(q)) for p, q in s] for s in (buys, sells)))
        bids |= dict(buys)
        asks |= dict(sells)
    assert book.bids() == [level(str(p), str(q)) for p, q in sorted(bids.items(), reverse=True) if q]
    assert book.asks() == [level(str(p), str(q)) for p, q in sorted(asks.items()) if q]
