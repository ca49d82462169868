"""One gateway process: what it reads of a request that it passes on, and what it is told at its start."""

from pathlib import Path

import msgspec

from api.gateways.process import GatewayOptions, request_of
from api.limits import Limits


def test_a_request_is_passed_on_with_its_sender():
    scope = {"method": "GET", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"q", "headers": [(b"n", b"v")]}
    request = request_of(scope | {"client": ("1.2.3.4", 5)}, b"body")
    assert (request.client, request.headers, request.body) == (("1.2.3.4", 5), [(b"n", b"v")], b"body")


def test_options_come_out_as_they_went_in():
    options = GatewayOptions("data", "::1", 80, Limits(orders_per_10s=7), {"ssl_certfile": "x"}, "lines", "tunnels")
    assert msgspec.json.decode(msgspec.json.encode(options), type=GatewayOptions) == options
    assert Path(options.directory).name == "data"
