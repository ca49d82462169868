"""The published models are exact: no field less, none more, none of another type."""

import pytest
from pydantic import BaseModel, ValidationError

from api.binance import schema

MODELS = [model for model in vars(schema).values() if isinstance(model, type) and issubclass(model, BaseModel)]
MODELS.remove(BaseModel)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_says_what_it_is_and_is_exact(model):
    assert model.__doc__
    assert (model.model_config["extra"], model.model_config["strict"]) == ("forbid", True)


@pytest.mark.parametrize(
    "body",
    [{"code": 1}, {"code": 1, "msg": "x", "more": 1}, {"code": "1", "msg": "x"}, {"code": 1, "msg": None}],
)
def test_what_differs_is_found(body):
    schema.Refusal.model_validate({"code": 1, "msg": "x"})
    with pytest.raises(ValidationError):
        schema.Refusal.model_validate(body)


def test_names_are_those_of_the_dialect():
    assert "cummulativeQuoteQty" in schema.Order.model_json_schema(by_alias=True)["properties"]
