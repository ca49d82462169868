"""The REST benchmark: its requests are what the exchange takes, its probes tell of the right process."""

import os

import pytest

from api.auth import Signer
from api.orders import decode
from api.parameters import parse, signed
from benchmarks.rest import BUYER, SECRET, SELLER, Cpu, ping, signed_request, stolen
from exchange.core.types import Side


@pytest.mark.parametrize(("account", "side"), [(BUYER, Side.BUY), (SELLER, Side.SELL)])
def test_an_order_is_signed_over_what_is_sent(account, side):
    head, _, body = signed_request(account, 7).partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    payload, signature = signed(b"", body)
    assert signature == Signer(SECRET).sign(payload)
    assert decode(parse(b"", body)).side is side


def test_an_empty_request_asks_for_nothing():
    assert ping(BUYER, 0).startswith(b"GET /api/v3/ping HTTP/1.1\r\n")


def test_processor_time_is_that_of_a_process():
    cpu = Cpu(os.getpid())
    before = cpu.seconds()
    while cpu.seconds() < before + 0.05:
        sum(range(10_000))
    assert 0 < cpu.loop_seconds() <= cpu.seconds()


def test_what_was_stolen_is_a_part_of_all():
    taken, ticks = stolen()
    assert 0 <= taken < ticks
