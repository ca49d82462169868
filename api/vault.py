"""Secrets at rest: encrypted with a key that lies in a file of its own, outside the journal and the database."""

import os
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_FILE = "secret.key"


class Vault:
    """Encrypts and decrypts the secrets of API keys."""

    def __init__(self, key: bytes) -> None:
        """Take a Fernet key."""
        self._key = key
        self._fernet = Fernet(key)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Read the key of a data directory; the first time, make one that only its owner may read."""
        path = directory / KEY_FILE
        if not path.exists():
            _create(path)
        return cls(path.read_bytes().strip())

    def encrypt(self, secret: bytes) -> bytes:
        """Return what may be written down."""
        return self._fernet.encrypt(secret)

    def decrypt(self, encrypted: bytes) -> bytes:
        """Return the secret; one that was encrypted with another key raises InvalidToken."""
        return self._fernet.decrypt(encrypted)

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for a purpose, the same at every start."""
        return HKDF(SHA256(), 32, None, purpose.encode()).derive(self._key)


def _create(path: Path) -> None:
    """Write a new key so that a crash leaves either no file or a whole one."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, Fernet.generate_key())
        os.fsync(file)
    finally:
        os.close(file)
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
