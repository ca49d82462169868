"""Keys, signatures over the exact bytes, time, scopes, addresses, expiry."""

import base64
import hmac
from urllib.parse import quote

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from api import auth, errors
from api.auth import Credential, KeyRing, Signer
from api.errors import RequestError
from api.vault import Vault
from exchange.registry.documents import Scope
from exchange.registry.entries import ApiKey

NOW_NS = 1_700_000_000_000_000_000
NOW_MS = NOW_NS // 1_000_000


def record(key, encrypted, scopes=(Scope.READ, Scope.TRADE), expires_ns=0, ip_allow=()):
    return ApiKey(key, encrypted, 7, frozenset(scopes), "", 0, expires_ns, ip_allow)


@pytest.fixture
def vault(tmp_path):
    return Vault.open(tmp_path)


def ring_of(vault, **facts):
    return KeyRing({"k": record("k", vault.encrypt(b"s"), **facts)}.get, vault)


def problem(function, *arguments):
    with pytest.raises(RequestError) as caught:
        function(*arguments)
    return caught.value.problem


def test_a_key_may_what_its_scopes_say(vault):
    ring = ring_of(vault)
    credential = auth.authorised(ring, "k", Scope.TRADE, "10.0.0.1", NOW_NS)
    assert credential._replace(signer=None) == Credential("k", 7, None, frozenset(("read", "trade")), (), 0)
    assert problem(auth.authorised, ring, "k", Scope.OPERATE, "10.0.0.1", NOW_NS) == errors.REJECTED_API_KEY


@pytest.mark.parametrize("key", ["", "x" * 129])
def test_what_cannot_be_a_key_is_refused(vault, key):
    assert problem(auth.authorised, ring_of(vault), key, Scope.READ, "", NOW_NS) == errors.NO_API_KEY


def test_an_unknown_key_is_refused(vault):
    assert problem(auth.authorised, ring_of(vault), "j", Scope.READ, "", NOW_NS) == errors.REJECTED_API_KEY


def test_a_key_expires(vault):
    ring = ring_of(vault, expires_ns=NOW_NS)
    assert auth.authorised(ring, "k", Scope.READ, "", NOW_NS - 1).account == 7
    assert problem(auth.authorised, ring, "k", Scope.READ, "", NOW_NS) == errors.REJECTED_API_KEY


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.168.0.9", True),
        ("11.0.0.1", False),
        ("::1", False),
        ("", False),
    ],
)
def test_a_key_may_be_bound_to_addresses(vault, address, fits):
    ring = ring_of(vault, ip_allow=("10.0.0.0/8", "192.168.0.9"))
    if fits:
        assert auth.authorised(ring, "k", Scope.READ, address, NOW_NS).account == 7
    else:
        assert problem(auth.authorised, ring, "k", Scope.READ, address, NOW_NS) == errors.REJECTED_API_KEY


def test_a_revoked_key_is_forgotten_at_once(vault):
    records = {"k": record("k", vault.encrypt(b"s"))}
    ring = KeyRing(records.get, vault)
    assert ring.credential("k") is ring.credential("k")
    records["k"].is_revoked = True
    assert ring.credential("k") is None
    del records["k"]
    assert ring.credential("k") is None
    records["k"] = record("k", vault.encrypt(b"t"))
    assert ring.credential("k").signer.sign(b"") == Signer(b"t").sign(b"")


def test_the_cache_of_keys_is_bounded(vault, monkeypatch):
    monkeypatch.setattr(auth, "KEYS_CACHED_MAX", 2)
    encrypted = vault.encrypt(b"s")
    ring = KeyRing(lambda key: record(key, encrypted), vault)
    for number in range(10):
        assert ring.credential(str(number)) is not None
    assert len(ring._cache) <= 2


def test_the_signature_is_that_of_the_published_example():
    secret = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = (
        b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        b"&recvWindow=5000&timestamp=1499827319559"
    )
    assert Signer(secret).sign(payload) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_signatures_are_those_of_the_standard(secret, payload):
    assert Signer(secret).sign(payload) == hmac.digest(secret, payload, "sha256").hex()


def test_signatures_are_compared():
    credential = Credential("k", 7, Signer(b"s"), frozenset(), (), 0)
    good = Signer(b"s").sign(b"a=1")
    auth.check_signature(credential, b"a=1", good)
    auth.check_signature(credential, b"a=1", good.upper())
    assert problem(auth.check_signature, credential, b"a=1", "") == errors.missing("signature")
    for bad in ("0" * 64, good[:-1], good + "0", "\xff", "中"):
        assert problem(auth.check_signature, credential, b"a=1", bad) == errors.BAD_SIGNATURE
    assert problem(auth.check_signature, credential, b"a=2", good) == errors.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("timestamp", "window"),
    [
        (str(NOW_MS), None),
        (str(NOW_MS * 1000), None),
        (str(NOW_MS - 5000), None),
        (str(NOW_MS + 999), None),
        (str(NOW_MS - 60000), "60000"),
        (str(NOW_MS), "0.5"),
        (str((NOW_MS - 1) * 1000), "1.000"),
    ],
)
def test_a_request_in_time_passes(timestamp, window):
    auth.check_time({"timestamp": timestamp} | ({"recvWindow": window} if window else {}), NOW_NS)


