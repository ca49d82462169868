"""The words that requests are made of, as pydantic types: what a value may look like, and the refusal if it does not.

A bad value raises RequestError with its own code, straight through pydantic; a missing one is named by `problem_of`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, WithJsonSchema
from pydantic.alias_generators import to_camel

from api import parameters
from api.errors import (
    INVALID_INTERVAL,
    INVALID_ORDER_TYPE,
    INVALID_SIDE,
    INVALID_TIF,
    UNSUPPORTED_TYPES,
    Problem,
    RequestError,
    invalid,
    missing,
)
from exchange.core.types import SelfTradePrevention
from exchange.marketdata.intervals import Interval

ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
RESPONSE_TYPES = ("ACK", "RESULT", "FULL")
PREVENTION_MODES = tuple(mode.name for mode in SelfTradePrevention)
INTERVALS = tuple(interval.value for interval in Interval)

STRICT = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)  # of every model of a request

Model = TypeVar("Model", bound=BaseModel)


def _checked(check: Callable[[str, str], object]) -> BeforeValidator:
    def validate(value: object, info: ValidationInfo) -> object:
        assert info.field_name is not None
        return check(to_camel(info.field_name), value) if isinstance(value, str) else value

    return BeforeValidator(validate)


def _one_of(allowed: tuple[str, ...], problem: Problem | None = None) -> BeforeValidator:
    def check(name: str, text: str) -> str:
        if text not in allowed:
            raise RequestError(problem or invalid(name))
        return text

    return _checked(check)


def _order_type(_: str, text: str) -> str:
    if text not in ORDER_TYPES:
        raise RequestError(UNSUPPORTED_TYPES.get(text, INVALID_ORDER_TYPE))
    return text


def _flag(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise RequestError(invalid(name))
    return text == "true"


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Symbol = Annotated[str, _checked(parameters.symbol), _text(parameters.SYMBOL_RANGE)]
Symbols = Annotated[tuple[str, ...], _checked(parameters.symbols), _text('^\\["[A-Z0-9-_.]{1,64}"(,"..."){0,99}\\]$')]
_LONG = WithJsonSchema({"type": "integer", "minimum": 0, "format": "int64"})
Long = Annotated[int, _checked(parameters.long), _LONG]
Time = Annotated[int, _checked(parameters.milliseconds), _LONG]
Decimal = Annotated[str, _checked(parameters.decimal), _text(parameters.DECIMAL_RANGE)]
ClientOrderId = Annotated[str, _checked(parameters.client_order_id), _text(parameters.CLIENT_ORDER_ID_RANGE)]
NewClientOrderId = Annotated[str, _checked(parameters.new_client_order_id), _text(parameters.CLIENT_ORDER_ID_RANGE)]
Flag = Annotated[bool, _checked(_flag)]
SideName = Annotated[Literal["BUY", "SELL"], _one_of(("BUY", "SELL"), INVALID_SIDE)]
TypeName = Annotated[Literal["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"], _checked(_order_type)]
TimeInForceName = Annotated[Literal["GTC", "IOC", "FOK"], _one_of(TIMES_IN_FORCE, INVALID_TIF)]
PreventionName = Annotated[str, _one_of(PREVENTION_MODES), _text("^({})$".format("|".join(PREVENTION_MODES)))]
ResponseType = Annotated[Literal["ACK", "RESULT", "FULL"], _one_of(RESPONSE_TYPES)]
IntervalName = Annotated[Interval, _one_of(INTERVALS, INVALID_INTERVAL)]


def validated(model: type[Model], texts: Mapping[str, str]) -> Model:
    """Return the request that the texts make, or refuse the first thing wrong with it."""
    known = names(model)
    parameters.refuse_unknown(texts, known | parameters.AUTHENTICATION)
    try:
        return model.model_validate({name: text for name, text in texts.items() if name in known})
    except ValidationError as error:
        raise RequestError(problem_of(error)) from None


@cache
def names(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of a request's parameters."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def problem_of(error: ValidationError) -> Problem:
    """Return the first thing wrong as a problem."""
    first = error.errors(include_url=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "body"
    return missing(name) if first["type"] == "missing" else invalid(name)
