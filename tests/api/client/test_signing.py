"""Keys are read from files and from the environment, and never shown."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.auth import Signer
from api.client.signing import BadKeyError, Key, find_key


def pem(private) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_shared_secret_signs_as_the_exchange_does() -> None:
    assert Key.of("k", "s").signer.sign(b"a=1") == Signer(b"s").sign(b"a=1")


def test_a_private_key_signs_what_its_public_key_verifies() -> None:
    private = Ed25519PrivateKey.generate()
    signature = Key.of("k", pem(private)).signer.sign(b"a=1")
    private.public_key().verify(base64.b64decode(signature), b"a=1")


def test_other_private_keys_are_refused() -> None:
    with pytest.raises(BadKeyError, match="Ed25519"):
        Key.of("k", pem(generate_private_key(SECP256R1())))
    with pytest.raises(BadKeyError, match="PEM"):
        Key.of("k", "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----")


def test_a_key_keeps_its_secret() -> None:
    shown = f"{Key.of('public-part-of-it', 'very secret')!r}"
    assert shown == "Key(public...)"


def test_a_key_file_is_json(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"key": "k", "secret": "s", "account": 0, "scopes": ["read"]}))
    assert Key.read(path).key == "k"
    assert find_key(path, {}).key == "k"
    assert find_key(None, {"TOKENBOURSE_KEY_FILE": str(path)}).key == "k"
    path.write_text('{"key": "k", "sekret": "hidden"}')
    with pytest.raises(BadKeyError, match="'key' and 'secret'") as caught:
        Key.read(path)
    assert "hidden" not in str(caught.value)
    with pytest.raises(BadKeyError, match="cannot be read"):
        Key.read(tmp_path / "none")


def test_the_environment_may_hold_a_key() -> None:
    assert find_key(None, {"TOKENBOURSE_API_KEY": "k", "TOKENBOURSE_API_SECRET": "s"}).key == "k"
    assert find_key(None, {}) is None
    with pytest.raises(BadKeyError, match="both"):
        find_key(None, {"TOKENBOURSE_API_KEY": "k"})
