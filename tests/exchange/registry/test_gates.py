"""The gate of a licence: who may buy and who may sell, live and after a restart, and which documents make it."""

import pytest
from msgspec.structs import replace

from exchange.core.types import AssetKind
from exchange.registry.documents import BuyerCleared, LicenceGated, encode
from exchange.registry.gates import Gate, GateRefusal, refuse_order
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError, Registry
from tests.exchange.registry.builders import ALL, ALLOWANCE, registry_of

VENDOR, BUYER, OTHER = 1, 2, 3
LICENCES = [replace(document, kind=AssetKind.LICENCE) if document is ALLOWANCE else document for document in ALL]


@pytest.mark.parametrize("may_resell", [True, False])
def test_the_cleared_buy_and_the_issuer_sells(may_resell: bool) -> None:
    gate = Gate(1, VENDOR, may_resell, {BUYER})
    assert refuse_order(gate, BUYER, is_buy=True) is None
    assert refuse_order(gate, OTHER, is_buy=True) is GateRefusal.NOT_CLEARED
    assert refuse_order(gate, VENDOR, is_buy=False) is None
    assert refuse_order(gate, BUYER, is_buy=False) is (None if may_resell else GateRefusal.NO_RESALE)


def test_documents_make_the_gate_and_a_snapshot_keeps_it() -> None:
    registry = registry_of(*LICENCES, LicenceGated(1, may_resell=True), BuyerCleared(1, 0))
    assert registry.gates == {1: Gate(1, ALLOWANCE.issuer_account, True, {0})}
    again = Registry()
    again.restore(registry.snapshot())
    assert again.gates == registry.gates
    again.apply(encode(BuyerCleared(1, 0, is_cleared=False)))
    assert again.gates[1].cleared == set()


@pytest.mark.parametrize(
    ("first", "document", "reason"),
    [
        (ALL, LicenceGated(1, True), DocumentRefusal.NOT_A_LICENCE),
        (LICENCES, LicenceGated(2, True), DocumentRefusal.NOT_A_LICENCE),
        ([*LICENCES, LicenceGated(1, True)], LicenceGated(1, False), DocumentRefusal.NAME_TAKEN),
        (LICENCES, BuyerCleared(1, 0), DocumentRefusal.NOT_A_LICENCE),
        ([*LICENCES, LicenceGated(1, True)], BuyerCleared(1, 9), DocumentRefusal.UNKNOWN_ACCOUNT),
    ],
)
def test_what_cannot_be_a_gate_is_refused(first: list, document: object, reason: DocumentRefusal) -> None:
    with pytest.raises(DocumentRefusedError) as raised:
        registry_of(*first).check(encode(document))
    assert raised.value.reason is reason
