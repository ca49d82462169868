"""The Structs say what the published schema says."""

import inspect

import msgspec
import pytest

from api.binance import schema
from api.client import answers

STRUCTS = [
    struct
    for _, struct in inspect.getmembers(answers, inspect.isclass)
    if issubclass(struct, msgspec.Struct) and struct is not answers.Candle and struct.__module__ == answers.__name__
]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_a_struct_has_the_fields_of_its_model(struct) -> None:
    model = getattr(schema, struct.__name__)
    fields = {field.encode_name: field.required for field in msgspec.structs.fields(struct)}
    assert fields == {field.alias: field.is_required() for field in model.model_fields.values()}


def test_a_candle_is_a_row() -> None:
    row = [1, "1", "2", "0.5", "1.5", "10", 2, "15", 3, "4", "6", "0"]
    assert len(row) == len(schema.CandleRow.__args__) == len(msgspec.structs.fields(answers.Candle))
    candle = msgspec.json.decode(msgspec.json.encode(row), type=answers.Candle)
    assert (candle.open_time, str(candle.close), candle.trade_count) == (1, "1.5", 3)
