"""API keys and what they sign with; where a key comes from: a file or the environment, never a command line."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

KEY_FILE_VARIABLE = "TOKENBOURSE_KEY_FILE"
KEY_VARIABLE, SECRET_VARIABLE = "TOKENBOURSE_API_KEY", "TOKENBOURSE_API_SECRET"
_PEM = "-----BEGIN"


class BadKeyError(ValueError):
    """A key cannot be read; the message says where it was looked for, never what stood there."""


class Signs(Protocol):
    """Signs the bytes of a request."""

    def sign(self, payload: bytes) -> str:
        """Return the signature as it is sent."""


class HmacSigner:
    """HMAC-SHA256 with a shared secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, payload: bytes) -> str:
        """Return the signature in hexadecimal."""
        return hmac.new(self._secret, payload, hashlib.sha256).hexdigest()


class Ed25519Signer:
    """Ed25519 with a private key that never leaves this machine."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key

    @classmethod
    def of_pem(cls, text: str) -> "Ed25519Signer":
        """Read an unencrypted private key in PEM."""
        try:
            key = load_pem_private_key(text.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise BadKeyError("the secret is no unencrypted private key in PEM") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise BadKeyError("the private key is not of Ed25519")
        return cls(key)

    def sign(self, payload: bytes) -> str:
        """Return the signature in base64."""
        return base64.b64encode(self._key.sign(payload)).decode("ascii")


class Key(NamedTuple):
    """An API key and what signs for it; shown, it keeps its secret."""

    key: str
    signer: Signs

    @classmethod
    def of(cls, key: str, secret: str) -> "Key":
        """Return a key with its secret: shared, or a private key of Ed25519 in PEM."""
        return cls(key, Ed25519Signer.of_pem(secret) if secret.lstrip().startswith(_PEM) else HmacSigner(secret))

    @classmethod
    def read(cls, path: Path) -> "Key":
        """Read a key file: a JSON object with `key` and `secret`, as `operator.json` is and as /v1/keys answers."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls.of(str(content["key"]), str(content["secret"]))
        except OSError as error:
            raise BadKeyError(f"the key file {path} cannot be read: {error.strerror}") from None
        except (ValueError, LookupError, TypeError):
            raise BadKeyError(f"the key file {path} is no JSON object with 'key' and 'secret'") from None

    def __repr__(self) -> str:
        return f"Key({self.key[:6]}...)"


def find_key(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Key | None:
    """Return the key of a file, else of the environment, None if neither names one."""
    named = path or (Path(environment[KEY_FILE_VARIABLE]) if environment.get(KEY_FILE_VARIABLE) else None)
    if named is not None:
        return Key.read(named)
    key, secret = environment.get(KEY_VARIABLE), environment.get(SECRET_VARIABLE)
    if not key and not secret:
        return None
    if not key or not secret:
        raise BadKeyError(f"set both {KEY_VARIABLE} and {SECRET_VARIABLE}, or {KEY_FILE_VARIABLE}")
    return Key.of(key, secret)
