"""Secrets come back from the vault that took them, and from no other."""

import pytest
from cryptography.fernet import InvalidToken

from api.vault import KEY_FILE, Vault


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    encrypted = Vault.open(tmp_path).encrypt(b"secret")
    assert b"secret" not in encrypted
    assert Vault.open(tmp_path).decrypt(encrypted) == b"secret"
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_another_key_opens_nothing(tmp_path):
    (tmp_path / "other").mkdir()
    encrypted = Vault.open(tmp_path).encrypt(b"secret")
    with pytest.raises(InvalidToken):
        Vault.open(tmp_path / "other").decrypt(encrypted)


def test_a_draft_left_by_a_crash_is_replaced(tmp_path):
    draft = (tmp_path / KEY_FILE).with_suffix(".draft")
    draft.write_bytes(b"half a k")
    vault = Vault.open(tmp_path)
    assert vault.decrypt(vault.encrypt(b"secret")) == b"secret"
    assert not draft.exists()


def test_what_is_derived_is_the_same_at_every_start_and_other_for_another_purpose(tmp_path):
    first = Vault.open(tmp_path).derive("entitlements")
    assert first == Vault.open(tmp_path).derive("entitlements")
    assert first != Vault.open(tmp_path).derive("other")
    assert len(first) == 32
