"""Client libraries of the dialect change, cancel and list orders, and name what is refused as they do elsewhere."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.venue import KEYS, SYMBOL, Venue, secret, venue
from tests.system.libraries import BinanceAPIException, SyncClient, ccxt, ccxt_async

NAME = f"{SYMBOL}/CNY"  # what ccxt makes of the symbol
SPOT_ONLY = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}

pytestmark = [
    pytest.mark.system,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sessions that a library leaves open
]


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("client-orders")) as served:
        yield served


@pytest.fixture
def floor(open_venue: Venue) -> Iterator[Venue]:
    open_venue.reset()
    yield open_venue
    open_venue.reset()


@pytest.fixture
def traders(floor: Venue) -> tuple[Any, Any, Any]:
    """Return ccxt's exchange for alice, who has cash, bob, who has units, and carol, who has nothing."""
    rest = f"{floor.base}/api/v3"
    terms = {"urls": {"api": {"public": rest, "private": rest}}, "options": SPOT_ONLY}
    alice, bob, carol = [
        ccxt.binance({"apiKey": KEYS[name][0], "secret": secret(name), **terms}) for name in ("alice", "bob", "carol")
    ]
    return alice, bob, carol


def test_ccxt_edits_an_order(traders: Any) -> None:
    alice, _, _ = traders
    first = alice.create_order(NAME, "limit", "buy", 5, 10.0)
    edited = alice.edit_order(first["id"], NAME, "limit", "buy", 3, 9.0)
    assert (edited["price"], edited["amount"], edited["status"]) == (9.0, 3.0, "open")
    assert [order["id"] for order in alice.fetch_open_orders(NAME)] == [edited["id"]]
    assert alice.fetch_order(first["id"], NAME)["status"] == "canceled"
    with pytest.raises(ccxt.ExchangeError, match="Unknown order sent"):
        alice.edit_order(first["id"], NAME, "limit", "buy", 3, 8.0)


def test_ccxt_cancels_by_both_ids_and_all(traders: Any) -> None:
    alice, _, _ = traders
    by_id = alice.create_order(NAME, "limit", "buy", 1, 10.0)
    assert alice.cancel_order(by_id["id"], NAME)["status"] == "canceled"
    by_name = alice.create_order(NAME, "limit", "buy", 1, 10.0, {"clientOrderId": "by-name"})
    ended = alice.cancel_order(None, NAME, {"clientOrderId": "by-name"})
    assert (ended["id"], ended["info"]["origClientOrderId"]) == (by_name["id"], "by-name")
    assert alice.fetch_order(None, NAME, {"clientOrderId": "by-name"})["status"] == "canceled"
    placed = {alice.create_order(NAME, "limit", "buy", 1, 1.0 + n)["id"] for n in range(3)}
    assert {order["id"] for order in alice.cancel_all_orders(NAME)} == placed
    with pytest.raises(ccxt.OrderNotFound):
        alice.cancel_all_orders(NAME)


def test_ccxt_lists_closed_orders_and_its_trades(traders: Any) -> None:
    alice, bob, _ = traders
    asked = bob.create_order(NAME, "limit", "sell", 5, 10.0)
    bought = [alice.create_order(NAME, "limit", "buy", lots, 10.0) for lots in (2, 3)]
    assert [order["id"] for order in bob.fetch_closed_orders(NAME)][-1] == asked["id"]
    assert [order["id"] for order in alice.fetch_closed_orders(NAME)][-2:] == [order["id"] for order in bought]
    mine = alice.fetch_my_trades(NAME)[-2:]
    assert [(one["order"], one["amount"], one["takerOrMaker"]) for one in mine] == [
        (order["id"], lots, "taker") for order, lots in zip(bought, (2.0, 3.0), strict=True)
    ]
    assert [one["amount"] for one in bob.fetch_order_trades(asked["id"], NAME)] == [2.0, 3.0]
    assert [one["fee"]["cost"] for one in mine] == [0.01, 0.015]


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("limit", {"timeInForce": "IOC"}),
        ("limit", {"timeInForce": "FOK"}),
        ("limit", {"postOnly": True}),
        ("limit", {"icebergQty": "1"}),
        ("limit", {"stopLossPrice": 15.0}),
        ("market", {"stopLossPrice": 15.0}),
    ],
)
def test_ccxt_places_every_kind_of_order(traders: Any, kind: str, terms: dict[str, Any]) -> None:
    alice, bob, _ = traders
    bob.create_order(NAME, "limit", "sell", 1, 12.0)
    alice.create_order(NAME, "limit", "buy", 1, 12.0)
    placed = alice.create_order(NAME, kind, "buy", 2, 11.0 if kind == "limit" else None, terms)
    found = alice.fetch_order(placed["id"], NAME)
    assert found["status"] == ("expired" if "timeInForce" in terms else "open")
    assert (found["stopPrice"] or 0.0) == terms.get("stopLossPrice", 0.0)


