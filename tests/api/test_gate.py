"""The gate at the door: in words that say what to do, for one side and for both, through the gateway too."""

import asyncio
from types import SimpleNamespace

import pytest

from api.errors import NO_RESALE, NOT_CLEARED, RequestError
from api.gate import check_gate
from api.gateway import Gateway
from api.orders import decode
from exchange.core.types import AssetKind, Side
from exchange.registry.documents import BuyerCleared, LicenceGated, encode
from exchange.registry.registry import Registry
from tests.api.venue import BOB, CAROL, DATASET, OTHER, documents

ISSUER, BUYER = BOB, CAROL


class _Vault:
    def encrypt(self, secret: bytes) -> bytes:
        return secret


@pytest.fixture
def registry():
    found = Registry()
    for document in [*documents(_Vault()), LicenceGated(DATASET, may_resell=False)]:
        found.apply(encode(document))
    return found


def _refused(registry, account: int, side: Side) -> object:
    try:
        check_gate(registry, account, side, registry.instrument(OTHER))
    except RequestError as error:
        return error.problem
    return None


def test_each_side_is_refused_for_its_own_reason(registry) -> None:
    assert registry.asset(OTHER).kind is AssetKind.LICENCE
    assert _refused(registry, BUYER, Side.BUY) == NOT_CLEARED
    assert _refused(registry, BUYER, Side.SELL) == NO_RESALE
    assert _refused(registry, ISSUER, Side.SELL) is None
    assert _refused(registry, ISSUER, Side.BOTH) == NOT_CLEARED
    registry.apply(encode(BuyerCleared(DATASET, BUYER)))
    assert _refused(registry, BUYER, Side.BUY) is None
    assert _refused(registry, BUYER, Side.BOTH) == NO_RESALE


def test_an_instrument_without_a_gate_is_open(registry) -> None:
    assert check_gate(registry, BUYER, Side.BUY, registry.instrument_at(1)) is None


def test_the_gateway_asks_before_it_sends(registry) -> None:
    sent: list[bytes] = []
    gateway = Gateway(SimpleNamespace(registry=registry, orders=None, submit=sent.append))
    texts = {"symbol": OTHER, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2.5"}
    order = decode(texts)
    with pytest.raises(RequestError) as raised:
        asyncio.run(gateway.place(BUYER, order, registry.instrument(OTHER)))
    assert (raised.value.problem, sent) == (NOT_CLEARED, [])
    with pytest.raises(RequestError):
        gateway.check(BUYER, order, registry.instrument(OTHER))
