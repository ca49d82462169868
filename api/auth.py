"""Who is asking, and may they: API keys, signatures over the exact bytes sent, time, scopes, addresses.

A key signs by HMAC-SHA256 with a secret that both sides know, or by Ed25519 with a private key that only its holder
has. A key that is being rotated has a second secret, or public key, that is as good as the first.

A key that is unknown, revoked, expired, used from a foreign address or without the scope is refused in the same words,
so that nobody learns which it was.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from api import parameters
from api.errors import (
    AHEAD_OF_TIME,
    BAD_SIGNATURE,
    NO_API_KEY,
    OUTSIDE_RECV_WINDOW,
    RECV_WINDOW_TOO_LARGE,
    REJECTED_API_KEY,
    Problem,
    RequestError,
    illegal,
    missing,
)
from api.replays import SIGNATURES_MAX, Replays
from api.vault import Vault
from exchange.registry.documents import Scope
from exchange.registry.entries import ApiKey

KEY_LENGTH = 64
KEY_LENGTH_MAX = 128
KEYS_CACHED_MAX = 100_000
ADDRESSES_CACHED_MAX = 4096
WINDOWS_CACHED_MAX = 256
RECV_WINDOW_MS = 5_000
RECV_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1_000
MICROSECONDS_FROM = parameters.MICROSECONDS_FROM
_ALPHABET = string.ascii_letters + string.digits
_RECV_WINDOW_RANGE = r"^([0-9]{1,5})(\.[0-9]{1,3})?$"
_RECV_WINDOW = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?").fullmatch
_TIMESTAMP_RANGE = "^[0-9]{1,17}$"


_BLOCK_BYTES = 64  # of SHA-256
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Verifier(Protocol):
    """Knows whether a signature is good."""

    def verify(self, payload: bytes, signature: str) -> bool:
        """Return whether a signature, as its sender wrote it, is the payload's."""


class Signer:
    """HMAC-SHA256 under one secret, of which everything that depends on the secret alone is computed beforehand.

    Unlike `hmac.digest` this never lets go of the interpreter's lock, which it would have to wait for each time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        """Prepare the two hashes of RFC 2104."""
        key = hashlib.sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret
        key = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(key.translate(_INNER))
        self._outer = hashlib.sha256(key.translate(_OUTER))

    def sign(self, payload: bytes) -> str:
        """Return the signature of a payload in hexadecimal."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(payload)
        outer.update(inner.digest())
        return outer.hexdigest()

    def verify(self, payload: bytes, signature: str) -> bool:
        """Return whether a signature in hexadecimal is the payload's; the comparison takes the same time for any."""
        good = self.sign(payload)
        if signature.isascii() and hmac.compare_digest(good, signature):
            return True
        return hmac.compare_digest(good.encode("ascii"), signature.lower().encode("latin-1", "replace"))


class PublicKey:
    """The public half of an Ed25519 pair. It takes a hundred times as long as HMAC: log on once rather than often."""

    __slots__ = ("_key",)

    def __init__(self, raw: bytes) -> None:
        """Take its 32 bytes."""
        self._key = Ed25519PublicKey.from_public_bytes(raw)

    def verify(self, payload: bytes, signature: str) -> bool:
        """Return whether a signature in base64, percent-encoded or not, is the payload's."""
        try:
            self._key.verify(base64.b64decode(unquote(signature), validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


class Credential(NamedTuple):
    """A key ready for use."""

    key: str
    account: int
    signer: Verifier
    scopes: frozenset[Scope]
    networks: tuple[Network, ...]  # empty: any address
    expires_ns: int  # 0: never
    cancels_on_disconnect: bool = False
    next_signer: Verifier | None = None  # as good as the first, until it is confirmed


def takes_orders_along(credential: Credential) -> bool:
    """Return whether the orders of a key's account end with each of its connections."""
    return credential.cancels_on_disconnect and Scope.TRADE in credential.scopes


class NewKey(NamedTuple):
    """A key as it is handed out, the only time that its secret is seen."""

    key: str
    secret: str


class KeyRing:
    """The keys of the registry with their secrets decrypted, a bounded number of them at a time."""

    def __init__(
        self, find: Callable[[str], ApiKey | None], vault: Vault, signatures_max: int = SIGNATURES_MAX
    ) -> None:
        """Take the registry's look-up of a key, and how many signed requests to remember."""
        self.replays = Replays(signatures_max)
        self._find = find
        self._vault = vault
        self._cache: dict[str, tuple[ApiKey, Credential]] = {}

    def credential(self, key: str) -> Credential | None:
        """Return the key ready for use, None if it is unknown or revoked."""
        record = self._find(key)
        if record is None or record.is_revoked:
            self._cache.pop(key, None)
            return None
        cached = self._cache.get(key)
        if cached is not None and cached[0] is record:
            return cached[1]
        return self._remember(record)

    def _remember(self, record: ApiKey) -> Credential:
        if len(self._cache) >= KEYS_CACHED_MAX:
            self._cache.clear()
        networks = tuple(ipaddress.ip_network(text, strict=False) for text in record.ip_allow)
        credential = Credential(
            record.key,
            record.account,
            self._verifier(record.encrypted_secret, record.public_key),
            record.scopes,
            networks,
            record.expires_ns,
            record.cancels_on_disconnect,
            self._verifier(record.next_encrypted_secret, record.next_public_key) if record.is_rotating else None,
        )
        self._cache[record.key] = (record, credential)
        return credential

    def _verifier(self, encrypted_secret: bytes, public_key: bytes) -> Verifier:
        return PublicKey(public_key) if public_key else Signer(self._vault.decrypt(encrypted_secret))


def new_key() -> NewKey:
    """Draw a key and its secret."""
    key, secret = ("".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH)) for _ in range(2))
    return NewKey(key, secret)