def test_ccxt_spends_an_amount(traders: Any) -> None:
    alice, bob, _ = traders
    bob.create_order(NAME, "limit", "sell", 5, 10.0)
    spent = alice.create_market_buy_order_with_cost(NAME, 35)
    assert (spent["filled"], spent["cost"], spent["status"]) == (3.0, 30.0, "closed")


@pytest.mark.parametrize(
    ("error", "act"),
    [
        (ccxt.InsufficientFunds, lambda alice, bob, carol: carol.create_order(NAME, "limit", "buy", 1, 10.0)),
        (ccxt.InsufficientFunds, lambda alice, bob, carol: carol.create_order(NAME, "market", "sell", 1)),
        (ccxt.OrderNotFound, lambda alice, bob, carol: alice.cancel_order("123456789", NAME)),
        (ccxt.OrderNotFound, lambda alice, bob, carol: alice.fetch_order("123456789", NAME)),
        (ccxt.InvalidOrder, lambda alice, bob, carol: alice.create_order(NAME, "limit", "buy", 1_000_000, 0.5)),
        (
            ccxt.OrderImmediatelyFillable,
            lambda alice, bob, carol: alice.create_order(NAME, "limit", "buy", 1, 13.0, {"postOnly": True}),
        ),
        (ccxt.AuthenticationError, lambda alice, bob, carol: wrong_secret(alice).fetch_balance()),
        (ccxt.InvalidNonce, lambda alice, bob, carol: slow_clock(alice).fetch_balance()),
        (ccxt.BadSymbol, lambda alice, bob, carol: alice.fetch_order_book("NO/SUCH")),
    ],
)
def test_ccxt_names_what_is_refused(traders: Any, error: type[Exception], act: Callable[..., Any]) -> None:
    traders[1].create_order(NAME, "limit", "sell", 1, 12.0)
    with pytest.raises(error):
        act(*traders)


def wrong_secret(exchange: Any) -> Any:
    exchange.secret = "wrong"
    return exchange


def slow_clock(exchange: Any) -> Any:
    exchange.options["timeDifference"] = 120_000
    return exchange


