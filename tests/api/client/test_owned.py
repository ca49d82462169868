"""The Structs of /v1 say what its published schema says."""

import inspect

import msgspec
import pytest

from api.client import owned
from api.v1 import schemas

STRUCTS = [
    struct
    for _, struct in inspect.getmembers(owned, inspect.isclass)
    if issubclass(struct, msgspec.Struct) and struct.__module__ == owned.__name__
]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_a_struct_has_the_fields_of_its_model(struct) -> None:
    model = getattr(schemas, struct.__name__)
    fields = {field.encode_name: field.required for field in msgspec.structs.fields(struct)}
    assert fields == {name: field.is_required() for name, field in model.model_fields.items()}
