"""The REST benchmark: its orders are what the servers take, and it tells nothing of a server that lost one."""

import json

import pytest

from api.auth import Signer
from api.orders import decode
from api.parameters import parse, signed
from benchmarks import rest
from benchmarks.httpload import HttpLoad, is_whole
from benchmarks.rest import BUYER, SECRET, SELLER, flow, numbers, signed_request
from exchange.core.types import Side

pytestmark = pytest.mark.timeout(300)  # the first use of a capacity compiles the kernels


def test_an_order_is_signed_over_what_is_sent():
    for order, side in zip(flow(2, 1), (Side.BUY, Side.SELL), strict=True):
        head, _, body = signed_request(order).partition(b"\r\n\r\n")
        assert b"content-length: %d" % len(body) in head
        payload, signature = signed(b"", body)
        assert signature == Signer(SECRET).sign(payload)
        assert decode(parse(b"", body)).side is side


def test_orders_have_names_of_their_own_and_half_of_them_sell():
    orders = list(flow(1000, 3))
    assert len({order.name for order in orders}) == 1000
    assert [order.account for order in orders[:2]] == [BUYER, SELLER]


def test_an_answer_is_whole_when_its_body_is():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert is_whole(answer)
    assert not any(is_whole(answer[:end]) for end in range(len(answer)))


def test_ids_are_read_from_answers():
    assert numbers([b'{"orderId":12,"executedQty":"3"}', b'{"executedQty":"4"}'], "executedQty") == [3, 4]


def test_all_servers_have_what_they_said_and_are_told_as_json(capsys):
    rest.main(["--rounds", "1", "--seconds", "0.3", "--connections", "8", "--peers", "fastapi", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["server"] for row in rows] == ["tokenbourse", "fastapi"]
    assert all(row["orders_per_s"] > 0 < row["server_cpu_us"] for row in rows)


def test_an_order_too_few_is_noticed(tmp_path):
    arguments = rest.parse(["--peers", "--seconds", "0.1"])
    with rest.started("fastapi", tmp_path / "peer", arguments) as server:
        load = HttpLoad(server.port, 1)
        told = load.play([server.request(order) for order in flow(3, 1)], 5.0).answers
        load.close()
        assert server.deviation(told) == ""
        assert "2 orders acknowledged, 3 accepted" in server.deviation(told[:2])
        assert "3 orders acknowledged" in rest.exchange_deviation(tmp_path, told)


def test_a_peer_that_is_not_installed_is_left_out(capsys):
    assert rest.names(rest.parse(["--peers", "matching-engine"])) == ["tokenbourse"]
    assert "cannot import" in capsys.readouterr().err