def public_key_of(text: str) -> bytes:
    """Return the 32 bytes of an Ed25519 public key in PEM or in base64, empty if it is none."""
    try:
        if not text.startswith("-----BEGIN"):
            return base64.b64decode(text, validate=True)
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return b""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw) if isinstance(key, Ed25519PublicKey) else b""


def authorised(ring: KeyRing, key: str, scope: Scope, address: str, now_ns: int) -> Credential:
    """Return the key's credential if it may be used for this, from here, now; refuse otherwise."""
    if not key or len(key) > KEY_LENGTH_MAX:
        raise RequestError(NO_API_KEY)
    credential = ring.credential(key)
    if credential is None or scope not in credential.scopes:
        raise RequestError(REJECTED_API_KEY)
    if credential.expires_ns and now_ns >= credential.expires_ns:
        raise RequestError(REJECTED_API_KEY)
    if credential.networks and not _inside(address, credential.networks):
        raise RequestError(REJECTED_API_KEY)
    return credential


def check_signature(credential: Credential, payload: bytes, signature: str) -> bool:
    """Refuse a signature that is not the payload's; return whether the key's second secret made it."""
    if not signature:
        raise RequestError(missing("signature"))
    if credential.signer.verify(payload, signature):
        return False
    if credential.next_signer is None or not credential.next_signer.verify(payload, signature):
        raise RequestError(BAD_SIGNATURE)
    return True


def is_signed(credential: Credential, payload: bytes, signature: str) -> bool:
    """Tell whether one of a key's secrets made a signature, as `check_signature` finds it."""
    if credential.signer.verify(payload, signature):
        return True
    return credential.next_signer is not None and credential.next_signer.verify(payload, signature)


def check_time(parameters: Mapping[str, str], now_ns: int) -> int:
    """Refuse a request that was sent too long ago, or whose sender's clock runs ahead; return until when it is good."""
    text = parameters.get("timestamp")
    if text is None:
        raise RequestError(missing("timestamp"))
    return good_until_ns(_number(text), parameters.get("recvWindow", ""), now_ns)


def good_until_ns(timestamp: int, window: str, now_ns: int) -> int:
    """Return until when a request is good, or refuse it; an empty window is the usual one."""
    sent_ns = timestamp * 1_000 if timestamp >= MICROSECONDS_FROM else timestamp * 1_000_000
    until_ns = sent_ns + (_recv_window_ns(window) if window else RECV_WINDOW_MS * 1_000_000)
    if sent_ns >= now_ns + AHEAD_MS_MAX * 1_000_000:
        raise RequestError(_skewed(AHEAD_OF_TIME, sent_ns, now_ns))
    if now_ns > until_ns:
        raise RequestError(_skewed(OUTSIDE_RECV_WINDOW, sent_ns, now_ns))
    return until_ns


def _skewed(problem: Problem, sent_ns: int, now_ns: int) -> Problem:
    """Say how far two clocks are apart; the texts are the dialect's and say less."""
    return problem._replace(data={"serverTime": now_ns // 1_000_000, "aheadMs": (sent_ns - now_ns) // 1_000_000})


def _number(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) <= 17):
        raise RequestError(illegal("timestamp", _TIMESTAMP_RANGE))
    return int(text)


@lru_cache(WINDOWS_CACHED_MAX)
def _recv_window_ns(text: str) -> int:
    if _RECV_WINDOW(text) is None:
        raise RequestError(illegal("recvWindow", _RECV_WINDOW_RANGE))
    whole, _, part = text.partition(".")
    window_ns = int(whole) * 1_000_000 + int(part.ljust(3, "0")) * 1_000
    if window_ns > RECV_WINDOW_MS_MAX * 1_000_000:
        raise RequestError(RECV_WINDOW_TOO_LARGE)
    return window_ns


@lru_cache(maxsize=ADDRESSES_CACHED_MAX)
def _inside(text: str, networks: tuple[Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False  # a unix socket has no address, so it is in no network
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)