@pytest.mark.parametrize(
    ("timestamp", "window", "expected"),
    [
        (str(NOW_MS - 5001), None, errors.OUTSIDE_RECV_WINDOW),
        (str((NOW_MS - 1) * 1000 - 1), "1", errors.OUTSIDE_RECV_WINDOW),
        (str(NOW_MS + 1000), None, errors.AHEAD_OF_TIME),
        (str(NOW_MS // 1000), None, errors.OUTSIDE_RECV_WINDOW),
        ("x", None, errors.illegal("timestamp", "^[0-9]{1,17}$")),
        ("-1", None, errors.illegal("timestamp", "^[0-9]{1,17}$")),
        ("9" * 18, None, errors.illegal("timestamp", "^[0-9]{1,17}$")),
        ("\u0661", None, errors.illegal("timestamp", "^[0-9]{1,17}$")),
        (str(NOW_MS), "60001", errors.RECV_WINDOW_TOO_LARGE),
        (str(NOW_MS), "60000.001", errors.RECV_WINDOW_TOO_LARGE),
        (str(NOW_MS), "-1", errors.illegal("recvWindow", r"^([0-9]{1,5})(\.[0-9]{1,3})?$")),
        (str(NOW_MS), "1.", errors.illegal("recvWindow", r"^([0-9]{1,5})(\.[0-9]{1,3})?$")),
        (str(NOW_MS), "1.0001", errors.illegal("recvWindow", r"^([0-9]{1,5})(\.[0-9]{1,3})?$")),
    ],
)
def test_a_request_out_of_time_is_refused(timestamp, window, expected):
    texts = {"timestamp": timestamp} | ({"recvWindow": window} if window else {})
    assert problem(auth.check_time, texts, NOW_NS)._replace(data=None) == expected


def test_a_time_must_be_sent():
    assert problem(auth.check_time, {}, NOW_NS) == errors.missing("timestamp")


def test_new_keys_differ():
    first, second = auth.new_key(), auth.new_key()
    assert len(first.key) == len(first.secret) == 64
    assert len({first.key, first.secret, second.key, second.secret}) == 4


def test_an_ed25519_key_verifies_what_its_other_half_signed(vault):
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    held = msgspec.structs.replace(record("k", b""), public_key=raw)
    ring = KeyRing({"k": held}.get, vault)
    credential = ring.credential("k")
    good = base64.b64encode(private.sign(b"a=1")).decode()
    for signature in (good, quote(good, safe="")):
        assert auth.check_signature(credential, b"a=1", signature) is False
    for bad in ("x", good[:-4] + "AAA=", "AAAA", "\xff", Signer(b"s").sign(b"a=1")):
        assert problem(auth.check_signature, credential, b"a=1", bad) == errors.BAD_SIGNATURE
    assert problem(auth.check_signature, credential, b"a=2", good) == errors.BAD_SIGNATURE


def test_public_keys_are_read_in_base64_and_pem():
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert auth.public_key_of(base64.b64encode(raw).decode()) == auth.public_key_of(pem) == raw
    assert auth.public_key_of("not base64!") == auth.public_key_of("-----BEGIN X-----") == b""


def test_a_second_secret_is_as_good_as_the_first_and_told_apart(vault):
    first = record("k", vault.encrypt(b"s"))
    rotating = msgspec.structs.replace(first, next_encrypted_secret=vault.encrypt(b"second"))
    records = {"k": first}
    ring = KeyRing(records.get, vault)
    second = Signer(b"second").sign(b"a")
    assert problem(auth.check_signature, ring.credential("k"), b"a", second) == errors.BAD_SIGNATURE
    records["k"] = rotating
    assert auth.check_signature(ring.credential("k"), b"a", second) is True
    assert auth.check_signature(ring.credential("k"), b"a", Signer(b"s").sign(b"a")) is False


def test_a_clock_that_is_off_is_told_by_how_much():
    for ahead_ms, expected in ((5_000, errors.AHEAD_OF_TIME), (-9_000, errors.OUTSIDE_RECV_WINDOW)):
        sent = NOW_NS // 1_000_000 + ahead_ms
        found = problem(auth.check_time, {"timestamp": str(sent)}, NOW_NS)
        assert (found.code, found.message) == (expected.code, expected.message)
        assert found.data == {"serverTime": NOW_NS // 1_000_000, "aheadMs": ahead_ms}


def test_until_when_a_request_is_good_is_its_window():
    texts = {"timestamp": str(NOW_NS // 1_000_000), "recvWindow": "7000"}
    assert auth.check_time(texts, NOW_NS) == NOW_NS // 1_000_000 * 1_000_000 + 7_000_000_000
