"""The words of the schemas are those of the exchange."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from api.v1 import schemas
from exchange.core.types import AccountState, AssetKind, SelfTradePrevention, TradingState
from exchange.registry.documents import Role, Scope


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (schemas.RoleName, {role.value for role in Role}),
        (schemas.ScopeName, {scope.value for scope in Scope}),
        (schemas.TradingStateName, {state.name for state in TradingState}),
        (schemas.AccountStateName, {state.name for state in AccountState} - {"UNKNOWN"}),
        (schemas.TradedKindName, {kind.name for kind in AssetKind} - {"UNKNOWN", "CASH"}),
        (schemas.PreventionName, {mode.name for mode in SelfTradePrevention}),
    ],
)
def test_the_words_are_those_of_the_exchange(words: Any, known: set[str]) -> None:
    assert set(get_args(words)) == known


def test_requests_refuse_what_they_do_not_know() -> None:
    models = [model for model in vars(schemas).values() if isinstance(model, type) and issubclass(model, BaseModel)]
    requests = [model for model in models if model.model_config.get("frozen")]
    assert len(requests) > 15
    assert [model.__name__ for model in requests if model.model_config.get("extra") != "forbid"] == []


def test_every_model_says_what_it_is() -> None:
    models = [model for model in vars(schemas).values() if isinstance(model, type) and issubclass(model, BaseModel)]
    assert [model.__name__ for model in models if not model.__doc__] == []


@pytest.mark.parametrize("amount", ["1", "0.000001", "12345678901234567890.5"])
def test_numbers_are_plain_decimals(amount: str) -> None:
    assert schemas.TransferRequest(account=1, amount=amount).amount == amount
    for wrong in (f"-{amount}", f"{amount}e1", f" {amount}", f"{amount}."):
        with pytest.raises(ValidationError):
            schemas.TransferRequest(account=1, amount=wrong)
