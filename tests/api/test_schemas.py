"""Values of requests: what is taken, what is refused, and in which words."""

import pytest
from pydantic import BaseModel, ValidationError

from api import errors
from api.errors import RequestError
from api.schemas import (
    STRICT,
    ClientOrderId,
    Decimal,
    Flag,
    IntervalName,
    Long,
    NewClientOrderId,
    PreventionName,
    ResponseType,
    SideName,
    Symbol,
    Symbols,
    TimeInForceName,
    TypeName,
    names,
    problem_of,
    validated,
)
from exchange.marketdata.intervals import Interval


class Example(BaseModel):
    model_config = STRICT
    symbol: Symbol = ""
    symbols: Symbols = ()
    from_id: Long = 0
    price: Decimal = ""
    name: ClientOrderId = ""
    new_name: NewClientOrderId = ""
    is_short: Flag = False
    side: SideName = "BUY"
    kind: TypeName = "LIMIT"
    time_in_force: TimeInForceName = "GTC"
    mode: PreventionName = "NONE"
    response: ResponseType = "ACK"
    interval: IntervalName = Interval.MINUTE_1


class Mandatory(BaseModel):
    model_config = STRICT
    from_id: Long
    count: int = 0


def problem(model, texts):
    with pytest.raises(RequestError) as caught:
        validated(model, texts)
    return caught.value.problem


def test_names_are_in_camel_case_outside():
    assert names(Mandatory) == {"fromId", "count"}
    assert validated(Mandatory, {"fromId": "7"}).from_id == 7


def test_authentication_is_not_the_business_of_a_request():
    assert validated(Mandatory, {"fromId": "7", "timestamp": "1", "recvWindow": "2", "signature": "3"}).from_id == 7


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("symbol", "TA.X", "symbol", "TA.X"),
        ("symbols", '["TA.X","TA.Y"]', "symbols", ("TA.X", "TA.Y")),
        ("fromId", "12", "from_id", 12),
        ("price", "1.50", "price", "1.50"),
        ("name", "tb-1", "name", "tb-1"),
        ("newName", "abc", "new_name", "abc"),
        ("isShort", "true", "is_short", True),
        ("isShort", "false", "is_short", False),
        ("side", "SELL", "side", "SELL"),
        ("kind", "LIMIT_MAKER", "kind", "LIMIT_MAKER"),
        ("kind", "STOP_LOSS_LIMIT", "kind", "STOP_LOSS_LIMIT"),
        ("timeInForce", "FOK", "time_in_force", "FOK"),
        ("mode", "DECREMENT", "mode", "DECREMENT"),
        ("response", "FULL", "response", "FULL"),
        ("interval", "1M", "interval", Interval.MONTH_1),
    ],
)
def test_good_values_are_taken(name, text, field, value):
    assert getattr(validated(Example, {name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("symbol", "ta.x", -1100),
        ("symbols", "TA.X", -1135),
        ("fromId", "-1", -1100),
        ("fromId", str(1 << 63), -1108),
        ("price", "NaN", -1100),
        ("name", "a b", -1100),
        ("newName", "tb-1", -1130),
        ("isShort", "yes", -1130),
        ("side", "BOTH", -1117),
        ("kind", "TAKE_PROFIT", -2010),
        ("kind", "x", -1116),
        ("timeInForce", "DAY", -1115),
        ("mode", "x", -1130),
        ("response", "x", -1130),
        ("interval", "2m", -1120),
        ("unknown", "1", -1104),
    ],
)
def test_bad_values_are_refused_each_with_its_code(name, text, code):
    assert problem(Example, {name: text}).code == code


def test_the_name_in_a_refusal_is_the_sender_s():
    assert problem(Example, {"fromId": "x"}).message.startswith("Illegal characters found in parameter 'fromId'")


def test_what_is_missing_is_named():
    assert problem(Mandatory, {}) == errors.missing("fromId")


def test_what_pydantic_itself_refuses_is_named():
    assert problem(Mandatory, {"fromId": "1", "count": "x"}) == errors.invalid("count")


def test_a_model_refused_as_a_whole_is_the_body():
    with pytest.raises(ValidationError) as caught:
        Mandatory.model_validate(1)
    assert problem_of(caught.value) == errors.invalid("body")
