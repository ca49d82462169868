"""Every operation is a method of every client, with its parameters and its words."""

import asyncio
import inspect

import pytest

from api.client import bundles, desk, operations
from api.client.methods import Awaited, Waiting

NOT_ASKED = {"new_order_id", "text_of"}
MADE = {
    name: make
    for module in (operations, bundles, desk)
    for name, make in inspect.getmembers(module, inspect.isfunction)
    if make.__module__ == module.__name__ and not name.startswith("_") and name not in NOT_ASKED
}


class Echo(Waiting):
    def run(self, operation):
        return operation


class AsyncEcho(Awaited):
    async def run(self, operation):
        return operation


@pytest.mark.parametrize("name", MADE)
def test_no_operation_is_left_out(name: str) -> None:
    make = MADE[name]
    for client in (Echo(), AsyncEcho()):
        method = getattr(client, name)
        assert inspect.signature(method) == inspect.signature(make)
        assert method.__doc__ == make.__doc__ == getattr(type(client), name).__doc__


def test_a_method_makes_its_operation() -> None:
    assert Echo().depth("X", limit=5) == operations.depth("X", 5)
    assert asyncio.run(AsyncEcho().depth("X", limit=5)) == operations.depth("X", 5)
