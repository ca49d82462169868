"""Listen keys: who holds one may read the private stream of an account, for an hour after it was last kept alive."""

import secrets
import string
from typing import NamedTuple

from api.errors import INVALID_LISTEN_KEY, RequestError

LISTEN_KEY_LENGTH = 60
LIFETIME_NS = 3600 * 1_000_000_000
KEYS_MAX = 100_000
_ALPHABET = string.ascii_letters + string.digits


class _Held(NamedTuple):
    account: int
    expires_ns: int


class ListenKeys:
    """One listen key per account, lost with the process: a client that meets an unknown one asks for another."""

    def __init__(self) -> None:
        """Start with none."""
        self._held: dict[str, _Held] = {}
        self._keys: dict[int, str] = {}

    def start(self, account: int, now_ns: int) -> str:
        """Return the account's listen key, a new one if there is none, valid for another hour."""
        key = self._keys.get(account)
        if key is None or self.account(key, now_ns) is None:
            if len(self._held) >= KEYS_MAX:
                self._expire(now_ns)
            key = "".join(secrets.choice(_ALPHABET) for _ in range(LISTEN_KEY_LENGTH))
            self._keys[account] = key
        self._held[key] = _Held(account, now_ns + LIFETIME_NS)
        return key

    def keep_alive(self, key: str, account: int, now_ns: int) -> None:
        """Let an account's key live for another hour, or refuse one that is not its own."""
        if self.account(key, now_ns) != account:
            raise RequestError(INVALID_LISTEN_KEY)
        self._held[key] = _Held(account, now_ns + LIFETIME_NS)

    def close(self, key: str, account: int, now_ns: int) -> None:
        """End an account's key, or refuse one that is not its own."""
        if self.account(key, now_ns) != account:
            raise RequestError(INVALID_LISTEN_KEY)
        self._drop(key)

    def account(self, key: str, now_ns: int) -> int | None:
        """Return whose private stream a key opens, None if it opens none (any more)."""
        held = self._held.get(key)
        if held is None:
            return None
        if now_ns >= held.expires_ns:
            self._drop(key)
            return None
        return held.account

    def _drop(self, key: str) -> None:
        held = self._held.pop(key)
        if self._keys.get(held.account) == key:
            del self._keys[held.account]

    def _expire(self, now_ns: int) -> None:
        for key in [key for key, held in self._held.items() if now_ns >= held.expires_ns]:
            self._drop(key)
