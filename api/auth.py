"""Who is asking, and may they: API keys, HMAC-SHA256 signatures over the exact bytes sent, time, scopes, addresses.

A key that is unknown, revoked, expired, used from a foreign address or without the scope is refused in the same words,
so that nobody learns which it was.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

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
MICROSECONDS_FROM = 10**14  # a larger timestamp is in microseconds: in milliseconds it would be the year 5138
_ALPHABET = string.ascii_letters + string.digits
_RECV_WINDOW_RANGE = r"^([0-9]{1,5})(\.[0-9]{1,3})?$"
_RECV_WINDOW = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?").fullmatch
_TIMESTAMP_RANGE = "^[0-9]{1,17}$"


_BLOCK_BYTES = 64  # of SHA-256
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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


class Credential(NamedTuple):
    """A key ready for use."""

    key: str
    account: int
    signer: Signer
    scopes: frozenset[Scope]
    networks: tuple[Network, ...]  # empty: any address
    expires_ns: int  # 0: never
    cancels_on_disconnect: bool = False


class NewKey(NamedTuple):
    """A key as it is handed out, the only time that its secret is seen."""

    key: str
    secret: str


class KeyRing:
    """The keys of the registry with their secrets decrypted, a bounded number of them at a time."""

    def __init__(self, find: Callable[[str], ApiKey | None], vault: Vault) -> None:
        """Take the registry's look-up of a key."""
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
            Signer(self._vault.decrypt(record.encrypted_secret)),
            record.scopes,
            networks,
            record.expires_ns,
            record.cancels_on_disconnect,
        )
        self._cache[record.key] = (record, credential)
        return credential


def new_key() -> NewKey:
    """Draw a key and its secret."""
    key, secret = ("".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH)) for _ in range(2))
    return NewKey(key, secret)


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


def check_signature(credential: Credential, payload: bytes, signature: str) -> None:
    """Refuse a signature, in hexadecimal, that is not the payload's; the comparison takes the same time for any."""
    if not signature:
        raise RequestError(missing("signature"))
    expected = credential.signer.sign(payload)
    if not hmac.compare_digest(expected.encode("ascii"), signature.lower().encode("latin-1", "replace")):
        raise RequestError(BAD_SIGNATURE)


def check_time(parameters: Mapping[str, str], now_ns: int) -> None:
    """Refuse a request that was sent too long ago, or whose sender's clock runs ahead."""
    text = parameters.get("timestamp")
    if text is None:
        raise RequestError(missing("timestamp"))
    sent_ns = _timestamp_ns(text)
    window = parameters.get("recvWindow")
    window_ns = RECV_WINDOW_MS * 1_000_000 if window is None else _recv_window_ns(window)
    problem = _time_problem(sent_ns, window_ns, now_ns)
    if problem is not None:
        raise RequestError(problem)


def _time_problem(sent_ns: int, window_ns: int, now_ns: int) -> Problem | None:
    if sent_ns >= now_ns + AHEAD_MS_MAX * 1_000_000:
        return AHEAD_OF_TIME
    return OUTSIDE_RECV_WINDOW if now_ns - sent_ns > window_ns else None


def _timestamp_ns(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) <= 17):
        raise RequestError(illegal("timestamp", _TIMESTAMP_RANGE))
    number = int(text)
    return number * 1_000 if number >= MICROSECONDS_FROM else number * 1_000_000


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
