"""Documents signed with Ed25519: entitlements, revocation lists and certificates that anybody can check offline.

What is signed is the document as JSON in ASCII, members sorted, nothing between them. Its `kind` says what it is, so
that one is never taken for another.
"""

from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.registry.entry import Quality, canonical, signed_part

MILLISECOND_NS = 1_000_000
ENTITLEMENT, REVOCATIONS, CERTIFICATE = "entitlement", "revocations", "certificate"


class SignatureError(ValueError):
    """What was shown is not what its signer signed; the message says why."""


class Notary:
    """Signs with one key."""

    def __init__(self, seed: bytes) -> None:
        """Take the 32 bytes of a private key."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        """Return the 32 bytes by which signatures are checked."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> str:
        """Return a signature in hexadecimal."""
        return self._key.sign(data).hex()

    def seal(self, kind: str, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document of a kind with its signature and the key that checks it."""
        said = {**document, "kind": kind}
        return {"document": said, "key": self.public_key.hex(), "signature": self.sign(canonical(said))}


def opened(sealed: object, kind: str, public_key: bytes) -> dict[str, Any]:
    """Return the document of a kind that the holder of a key sealed. Raises SignatureError."""
    if not isinstance(sealed, dict) or not isinstance(sealed.get("document"), dict):
        raise SignatureError("this is no sealed document: it needs document, key and signature")
    document: dict[str, Any] = sealed["document"]
    if document.get("kind") != kind:
        raise SignatureError(f"this is a document of kind {document.get('kind')}, not {kind}")
    if not verifies(canonical(document), str(sealed.get("signature", "")), public_key):
        raise SignatureError("the signature is not this document's, or was made with another key")
    return document


def verifies(data: bytes, signature: str, public_key: bytes) -> bool:
    """Tell whether a signature in hexadecimal is that of the data under a key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def quality_fault(quality: Quality, root: str, evaluators: Mapping[str, bytes], now_ns: int) -> str:
    """Return why a quality vector does not count for the data under a root, empty if it does.

    `evaluators` are the keys by which signatures of those who are known are checked.
    """
    if quality.evaluator not in evaluators:
        return "its evaluator is not known here"
    if quality.root != root:
        return "it is of other data"
    if quality.expires * MILLISECOND_NS <= now_ns:
        return "it has expired"
    is_signed = verifies(signed_part(quality), quality.signature, evaluators[quality.evaluator])
    return "" if is_signed else "its signature is not the evaluator's"
