"""Every operation is a method of every client, with its parameters and its words."""

import asyncio
import inspect

import pytest

from api.client import operations
from api.client.methods import Awaited, Waiting

NAMES = [
    name
    for name, make in inspect.getmembers(operations, inspect.isfunction)
    if make.__module__ == operations.__name__ and not name.startswith("_") and name != "new_order_id"
]


class Echo(Waiting):
    def run(self, operation):
        return operation


class AsyncEcho(Awaited):
    async def run(self, operation):
        return operation


@pytest.mark.parametrize("name", NAMES)
def test_no_operation_is_left_out(name: str) -> None:
    make = getattr(operations, name)
    for client in (Echo(), AsyncEcho()):
        method = getattr(client, name)
        assert inspect.signature(method) == inspect.signature(make)
        assert method.__doc__ == make.__doc__ == getattr(type(client), name).__doc__


def test_a_method_makes_its_operation() -> None:
    assert Echo().depth("X", limit=5) == operations.depth("X", 5)
    assert asyncio.run(AsyncEcho().depth("X", limit=5)) == operations.depth("X", 5)
