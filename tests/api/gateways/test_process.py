"""One gateway process: what it reads of a request that it passes on, and what it is told at its start."""

import gc
import sys
from pathlib import Path

import msgspec
import pytest

from api.gateways import process
from api.gateways.process import GatewayConnection, GatewayOptions, main, request_of
from api.limits import Limits
from exchange.config import Config
from tests.exchange.test_server import interpreter_as_before as interpreter_as_before


def test_a_request_is_passed_on_with_its_sender():
    scope = {"method": "GET", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"q", "headers": [(b"n", b"v")]}
    request = request_of(scope | {"client": ("1.2.3.4", 5)}, b"body")
    assert (request.client, request.headers, request.body) == (("1.2.3.4", 5), [(b"n", b"v")], b"body")


def test_orders_without_a_name_are_not_gathered_with_others():
    connection = object.__new__(GatewayConnection)
    assert connection.joins(b"symbol=X&newClientOrderId=a&timestamp=1")
    assert not connection.joins(b"symbol=X&timestamp=1")


def test_options_come_out_as_they_went_in():
    options = GatewayOptions("data", "::1", 80, Limits(orders_per_10s=7), {"ssl_certfile": "x"}, "lines", "tunnels")
    assert msgspec.json.decode(msgspec.json.encode(options), type=GatewayOptions) == options
    assert Path(options.directory).name == "data"


def test_its_interpreter_is_set_up_like_that_of_the_exchange(monkeypatch):
    def run(coroutine):
        coroutine.close()
        seen.append((sys.getswitchinterval(), gc.get_threshold()[0]))

    seen, config = [], Config()
    options = GatewayOptions("data", "127.0.0.1", 0, Limits(), {})
    monkeypatch.setattr(process.uvloop, "run", run)
    monkeypatch.setattr(process, "log_to_stderr", lambda: None)
    monkeypatch.setattr(sys, "argv", ["process", msgspec.json.encode(options).decode()])
    main()
    assert seen == [(pytest.approx(config.thread_switch_us / 1e6), config.collector_objects)]
