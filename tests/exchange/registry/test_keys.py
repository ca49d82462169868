"""A key's second secret: beside the first, then in its place; the same after a snapshot."""

from msgspec.structs import replace

from exchange.registry.documents import KeyConfirmed, KeyRevoked, KeyRotated, encode
from exchange.registry.keys import PUBLIC_KEY_BYTES, SECRET_BYTES_MAX, refuse_proof
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError, Registry
from tests.exchange.registry.builders import ALL, KEY, registry_of

PUBLIC = bytes(PUBLIC_KEY_BYTES)


def applied(registry: Registry, *documents: object) -> Registry:
    for document in documents:
        registry.check(encode(document))
        registry.apply(encode(document))
    return registry


def refused(registry: Registry, document: object) -> DocumentRefusal:
    try:
        registry.check(encode(document))
    except DocumentRefusedError as error:
        return error.reason
    raise AssertionError("it is taken")


def test_a_new_secret_stands_beside_the_old_one_until_it_is_confirmed() -> None:
    registry = registry_of(*ALL)
    first = registry.key(KEY.key)
    assert refused(registry, KeyConfirmed(KEY.key)) == DocumentRefusal.NOTHING_TO_CONFIRM
    applied(registry, KeyRotated(KEY.key, b"second"), KeyRotated(KEY.key, b"third"))
    rotating = registry.key(KEY.key)
    assert (rotating.encrypted_secret, rotating.next_encrypted_secret) == (KEY.encrypted_secret, b"third")
    assert rotating is not first
    restored = Registry()
    restored.restore(registry.snapshot())
    for one in (registry, restored):
        applied(one, KeyConfirmed(KEY.key))
        confirmed = one.key(KEY.key)
        assert (confirmed.encrypted_secret, confirmed.is_rotating) == (b"third", False)
        assert one.keys_of(KEY.account) == [confirmed]


def test_a_secret_may_give_way_to_a_public_key() -> None:
    registry = applied(registry_of(*ALL), KeyRotated(KEY.key, public_key=PUBLIC), KeyConfirmed(KEY.key))
    assert (registry.key(KEY.key).public_key, registry.key(KEY.key).encrypted_secret) == (PUBLIC, b"")


def test_a_revoked_key_changes_no_more_and_remembers_no_secret() -> None:
    registry = applied(registry_of(*ALL), KeyRotated(KEY.key, b"second"), KeyRevoked(KEY.key))
    assert registry.keys_of(KEY.account)[0].next_encrypted_secret == b""
    for document in (KeyRotated(KEY.key, b"x"), KeyConfirmed(KEY.key), KeyConfirmed("unknown")):
        assert refused(registry, document) == DocumentRefusal.UNKNOWN_KEY


def test_a_key_is_proved_with_one_thing() -> None:
    assert refuse_proof(KEY) is None
    assert refuse_proof(replace(KEY, encrypted_secret=b"", public_key=PUBLIC)) is None
    for secret, public in ((b"", b""), (b"x", PUBLIC), (b"", PUBLIC[1:])):
        wrong = replace(KEY, encrypted_secret=secret, public_key=public)
        assert refuse_proof(wrong) == DocumentRefusal.BAD_KEY
    assert refuse_proof(replace(KEY, encrypted_secret=b"x" * (SECRET_BYTES_MAX + 1))) == DocumentRefusal.TOO_LONG
