"""Orders over real sockets: every type, every refusal in its own words, idempotency, look-ups, cancellations."""

import time

import pytest

from api.binance import schema
from exchange.core import commands
from exchange.core.types import AccountState, TradingState
from tests.api.venue import ALICE, CLOSED, OTHER, SYMBOL, TOKENS

PRICE = "12.3456"
DECIMALS = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"


def refused(response):
    """Return status, code and message of a refusal."""
    body = schema.Refusal.model_validate(response.json())
    return response.status_code, body.code, body.msg


def done(response, model):
    """Return the answer, held against its schema."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    model.model_validate(response.json())
    return response.json()


def get(client, **which):
    return client.signed("GET", "/api/v3/order", symbol=SYMBOL, **which)


def cancel(client, **which):
    return client.signed("DELETE", "/api/v3/order", symbol=SYMBOL, **which)


def test_a_limit_order_rests_and_is_found_and_cancelled(market):
    alice = market.client("alice")
    placed = done(alice.order("BUY", 3, PRICE, newClientOrderId="mine"), schema.Full)
    assert placed | {"orderId": 0, "transactTime": 0, "workingTime": 0} == {
        "symbol": SYMBOL,
        "orderId": 0,
        "orderListId": -1,
        "clientOrderId": "mine",
        "transactTime": 0,
        "price": "12.3456",
        "origQty": "3",
        "executedQty": "0",
        "origQuoteOrderQty": "0.000000",
        "cummulativeQuoteQty": "0.000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": 0,
        "selfTradePreventionMode": "EXPIRE_TAKER",
        "fills": [],
    }
    assert abs(placed["transactTime"] - time.time() * 1000) < 5000
    found = done(get(alice, orderId=placed["orderId"]), schema.Order)
    assert found == done(get(alice, origClientOrderId="mine"), schema.Order)
    assert (found["status"], found["isWorking"], found["time"]) == ("NEW", True, placed["transactTime"])
    gone = done(cancel(alice, origClientOrderId="mine", newClientOrderId="bye"), schema.Canceled)
    assert (gone["status"], gone["origClientOrderId"], gone["clientOrderId"]) == ("CANCELED", "mine", "bye")
    assert done(get(alice, orderId=placed["orderId"]), schema.Order)["status"] == "CANCELED"


def test_an_order_trades_and_both_sides_are_told(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 2, "12.0001"), schema.Full)
    done(bob.order("SELL", 2, "12.0002"), schema.Full)
    bought = done(alice.order("BUY", 3, "12.0002"), schema.Full)
    assert (bought["status"], bought["executedQty"], bought["cummulativeQuoteQty"]) == ("FILLED", "3", "36.000400")
    first, second = bought["fills"]
    assert (first["price"], first["qty"], first["commission"]) == ("12.0001", "2", "0.012001")
    assert (second["price"], second["qty"], second["commission"]) == ("12.0002", "1", "0.006000")
    assert first["commissionAsset"] == "CNY"
    assert second["tradeId"] == first["tradeId"] + 1


def test_a_market_order_takes_what_is_there(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 2, PRICE), schema.Full)
    bought = done(alice.order("BUY", 5, type="MARKET"), schema.Full)
    assert (bought["type"], bought["status"], bought["executedQty"]) == ("MARKET", "EXPIRED", "2")
    assert bought["price"] == "0.0000"
    assert done(get(alice, orderId=bought["orderId"]), schema.Order)["price"] == "0.0000"


def test_immediate_orders_do_not_rest(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 2, PRICE), schema.Full)
    killed = done(alice.order("BUY", 3, PRICE, timeInForce="FOK"), schema.Full)
    assert (killed["status"], killed["executedQty"], killed["timeInForce"]) == ("EXPIRED", "0", "FOK")
    partly = done(alice.order("BUY", 3, PRICE, timeInForce="IOC"), schema.Full)
    assert (partly["status"], partly["executedQty"]) == ("EXPIRED", "2")
    assert alice.signed("GET", "/api/v3/openOrders").json() == []


def test_a_post_only_order_never_takes(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 2, PRICE, type="LIMIT_MAKER"), schema.Full)
    response = alice.order("BUY", 2, PRICE, type="LIMIT_MAKER")
    assert refused(response) == (400, -2010, "Order would immediately match and take.")
    assert done(alice.order("BUY", 2, "12.3455", type="LIMIT_MAKER"), schema.Full)["type"] == "LIMIT_MAKER"


def test_a_stop_sleeps_until_a_trade_wakes_it(market):
    alice, bob = market.client("alice"), market.client("bob")
    bid = done(alice.order("BUY", 5, "12.0000"), schema.Full)
    done(bob.order("SELL", 1, "12.0000"), schema.Full)  # the last price
    terms = {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "stopPrice": "11.9000"}
    assert refused(bob.order("SELL", 2, "11.8000", **(terms | {"stopPrice": "12.0000"}))) == (
        400,
        -2010,
        "Stop price would trigger immediately.",
    )
    placed = done(bob.order("SELL", 2, "11.8000", **terms), schema.Full)
    told = (placed["status"], placed["type"], placed["stopPrice"], placed["workingTime"])
    assert told == ("NEW", "STOP_LOSS_LIMIT", "11.9000", -1)
    found = done(get(bob, orderId=placed["orderId"]), schema.Order)
    assert (found["status"], found["isWorking"], found["stopPrice"]) == ("NEW", False, "11.9000")
    assert done(cancel(alice, orderId=bid["orderId"]), schema.Canceled)["executedQty"] == "1"
    done(alice.order("BUY", 1, "11.9000"), schema.Full)
    done(bob.order("SELL", 1, "11.9000"), schema.Full)
    woken = done(get(bob, orderId=placed["orderId"]), schema.Order)
    assert (woken["status"], woken["isWorking"], woken["price"]) == ("NEW", True, "11.8000")
    gone = done(cancel(bob, orderId=placed["orderId"]), schema.Canceled)
    assert (gone["status"], gone["stopPrice"]) == ("CANCELED", "11.9000")


def test_a_stop_without_a_price_takes_what_is_there(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(alice.order("BUY", 1, "13.0000"), schema.Full)
    done(bob.order("SELL", 1, "13.0000"), schema.Full)
    placed = done(bob.order("SELL", 3, type="STOP_LOSS", stopPrice="12.5000"), schema.Full)
    assert (placed["type"], placed["price"], placed["stopPrice"]) == ("STOP_LOSS", "0.0000", "12.5000")
    done(alice.order("BUY", 3, "12.4000"), schema.Full)
    done(bob.order("SELL", 1, "12.4000"), schema.Full)
    woken = done(get(bob, orderId=placed["orderId"]), schema.Order)
    assert (woken["status"], woken["executedQty"]) == ("EXPIRED", "2")


def test_an_iceberg_shows_its_tip(market):
    alice, bob = market.client("alice"), market.client("bob")
    placed = done(bob.order("SELL", 7, PRICE, icebergQty="2"), schema.Full)
    assert (placed["status"], placed["icebergQty"]) == ("NEW", "2")
    assert done(get(bob, orderId=placed["orderId"]), schema.Order)["icebergQty"] == "2"
    bought = done(alice.order("BUY", 3, PRICE), schema.Full)
    assert [fill["qty"] for fill in bought["fills"]] == ["2", "1"]
    assert done(get(bob, orderId=placed["orderId"]), schema.Order)["executedQty"] == "3"
    done(cancel(bob, orderId=placed["orderId"]), schema.Canceled)


def test_a_market_order_spends_an_amount(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 9, "2.0000"), schema.Full)
    bought = done(alice.order("BUY", None, type="MARKET", quoteOrderQty="7"), schema.Full)
    assert (bought["status"], bought["executedQty"], bought["cummulativeQuoteQty"]) == ("FILLED", "3", "6.000000")
    assert bought["origQuoteOrderQty"] == "7.000000"
    little = alice.order("BUY", None, type="MARKET", quoteOrderQty="0.5")
    assert refused(little) == (400, -1013, "Filter failure: NOTIONAL")
    assert refused(alice.order("BUY", None, type="MARKET", quoteOrderQty="0"))[1:] == (-1013, "Invalid quoteOrderQty.")


def test_a_market_order_says_the_amount_it_was_given_whenever_it_is_looked_up(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 9, "2.0000"), schema.Full)
    by_amount = done(alice.order("BUY", None, type="MARKET", quoteOrderQty="7"), schema.Full)["orderId"]
    by_quantity = done(alice.order("BUY", 1, None, type="MARKET"), schema.Full)["orderId"]
    limit = done(alice.order("BUY", 1, "1.0000"), schema.Full)["orderId"]  # no longer the last commands
    assert done(get(alice, orderId=by_amount), schema.Order)["origQuoteOrderQty"] == "7.000000"
    listed = alice.signed("GET", "/api/v3/allOrders", symbol=SYMBOL, orderId=by_amount).json()
    assert [(order["orderId"], order["origQuoteOrderQty"]) for order in listed] == [
        (by_amount, "7.000000"),
        (by_quantity, "0.000000"),
        (limit, "0.000000"),
    ]
    found = alice.signed("GET", "/api/v3/openOrders", symbol=SYMBOL).json()
    assert [order["origQuoteOrderQty"] for order in found] == ["0.000000"]


def test_a_retry_that_names_another_amount_is_another_order(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 9, "2.0000"), schema.Full)
    terms = {"type": "MARKET", "newClientOrderId": f"retry-{time.time_ns()}"}
    first = done(alice.order("BUY", None, quoteOrderQty="7", **terms), schema.Full)
    assert done(alice.order("BUY", None, quoteOrderQty="7.0", **terms), schema.Full) == first
    for quantity, amount in ((None, "8"), (first["executedQty"], None)):
        assert refused(alice.order("BUY", quantity, quoteOrderQty=amount, **terms))[:2] == (400, -2010)


def test_a_self_trade_is_prevented_and_told(market):
    bob = market.client("bob")
    done(bob.order("SELL", 2, PRICE), schema.Full)
    mine = done(bob.order("BUY", 2, PRICE, selfTradePreventionMode="EXPIRE_TAKER"), schema.Full)
    assert (mine["status"], mine["selfTradePreventionMode"]) == ("EXPIRED_IN_MATCH", "EXPIRE_TAKER")
    assert done(get(bob, orderId=mine["orderId"]), schema.Order)["status"] == "EXPIRED_IN_MATCH"


@pytest.mark.parametrize(("kind", "model"), [("ACK", schema.Acknowledged), ("RESULT", schema.Result)])
def test_an_answer_may_be_shorter(market, kind, model):
    done(market.client("alice").order("BUY", 1, PRICE, newOrderRespType=kind), model)


def test_times_may_be_in_microseconds(market):
    alice = market.client("alice")
    text = alice.sign({"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"} | {
        "quantity": 1, "price": PRICE, "timestamp": int(time.time() * 1_000_000),
    })  # fmt: skip
    placed = alice.send("POST", "/api/v3/order", text, **{"X-MBX-TIME-UNIT": "microsecond"}).json()
    assert abs(placed["transactTime"] - time.time() * 1_000_000) < 5_000_000
    wrong = alice.send("POST", "/api/v3/order", text, **{"X-MBX-TIME-UNIT": "HOUR"})
    assert refused(wrong)[:2] == (400, -1194)


def test_a_repeated_client_order_id_returns_the_first_order(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 2, PRICE), schema.Full)
    name = f"once-{time.time_ns()}"
    first = done(alice.order("BUY", 2, PRICE, newClientOrderId=name), schema.Full)
    again = done(alice.order("BUY", 2, PRICE, newClientOrderId=name), schema.Full)
    assert first["status"] == "FILLED"
    assert again == first


def test_another_order_under_the_same_name_is_refused(market):
    alice = market.client("alice")
    name = f"same-{time.time_ns()}"
    done(alice.order("BUY", 2, PRICE, newClientOrderId=name), schema.Full)
    response = alice.order("SELL", 2, PRICE, newClientOrderId=name)
    assert refused(response) == (400, -2010, "Duplicate order sent.")


def test_an_order_without_a_name_is_found_by_the_one_it_was_given(market):
    alice = market.client("alice")
    placed = done(alice.order("BUY", 2, PRICE), schema.Full)
    assert placed["clientOrderId"] == f"tb-{placed['orderId']}"
    assert done(get(alice, origClientOrderId=placed["clientOrderId"]), schema.Order)["orderId"] == placed["orderId"]
    assert refused(get(alice, origClientOrderId="tb-99"))[1] == -2013


def illegal(name):
    return (400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{DECIMALS}'.")


LOT_SIZE = (400, -1013, "Filter failure: LOT_SIZE")
PRICE_FILTER = (400, -1013, "Filter failure: PRICE_FILTER")
PERCENT_PRICE = (400, -1013, "Filter failure: PERCENT_PRICE")


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param({"symbol": "TA.NONE"}, (400, -1121, "Invalid symbol."), id="unknown symbol"),
        pytest.param({"price": "12.34567"}, PRICE_FILTER, id="bad tick"),
        pytest.param({"price": "12.3456789"}, (400, -1111, "Parameter 'price' has too much precision."), id="too fine"),
        pytest.param({"quantity": "1.5"}, LOT_SIZE, id="bad lot"),
        pytest.param(
            {"quantity": "1.1234567"}, (400, -1111, "Parameter 'quantity' has too much precision."), id="lot too fine"
        ),
        pytest.param({"quantity": "10001"}, LOT_SIZE, id="oversize quantity"),
        pytest.param({"quantity": "0"}, (400, -1013, "Invalid quantity."), id="no quantity"),
        pytest.param({"price": "0"}, (400, -1013, "Invalid price."), id="no price"),
        pytest.param({"price": "0.0009"}, PERCENT_PRICE, id="below the band"),
        pytest.param({"price": "1000.0001"}, PERCENT_PRICE, id="above the band"),
        pytest.param({"price": "300000"}, PRICE_FILTER, id="beyond every price"),
        pytest.param({"quantity": "-1"}, illegal("quantity"), id="negative quantity"),
        pytest.param({"price": "-1"}, illegal("price"), id="negative price"),
        pytest.param({"quantity": "NaN"}, illegal("quantity"), id="NaN"),
        pytest.param({"price": "Infinity"}, illegal("price"), id="infinity"),
        pytest.param({"price": "1e3"}, illegal("price"), id="exponent"),
        pytest.param({"price": "0x10"}, illegal("price"), id="hexadecimal"),
        pytest.param({"quantity": "9" * 20}, (400, -1108, "Parameter 'quantity' overflowed."), id="overflow"),
        pytest.param({"price": "9" * 20}, (400, -1108, "Parameter 'price' overflowed."), id="price overflow"),
        pytest.param({"quantity": "9" * 21}, illegal("quantity"), id="more than 20 digits"),
        pytest.param(
            {"bogus": "1"},
            (400, -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."),
            id="unknown field",
        ),
        pytest.param({"side": "HOLD"}, (400, -1117, "Invalid side."), id="bad side"),
        pytest.param({"type": "ICEBERG"}, (400, -1116, "Invalid orderType."), id="bad type"),
        pytest.param(
            {"type": "TAKE_PROFIT_LIMIT"},
            (400, -2010, "Take profit limit orders are not supported for this symbol."),
            id="type not traded here",
        ),
        pytest.param({"timeInForce": "GTX"}, (400, -1115, "Invalid timeInForce."), id="bad time in force"),
        pytest.param(
            {"timeInForce": None},
            (400, -1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
            id="missing parameter",
        ),
        pytest.param({"price": ""}, (400, -1105, "Parameter 'price' was empty."), id="empty parameter"),
        pytest.param(
            {"symbol": "btc usdt"},
            (
                400,
                -1100,
                "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,64}$'.",
            ),
            id="illegal symbol",
        ),
        pytest.param(
            {"newClientOrderId": "x" * 37},
            (
                400,
                -1100,
                "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_.:/]{1,36}$'.",
            ),
            id="name too long",
        ),
        pytest.param({"symbol": CLOSED}, (400, -2010, "Market is closed."), id="closed market"),
        pytest.param(
            {"newClientOrderId": "中"}, (400, -1100, "Illegal characters found in a parameter."), id="encoding"
        ),
    ],
)
def test_every_bad_order_is_refused_in_its_own_words(market, terms, expected):
    alice = market.client("alice")
    assert refused(alice.order("BUY", 1, PRICE, **terms)) == expected
    assert alice.get("/api/v3/ping").status_code == 200


def test_who_has_too_little_is_told(market):
    response = market.client("carol").order("BUY", 1, PRICE)
    assert refused(response) == (400, -2010, "Account has insufficient balance for requested action.")


def test_a_suspended_account_may_only_cancel(market):
    alice = market.client("alice")
    placed = done(alice.order("BUY", 1, PRICE), schema.Full)
    market.submit(commands.set_account_state(ALICE, AccountState.SUSPENDED))
    assert refused(alice.order("BUY", 1, PRICE)) == (400, -2010, "This account may not place or cancel orders.")
    done(cancel(alice, orderId=placed["orderId"]), schema.Canceled)


def test_a_suspended_market_does_not_even_cancel(market):
    alice = market.client("alice")
    placed = done(alice.order("BUY", 1, PRICE), schema.Full)
    market.submit(commands.set_trading_state(TOKENS, TradingState.SUSPENDED))
    try:
        assert refused(cancel(alice, orderId=placed["orderId"])) == (400, -2011, "Market is closed.")
    finally:
        market.submit(commands.set_trading_state(TOKENS, TradingState.CONTINUOUS))


def test_an_order_can_be_tested_without_being_placed(market):
    alice = market.client("alice")
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
    assert done(alice.signed("POST", "/api/v3/order/test", **terms), schema.Empty) == {}
    assert alice.signed("GET", "/api/v3/openOrders").json() == []
    wrong = [
        ({"quantity": 10_001}, LOT_SIZE),
        ({"price": "1000.0001"}, PERCENT_PRICE),
        ({"price": "12.34567"}, PRICE_FILTER),
        ({"symbol": CLOSED}, (400, -2010, "Market is closed.")),
    ]
    for more, expected in wrong:
        assert refused(alice.signed("POST", "/api/v3/order/test", **(terms | more))) == expected


def test_orders_of_others_are_unknown(market):
    placed = done(market.client("alice").order("BUY", 1, PRICE), schema.Full)
    bob = market.client("bob")
    assert refused(get(bob, orderId=placed["orderId"])) == (400, -2013, "Order does not exist.")
    assert refused(cancel(bob, orderId=placed["orderId"])) == (400, -2011, "Unknown order sent.")


def test_an_order_belongs_to_its_symbol(market):
    alice = market.client("alice")
    placed = done(alice.order("BUY", 1, PRICE), schema.Full)
    response = alice.signed("GET", "/api/v3/order", symbol=OTHER, orderId=placed["orderId"])
    assert refused(response) == (400, -2013, "Order does not exist.")


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, (400, -1102, "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!")),
        ({"orderId": 99}, (400, -2013, "Order does not exist.")),
        (
            {"orderId": "x"},
            (400, -1100, "Illegal characters found in parameter 'orderId'; legal range is '^[0-9]{1,20}$'."),
        ),
        ({"orderId": 1 << 63}, (400, -1108, "Parameter 'orderId' overflowed.")),
        ({"origClientOrderId": "unheard-of"}, (400, -2013, "Order does not exist.")),
    ],
)
def test_a_look_up_that_finds_nothing_says_why(market, which, expected):
    assert refused(get(market.client("alice"), **which)) == expected


def test_two_ids_must_be_of_one_order(market):
    alice = market.client("alice")
    first = done(alice.order("BUY", 1, PRICE, newClientOrderId="first"), schema.Full)
    done(alice.order("BUY", 1, PRICE, newClientOrderId="second"), schema.Full)
    assert done(get(alice, orderId=first["orderId"], origClientOrderId="first"), schema.Order)
    assert refused(get(alice, orderId=first["orderId"], origClientOrderId="second"))[1] == -2013
    assert refused(cancel(alice, orderId=first["orderId"], origClientOrderId="second"))[1] == -2011


def test_what_was_filled_cannot_be_cancelled(market):
    alice, bob = market.client("alice"), market.client("bob")
    done(bob.order("SELL", 1, PRICE), schema.Full)
    bought = done(alice.order("BUY", 1, PRICE), schema.Full)
    assert refused(cancel(alice, orderId=bought["orderId"])) == (400, -2011, "Unknown order sent.")


def test_open_orders_are_listed_and_cancelled_together(market):
    alice = market.client("alice")
    ids = [done(alice.order("BUY", 1, f"1.000{n}"), schema.Full)["orderId"] for n in range(1, 4)]
    other = done(alice.order("BUY", 1, "5.01", symbol=OTHER), schema.Full)["orderId"]
    listed = alice.signed("GET", "/api/v3/openOrders", symbol=SYMBOL).json()
    assert [order["orderId"] for order in listed] == ids
    assert {order["orderId"] for order in alice.signed("GET", "/api/v3/openOrders").json()} == {*ids, other}
    gone = alice.signed("DELETE", "/api/v3/openOrders", symbol=SYMBOL).json()
    assert [(schema.Canceled.model_validate(order).order_id, order["status"]) for order in gone] == [
        (order_id, "CANCELED") for order_id in ids
    ]
    assert [order["orderId"] for order in alice.signed("GET", "/api/v3/openOrders").json()] == [other]
    response = alice.signed("DELETE", "/api/v3/openOrders", symbol=SYMBOL)
    assert refused(response) == (400, -2011, "Unknown order sent.")


def test_all_orders_are_paged(market):
    alice = market.client("alice")
    ids = [done(alice.order("BUY", 1, PRICE), schema.Full)["orderId"] for _ in range(3)]

    def listed(**more):
        rows = alice.signed("GET", "/api/v3/allOrders", symbol=SYMBOL, **more).json()
        return [schema.Order.model_validate(row).order_id for row in rows]

    assert listed(limit=2) == ids[-2:]
    assert listed(orderId=ids[0], limit=2) == ids[:2]
    assert listed(startTime=int(time.time() * 1000) + 60_000) == []
    assert refused(alice.signed("GET", "/api/v3/allOrders", symbol=SYMBOL, limit=0))[1] == -1130
    assert refused(alice.signed("GET", "/api/v3/allOrders", symbol=SYMBOL, limit=1001))[1] == -1130


def test_the_order_count_is_told(market):
    alice = market.client("alice")
    before = int(alice.order("BUY", 1, PRICE).headers["x-mbx-order-count-10s"])
    response = alice.order("BUY", 1, PRICE)
    assert int(response.headers["x-mbx-order-count-10s"]) <= before + 1
    assert int(response.headers["x-mbx-used-weight-1m"]) > 0


def test_a_cancellation_may_be_restricted(market):
    alice, bob = market.client("alice"), market.client("bob")
    placed = done(alice.order("BUY", 3, PRICE), schema.Full)["orderId"]
    terms = {"symbol": SYMBOL, "orderId": placed}
    for only, code in (("ONLY_PARTIALLY_FILLED", -2011), ("SOMETIMES", -1130)):
        assert refused(alice.signed("DELETE", "/api/v3/order", **terms, cancelRestrictions=only))[1] == code
    done(bob.order("SELL", 1, PRICE), schema.Full)
    answer = alice.signed("DELETE", "/api/v3/order", **terms, cancelRestrictions="ONLY_NEW")
    assert refused(answer) == (400, -2011, "Order was not canceled due to cancel restrictions.")
    ended = alice.signed("DELETE", "/api/v3/order", **terms, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert done(ended, schema.Canceled)["status"] == "CANCELED"
