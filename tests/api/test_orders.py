"""Orders as texts, decoded as the schema says; and what became of them, read from events."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import errors
from api.binance.requests import NewOrderRequest
from api.errors import RequestError
from api.orders import Fill, OrderTexts, Placed, decode, name_of, own_name, placed, status_of
from api.parameters import DECIMAL_RANGE, SYMBOL_RANGE
from api.schemas import validated
from exchange.core.types import (
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from exchange.events import Event
from exchange.marketdata.orders import OrderStatus, OrderView
from exchange.registry.units import NumberRefusal, parse_units

LIMIT = {"symbol": "TA.X", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2.5"}
MARKET = {"symbol": "TA.X", "side": "SELL", "type": "MARKET", "quantity": "3"}
MAKER = {"symbol": "TA.X", "side": "SELL", "type": "LIMIT_MAKER", "quantity": "3", "price": "1"}
STOP = {"symbol": "TA.X", "side": "SELL", "type": "STOP_LOSS", "quantity": "3", "stopPrice": "2"}
STOP_LIMIT = LIMIT | {"type": "STOP_LOSS_LIMIT", "stopPrice": "2.4"}


def problem(texts):
    with pytest.raises(RequestError) as caught:
        decode(texts)
    return caught.value.problem


def without(texts, name):
    return {key: value for key, value in texts.items() if key != name}


def test_a_limit_order_is_decoded():
    more = {
        "newClientOrderId": "abc",
        "selfTradePreventionMode": "DECREMENT",
        "newOrderRespType": "ACK",
        "timestamp": "1",
        "recvWindow": "1",
        "signature": "x",
    }
    assert decode(LIMIT | more) == OrderTexts(
        symbol="TA.X",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        flags=0,
        price="2.5",
        quantity="1",
        client_order_id="abc",
        self_trade_prevention=SelfTradePrevention.DECREMENT,
        response="ACK",
    )


def test_what_is_not_said_has_a_meaning():
    order = decode(LIMIT)
    assert (order.client_order_id, order.self_trade_prevention, order.response) == ("", None, "FULL")


@pytest.mark.parametrize(
    ("texts", "order_type", "time_in_force", "flags", "price"),
    [
        (LIMIT | {"timeInForce": "IOC"}, OrderType.LIMIT, TimeInForce.IOC, 0, "2.5"),
        (LIMIT | {"timeInForce": "FOK"}, OrderType.LIMIT, TimeInForce.FOK, 0, "2.5"),
        (MAKER, OrderType.LIMIT, TimeInForce.GTC, OrderFlag.POST_ONLY, "1"),
        (MARKET, OrderType.MARKET, TimeInForce.IOC, 0, ""),
        (STOP, OrderType.STOP, TimeInForce.IOC, 0, ""),
        (STOP_LIMIT, OrderType.STOP_LIMIT, TimeInForce.GTC, 0, "2.5"),
        (STOP_LIMIT | {"timeInForce": "FOK"}, OrderType.STOP_LIMIT, TimeInForce.FOK, 0, "2.5"),
    ],
)
def test_types_have_their_terms(texts, order_type, time_in_force, flags, price):
    order = decode(texts)
    assert (order.order_type, order.time_in_force, order.flags, order.price) == (
        order_type,
        time_in_force,
        flags,
        price,
    )


def test_stops_icebergs_and_amounts_are_decoded():
    assert decode(STOP).stop_price == "2"
    assert decode(STOP_LIMIT).stop_price == "2.4"
    assert decode(LIMIT | {"icebergQty": "0.5"}).iceberg == "0.5"
    assert decode(MAKER | {"icebergQty": "2"}).iceberg == "2"
    by_amount = decode(without(MARKET, "quantity") | {"quoteOrderQty": "9"})
    assert (by_amount.quantity, by_amount.amount) == ("", "9")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (without(LIMIT, "symbol"), errors.missing("symbol")),
        (without(LIMIT, "side"), errors.missing("side")),
        (without(LIMIT, "type"), errors.missing("type")),
        (without(LIMIT, "quantity"), errors.missing("quantity")),
        (without(LIMIT, "price"), errors.missing("price")),
        (without(LIMIT, "timeInForce"), errors.missing("timeInForce")),
        (without(MAKER, "price"), errors.missing("price")),
        (LIMIT | {"side": "buy"}, errors.INVALID_SIDE),
        (LIMIT | {"timeInForce": "GTX"}, errors.INVALID_TIF),
        (LIMIT | {"type": "ICEBERG"}, errors.INVALID_ORDER_TYPE),
        (LIMIT | {"type": "TAKE_PROFIT"}, errors.UNSUPPORTED_TYPES["TAKE_PROFIT"]),
        (without(STOP, "stopPrice"), errors.missing("stopPrice")),
        (STOP | {"price": "1"}, errors.not_required("price")),
        (STOP | {"timeInForce": "GTC"}, errors.not_required("timeInForce")),
        (without(STOP_LIMIT, "timeInForce"), errors.missing("timeInForce")),
        (STOP_LIMIT | {"timeInForce": "DAY"}, errors.INVALID_TIF),
        (without(STOP_LIMIT, "price"), errors.missing("price")),
        (STOP_LIMIT | {"icebergQty": "1"}, errors.not_required("icebergQty")),
        (LIMIT | {"timeInForce": "GTD"}, errors.INVALID_TIF),
        (LIMIT | {"timeInForce": "AT_AUCTION"}, errors.INVALID_TIF),
        (LIMIT | {"quoteOrderQty": "1"}, errors.not_required("quoteOrderQty")),
        (LIMIT | {"type": "TAKE_PROFIT_LIMIT"}, errors.UNSUPPORTED_TYPES["TAKE_PROFIT_LIMIT"]),
        (MARKET | {"price": "1"}, errors.not_required("price")),
        (MARKET | {"timeInForce": "GTC"}, errors.not_required("timeInForce")),
        (MAKER | {"timeInForce": "GTC"}, errors.not_required("timeInForce")),
        (LIMIT | {"stopPrice": "1"}, errors.not_required("stopPrice")),
        (LIMIT | {"icebergQty": "1", "timeInForce": "IOC"}, errors.ICEBERG_TIF),
        (MARKET | {"icebergQty": "1"}, errors.not_required("icebergQty")),
        (LIMIT | {"trailingDelta": "1"}, errors.TRAILING_STOP),
        (MARKET | {"quoteOrderQty": "1"}, errors.not_required("quantity")),
        (LIMIT | {"nonsense": "1"}, errors.unread(6, 7)),
        (LIMIT | {"newClientOrderId": "tb-1"}, errors.invalid("newClientOrderId")),
        (LIMIT | {"newOrderRespType": "MORE"}, errors.invalid("newOrderRespType")),
        (LIMIT | {"selfTradePreventionMode": "TRANSFER"}, errors.invalid("selfTradePreventionMode")),
    ],
)
def test_what_is_wrong_is_named(texts, expected):
    assert problem(texts) == expected


VALUES = {
    "symbol": st.sampled_from(["TA.X", "ta.x", "", "TA X"]),
    "side": st.sampled_from(["BUY", "SELL", "BOTH"]),
    "type": st.sampled_from(["LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "limit"]),
    "timeInForce": st.sampled_from(["GTC", "IOC", "FOK", "GTX"]),
    "quantity": st.sampled_from(["1", "0", "1.5", "-1", "NaN", "1e3", "9" * 21]),
    "price": st.sampled_from(["1", "0.0001", "x", "", "1."]),
    "newClientOrderId": st.sampled_from(["a", "x" * 36, "x" * 37, "a b", "tb-1", "tb"]),
    "selfTradePreventionMode": st.sampled_from(["NONE", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "x"]),
    "newOrderRespType": st.sampled_from(["ACK", "RESULT", "FULL", "x"]),
    "stopPrice": st.sampled_from(["1", "x"]),
    "icebergQty": st.sampled_from(["1", "x"]),
    "quoteOrderQty": st.sampled_from(["1", "-1"]),
    "extra": st.just("1"),
    "timestamp": st.just("1"),
}
MANDATORY = ("symbol", "side", "type", "quantity")


@st.composite
def requests(draw):
    names = [name for name in VALUES if draw(st.integers(0, 9)) < (9 if name in MANDATORY else 4)]
    return {name: draw(VALUES[name]) for name in names}


def accepts(read):
    try:
        read()
    except RequestError:
        return False
    return True


def decoded(texts):
    """Decode, and check the characters of symbol and numbers, which the look-ups after it do."""
    order = decode(texts)
    bad = (NumberRefusal.NOT_A_NUMBER, NumberRefusal.NEGATIVE)
    numbers = [
        texts[name] for name in ("quantity", "price", "stopPrice", "icebergQty", "quoteOrderQty") if name in texts
    ]
    if any(parse_units(number, 18) in bad for number in numbers):
        raise RequestError(errors.illegal("number", DECIMAL_RANGE))
    if order.symbol != "TA.X":
        raise RequestError(errors.illegal("symbol", SYMBOL_RANGE))


@given(requests())
def test_the_decoder_accepts_what_the_schema_accepts(texts):
    assert accepts(lambda: decoded(texts)) == accepts(lambda: validated(NewOrderRequest, texts))


def event(kind, **fields):
    return Event(*(fields.get(name, 0) for name in Event._fields))._replace(kind=kind)


ACCEPTED = event(EventKind.ORDER_ACCEPTED, order_id=5, quantity_lots=10, price_ticks=100, time_ns=7)
TRADED = event(
    EventKind.TRADED,
    order_id=5,
    trade_id=1,
    price_ticks=99,
    quantity_lots=4,
    leaves_lots=6,
    amount=396,
    fee=2,
)


def became(*events):
    order = placed((ACCEPTED, *events), "")
    return order.status, order.quantity_lots, order.filled_lots, order.quote_filled


def test_a_new_order_rests():
    assert placed((ACCEPTED,), "abc") == Placed(5, "abc", 0, 0, 0, 0, 0, 100, 10, 0, 0, "NEW", 7, [])


def test_an_order_without_a_name_gets_one():
    assert placed((ACCEPTED,), "").client_order_id == own_name(5) == "tb-5"


def test_fills_are_summed_up():
    order = placed((ACCEPTED, TRADED, TRADED._replace(quantity_lots=6, amount=600, leaves_lots=0, trade_id=2)), "")
    assert (order.status, order.filled_lots, order.quote_filled) == ("FILLED", 10, 996)
    assert order.fills == [Fill(99, 4, 2, 1, 396, False, 1), Fill(99, 6, 2, 2, 600, False, 2)]


def test_a_part_may_be_filled():
    assert became(TRADED) == ("PARTIALLY_FILLED", 10, 4, 396)


@pytest.mark.parametrize(
    ("reason", "status"),
    [(EndReason.IMMEDIATE_REMAINDER, "EXPIRED"), (EndReason.SELF_TRADE, "EXPIRED_IN_MATCH")],
)
def test_an_order_may_expire(reason, status):
    expired = event(EventKind.ORDER_EXPIRED, order_id=5, reason=reason, quantity_lots=10, leaves_lots=6)
    assert became(TRADED, expired) == (status, 10, 4, 396)


def test_what_becomes_of_others_does_not_count():
    named = event(EventKind.ORDER_NAMED, order_id=5)
    other = event(EventKind.ORDER_EXPIRED, order_id=4, reason=EndReason.SELF_TRADE)
    assert became(named, other) == ("NEW", 10, 0, 0)


def test_a_stop_that_the_order_woke_may_meet_it():
    woken = TRADED._replace(order_id=9, counter_order_id=5, fee=7, counter_fee=-1)
    assert became(woken) == ("PARTIALLY_FILLED", 10, 4, 396)
    assert placed((ACCEPTED, woken), "").fills == [Fill(99, 4, -1, 1, 396, True, 1)]
    assert became(TRADED, woken._replace(counter_order_id=8)) == ("PARTIALLY_FILLED", 10, 4, 396)


def test_terms_are_told():
    order = placed((ACCEPTED, event(EventKind.ORDER_TERMS, order_id=5, price_ticks=90, quantity_lots=3)), "")
    assert (order.status, order.stop_ticks, order.display_lots) == ("NEW", 90, 3)


def test_a_decrement_lowers_the_quantity():
    decrement = SelfTradePrevention.DECREMENT
    prevented = event(
        EventKind.MATCH_PREVENTED, order_id=5, quantity_lots=3, leaves_lots=7, self_trade_prevention=decrement
    )
    assert became(prevented) == ("NEW", 7, 0, 0)


VIEW = OrderView(5, 1, 1, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 0, 100, 10, 7, 8)


def test_names_and_states_of_known_orders():
    assert name_of(VIEW) == "tb-5"
    assert name_of(SimpleNamespace(client_order_id="abc", order_id=5)) == "abc"
    assert status_of(VIEW) == "NEW"
    ended = SimpleNamespace(status=OrderStatus.EXPIRED, end_reason=EndReason.SELF_TRADE)
    assert status_of(ended) == "EXPIRED_IN_MATCH"
