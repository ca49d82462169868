"""The Structs of /v1 say what its published schema says."""

import inspect
from typing import get_args

import msgspec
import pytest
from pydantic import BaseModel

from api.client import bundles, desk, owned
from api.v1.router import _TAGS

SENT = {bundles.NewOrder, bundles.Quote, bundles.Side}


def nested(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the models that a model's fields are made of."""
    parts = [part for field in model.model_fields.values() for part in (field.annotation, *get_args(field.annotation))]
    return [part for part in parts if inspect.isclass(part) and issubclass(part, BaseModel)]


STRUCTS = [
    struct
    for module in (owned, bundles, desk)
    for _, struct in inspect.getmembers(module, inspect.isclass)
    if issubclass(struct, msgspec.Struct) and struct.__module__ == module.__name__ and struct not in SENT
]


REPLIES = [action.reply for module in _TAGS for action in module.ACTIONS]
MODELS = {model.__name__: model for reply in REPLIES for model in (reply, *nested(reply))}


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_a_struct_has_the_fields_of_its_model(struct) -> None:
    model = MODELS[struct.__name__]
    fields = {field.encode_name: field.required for field in msgspec.structs.fields(struct)}
    assert fields == {name: field.is_required() for name, field in model.model_fields.items()}
