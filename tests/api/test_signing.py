"""Sealed documents: what their signature covers, and what is no seal."""

import pytest

from api.signing import CERTIFICATE, ENTITLEMENT, Notary, SignatureError, opened, verifies

NOTARY, OTHER = Notary(bytes(32)), Notary(b"1" * 32)
DOCUMENT = {"b": 1, "a": ["中", None]}


def test_a_sealed_document_opens_with_its_key() -> None:
    sealed = NOTARY.seal(ENTITLEMENT, DOCUMENT)
    assert opened(sealed, ENTITLEMENT, NOTARY.public_key) == DOCUMENT | {"kind": ENTITLEMENT}
    assert sealed["key"] == NOTARY.public_key.hex()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"document": {"kind": ENTITLEMENT, "b": 2, "a": ["中", None]}}, "signature"),
        ({"signature": "00" * 64}, "signature"),
        ({"signature": "no hex"}, "signature"),
        ({"document": {"kind": CERTIFICATE}}, "kind certificate"),
        ({"document": 7}, "no sealed document"),
    ],
)
def test_a_changed_seal_does_not_open(change: dict[str, object], why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        opened(NOTARY.seal(ENTITLEMENT, DOCUMENT) | change, ENTITLEMENT, NOTARY.public_key)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SignatureError):
        opened(NOTARY.seal(ENTITLEMENT, DOCUMENT), ENTITLEMENT, OTHER.public_key)
    with pytest.raises(SignatureError):
        opened([], ENTITLEMENT, OTHER.public_key)
    assert not verifies(b"x", NOTARY.sign(b"x"), b"no key")
    assert verifies(b"x", NOTARY.sign(b"x"), NOTARY.public_key)
