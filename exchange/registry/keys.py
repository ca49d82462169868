"""How an API key changes after it was made: a second secret beside the first, until its holder has confirmed it."""

from typing import TypeAlias

import msgspec

from exchange.registry.documents import KeyConfirmed, KeyCreated, KeyRotated
from exchange.registry.entries import ApiKey, Tables
from exchange.registry.refusals import DocumentRefusal

PUBLIC_KEY_BYTES = 32  # of Ed25519
SECRET_BYTES_MAX = 1_000

KeyChange: TypeAlias = KeyRotated | KeyConfirmed


def refuse_proof(document: KeyCreated | KeyRotated) -> DocumentRefusal | None:
    """Return why what a key is proved with is not taken: it is a secret or a public key."""
    if len(document.encrypted_secret) > SECRET_BYTES_MAX:
        return DocumentRefusal.TOO_LONG
    if document.public_key:
        is_good = len(document.public_key) == PUBLIC_KEY_BYTES and not document.encrypted_secret
        return None if is_good else DocumentRefusal.BAD_KEY
    return None if document.encrypted_secret else DocumentRefusal.BAD_KEY


def refuse_change(tables: Tables, document: KeyChange) -> DocumentRefusal | None:
    """Return why a key cannot be changed so, None if it can."""
    known = tables.keys.get(document.key)
    if known is None or known.is_revoked:
        return DocumentRefusal.UNKNOWN_KEY
    if isinstance(document, KeyRotated):
        return refuse_proof(document)
    return None if known.is_rotating else DocumentRefusal.NOTHING_TO_CONFIRM


def change(tables: Tables, document: KeyChange) -> None:
    """Change a key; its entry becomes another object, so that whoever remembers the old one notices."""
    old = tables.keys[document.key]
    if isinstance(document, KeyRotated):
        new = msgspec.structs.replace(
            old, next_encrypted_secret=document.encrypted_secret, next_public_key=document.public_key
        )
    else:
        new = msgspec.structs.replace(
            old,
            encrypted_secret=old.next_encrypted_secret,
            public_key=old.next_public_key,
            next_encrypted_secret=b"",
            next_public_key=b"",
        )
    _put(tables, old, new)


def _put(tables: Tables, old: ApiKey, new: ApiKey) -> None:
    keys = tables.entries.keys
    keys[next(index for index, key in enumerate(keys) if key is old)] = new
    tables.keys[new.key] = new
