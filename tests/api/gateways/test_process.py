"""One gateway process: what it reads of a request that it passes on, and what it is told at its start."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from api.call import Disconnected
from api.errors import RequestError
from api.gateways.process import GatewayOptions, request_of, whole_body
from api.limits import Limits


def received(*messages):
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    return receive


def part(body, *, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_read_to_its_end():
    assert asyncio.run(whole_body(received(part(b"ab"), part(b""), part(b"c", more=False)), 3)) == b"abc"


def test_a_body_without_measure_is_refused():
    with pytest.raises(RequestError) as refused:
        asyncio.run(whole_body(received(part(b"ab"), part(b"cd")), 3))
    assert refused.value.problem.status == 413


def test_who_goes_away_is_answered_nothing():
    with pytest.raises(Disconnected):
        asyncio.run(whole_body(received(part(b"ab"), {"type": "http.disconnect"}), 3))


def test_a_request_is_passed_on_with_its_sender():
    scope = {"method": "GET", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"q", "headers": [(b"n", b"v")]}
    request = request_of(scope | {"client": ("1.2.3.4", 5)}, b"body")
    assert (request.client, request.headers, request.body) == (("1.2.3.4", 5), [(b"n", b"v")], b"body")


def test_options_come_out_as_they_went_in():
    options = GatewayOptions("data", "::1", 80, Limits(orders_per_10s=7), {"ssl_certfile": "x"}, "lines", "tunnels")
    assert msgspec.json.decode(msgspec.json.encode(options), type=GatewayOptions) == options
    assert Path(options.directory).name == "data"
