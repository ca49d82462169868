"""What an account has, paid and used; over real sockets."""

import time
from decimal import Decimal

from api.binance import schema
from tests.api.binance.test_trading import refused
from tests.api.venue import ALICE, OTHER, SYMBOL


def balances(client, **parameters):
    answer = client.signed("GET", "/api/v3/account", **parameters).json()
    schema.Account.model_validate(answer)
    return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in answer["balances"]}


def test_an_open_order_holds_what_it_may_cost(market):
    alice = market.client("alice")
    free, locked = balances(alice)["CNY"]
    assert locked == 0
    alice.order("BUY", 10, "10.0000")
    after, held = balances(alice)["CNY"]
    assert held == Decimal("100.050001")  # with the worst fee, and a unit for its rounding
    assert after == free - held


def test_what_an_account_may_do_is_told(market):
    answer = market.client("alice").signed("GET", "/api/v3/account").json()
    assert (answer["canTrade"], answer["accountType"], answer["uid"]) == (True, "SPOT", ALICE)


def test_zero_balances_may_be_left_out(market):
    carol = market.client("carol")
    carol.order("BUY", 1, "1.0000")
    assert balances(carol, omitZeroBalances="true") == {}
    assert refused(carol.signed("GET", "/api/v3/account", omitZeroBalances="1"))[1] == -1130


def test_fees_of_an_instrument_are_told(market):
    answer = market.client("alice").signed("GET", "/api/v3/account/commission", symbol=SYMBOL).json()
    schema.Commission.model_validate(answer)
    assert answer["standardCommission"]["maker"] == "-0.00010000"
    assert answer["standardCommission"]["taker"] == "0.00050000"


def test_used_orders_are_counted(market):
    now_ns = market.exchange.clock.now_ns()
    market.services.limiter.take_orders(ALICE, market.limits.orders_per_10s // 2, now_ns)
    (count,) = market.client("alice").signed("GET", "/api/v3/rateLimit/order").json()
    schema.OrderCount.model_validate(count)
    assert count["count"] >= 1
    assert count["limit"] == market.limits.orders_per_10s


def test_own_trades_say_what_was_paid(market):
    alice, bob = market.client("alice"), market.client("bob")
    sold = bob.order("SELL", 3, "30.0001").json()
    bought = alice.order("BUY", 3, "30.0001").json()
    (mine,) = alice.signed("GET", "/api/v3/myTrades", symbol=SYMBOL, orderId=bought["orderId"]).json()
    (theirs,) = bob.signed("GET", "/api/v3/myTrades", symbol=SYMBOL, orderId=sold["orderId"]).json()
    schema.OwnTrade.model_validate(mine)
    assert (mine["isBuyer"], mine["isMaker"], mine["commission"]) == (True, False, "0.045001")
    assert (theirs["isBuyer"], theirs["isMaker"], theirs["commission"]) == (False, True, "-0.009000")
    assert mine["id"] == theirs["id"]
    assert mine["quoteQty"] == "90.000300"


def test_own_trades_are_chosen_by_id_or_time(market):
    alice, bob = market.client("alice"), market.client("bob")
    for _ in range(3):
        bob.order("SELL", 1, "30.0000")
        alice.order("BUY", 1, "30.0000")

    def trades(**which):
        return [row["id"] for row in alice.signed("GET", "/api/v3/myTrades", symbol=SYMBOL, **which).json()]

    last = trades(limit=3)
    assert last == sorted(last)
    assert trades(fromId=last[1]) == last[1:]
    assert trades(startTime=int(time.time() * 1000) + 60_000) == []
    assert alice.signed("GET", "/api/v3/myTrades", symbol=OTHER).json() == []
    assert refused(alice.signed("GET", "/api/v3/myTrades", symbol=SYMBOL, fromId=1, startTime=1))[1] == -1128


def test_a_listen_key_is_started_kept_and_closed(market):
    alice, bob = market.client("alice"), market.client("bob")
    path = "/api/v3/userDataStream"
    started = alice.send("POST", path, "")
    schema.ListenKey.model_validate(started.json())
    key = started.json()["listenKey"]
    assert alice.send("POST", path, "").json()["listenKey"] == key
    assert alice.send("PUT", path, f"listenKey={key}").json() == {}
    assert refused(bob.send("PUT", path, f"listenKey={key}")) == (400, -1125, "This listenKey does not exist.")
    assert alice.send("DELETE", path, f"listenKey={key}").json() == {}
    assert refused(alice.send("DELETE", path, f"listenKey={key}")) == (400, -1125, "This listenKey does not exist.")
    assert refused(alice.send("PUT", path, ""))[1] == -1102


def test_a_key_knows_its_permissions(market):
    answer = market.client("reader").signed("GET", "/sapi/v1/account/apiRestrictions").json()
    schema.KeyPermissions.model_validate(answer)
    assert (answer["enableReading"], answer["enableSpotAndMarginTrading"]) == (True, False)