@pytest.fixture
def clients(floor: Venue, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """Return python-binance's clients of alice and bob."""
    monkeypatch.setattr(SyncClient, "API_URL", f"{floor.base}/api")
    loop = asyncio.new_event_loop()  # the library would make one for each client and leave it open
    for module in ("base_client", "ws.reconnecting_websocket"):
        monkeypatch.setattr(f"binance.{module}.get_loop", lambda: loop)
    made = [SyncClient(KEYS[name][0], secret(name)) for name in ("alice", "bob")]
    yield made[0], made[1]
    for client in made:
        client.close_connection()
    loop.close()


KINDS = (
    {"type": "MARKET", "quantity": 1},
    {"type": "MARKET", "quoteOrderQty": "25"},
    {"type": "LIMIT", "timeInForce": "IOC", "quantity": 1, "price": "9.0000"},
    {"type": "LIMIT", "timeInForce": "FOK", "quantity": 1, "price": "9.0000"},
    {"type": "LIMIT_MAKER", "quantity": 1, "price": "9.0000"},
    {"type": "LIMIT", "timeInForce": "GTC", "quantity": 2, "price": "9.0000", "icebergQty": 1},
    {"type": "STOP_LOSS", "quantity": 1, "stopPrice": "15.0000"},
    {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "quantity": 1, "price": "9.0000", "stopPrice": "15.0000"},
)


def test_python_binance_places_every_kind_of_order(clients: Any) -> None:
    alice, bob = clients
    bob.order_limit_sell(symbol=SYMBOL, quantity=5, price="12.0000")
    placed = [alice.create_order(symbol=SYMBOL, side="BUY", **terms) for terms in KINDS]
    assert [one["type"] for one in placed] == [terms["type"] for terms in KINDS]
    assert [one["status"] for one in placed] == ["FILLED", "FILLED", "EXPIRED", "EXPIRED", *["NEW"] * 4]
    assert [alice.get_order(symbol=SYMBOL, orderId=one["orderId"])["status"] for one in placed] == [
        one["status"] for one in placed
    ]
    assert (placed[1]["executedQty"], placed[1]["origQuoteOrderQty"]) == ("2", "25.000000")


def test_ccxt_does_all_of_it_asynchronously(floor: Venue) -> None:
    async def conversation() -> None:
        rest = f"{floor.base}/api/v3"
        terms = {"urls": {"api": {"public": rest, "private": rest}}, "options": SPOT_ONLY}
        alice, bob, carol = [
            ccxt_async.binance({"apiKey": KEYS[name][0], "secret": secret(name), **terms})
            for name in ("alice", "bob", "carol")
        ]
        try:
            await read_and_trade(alice, bob, carol)
        finally:
            await asyncio.gather(*(one.close() for one in (alice, bob, carol)))

    asyncio.run(conversation())


async def read_and_trade(alice: Any, bob: Any, carol: Any) -> None:
    assert NAME in await alice.load_markets()
    await bob.create_order(NAME, "limit", "sell", 5, 12.0)
    bought = await alice.create_order(NAME, "market", "buy", 1)
    resting = [
        await alice.create_order(NAME, "limit", "buy", 2, 10.0, {"clientOrderId": "async-1"}),
        await alice.create_order(NAME, "limit", "buy", 2, 10.0, {"icebergQty": "1"}),
        await alice.create_order(NAME, "limit", "buy", 2, 10.0, {"stopLossPrice": 15.0}),
    ]
    edited = await alice.edit_order(resting[1]["id"], NAME, "limit", "buy", 1, 9.0)
    assert (edited["price"], (await alice.fetch_ticker(NAME))["last"]) == (9.0, 12.0)
    assert (await alice.fetch_tickers([NAME]))[NAME]["ask"] == 12.0
    assert (await alice.fetch_ohlcv(NAME, "1m"))[-1][4] == 12.0
    assert (await alice.fetch_trades(NAME))[-1]["amount"] == 1.0
    assert len(await alice.fetch_open_orders(NAME)) == 3
    assert (await alice.cancel_order(None, NAME, {"clientOrderId": "async-1"}))["id"] == resting[0]["id"]
    assert {one["id"] for one in await alice.cancel_all_orders(NAME)} == {resting[2]["id"], edited["id"]}
    assert (await alice.fetch_closed_orders(NAME))[-1]["id"] == bought["id"]
    for act, error in (
        (lambda: carol.create_order(NAME, "limit", "buy", 1, 10.0), ccxt.InsufficientFunds),
        (
            lambda: alice.create_order(NAME, "limit", "buy", 1, 12.0, {"postOnly": True}),
            ccxt.OrderImmediatelyFillable,
        ),
        (lambda: alice.cancel_order("99", NAME), ccxt.OrderNotFound),
        (lambda: wrong_secret(carol).fetch_balance(), ccxt.AuthenticationError),
    ):
        with pytest.raises(error):
            await act()


def test_python_binance_changes_and_cancels_orders(clients: Any) -> None:
    alice, _ = clients
    first = alice.order_limit_buy(symbol=SYMBOL, quantity=5, price="10.0000")
    replaced = alice.cancel_replace_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=3, price="9.0000",
        cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=first["orderId"],
    )  # fmt: skip
    assert (replaced["cancelResult"], replaced["newOrderResponse"]["price"]) == ("SUCCESS", "9.0000")
    named = alice.order_limit_buy(symbol=SYMBOL, quantity=1, price="8.0000", newClientOrderId="pb-both")
    assert alice.cancel_order(symbol=SYMBOL, origClientOrderId="pb-both")["orderId"] == named["orderId"]
    assert [one["status"] for one in alice.cancel_all_open_orders(symbol=SYMBOL)] == ["CANCELED"]
    assert alice.get_all_orders(symbol=SYMBOL)[-1]["status"] == "CANCELED"
    assert alice.get_current_order_count()[0]["rateLimitType"] == "ORDERS"


@pytest.mark.parametrize(
    ("code", "act"),
    [
        (-2011, lambda alice: alice.cancel_order(symbol=SYMBOL, orderId=99)),
        (-2013, lambda alice: alice.get_order(symbol=SYMBOL, orderId=99)),
        (-1121, lambda alice: alice.get_order(symbol="NONE", orderId=99)),
        (-1013, lambda alice: alice.order_limit_buy(symbol=SYMBOL, quantity=1, price="0.00001")),
        (-2010, lambda alice: alice.order_limit_sell(symbol=SYMBOL, quantity=9_000, price="10.0000")),
    ],
)
def test_python_binance_is_told_by_code(clients: Any, code: int, act: Callable[[Any], Any]) -> None:
    with pytest.raises(BinanceAPIException) as caught:
        act(clients[0])
    assert caught.value.code == code
