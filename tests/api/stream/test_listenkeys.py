"""A listen key opens its account's stream for an hour, and can be kept alive or closed by its account alone."""

import pytest

from api import errors
from api.errors import RequestError
from api.stream import listenkeys
from api.stream.listenkeys import LIFETIME_NS, ListenKeys


def problem(function, *arguments):
    with pytest.raises(RequestError) as caught:
        function(*arguments)
    return caught.value.problem


def test_an_account_has_one_key():
    keys = ListenKeys()
    first = keys.start(1, 0)
    assert len(first) == 60
    assert keys.start(1, 1) == first
    assert keys.start(2, 0) != first
    assert keys.account(first, LIFETIME_NS) == 1
    assert keys.account("unknown", 0) is None


def test_a_key_lives_an_hour_after_it_was_kept_alive():
    keys = ListenKeys()
    key = keys.start(1, 0)
    keys.keep_alive(key, 1, LIFETIME_NS - 1)
    assert keys.account(key, 2 * LIFETIME_NS - 2) == 1
    assert keys.account(key, 2 * LIFETIME_NS - 1) is None
    assert keys.start(1, 2 * LIFETIME_NS) != key


def test_only_its_account_may_close_or_keep_a_key():
    keys = ListenKeys()
    key = keys.start(1, 0)
    assert problem(keys.keep_alive, key, 2, 0) == errors.INVALID_LISTEN_KEY
    assert problem(keys.close, key, 2, 0) == errors.INVALID_LISTEN_KEY
    keys.close(key, 1, 0)
    assert keys.account(key, 0) is None
    assert problem(keys.close, key, 1, 0) == errors.INVALID_LISTEN_KEY


def test_expired_keys_are_swept_out(monkeypatch):
    monkeypatch.setattr(listenkeys, "KEYS_MAX", 2)
    keys = ListenKeys()
    for account in range(10):
        keys.start(account, account * LIFETIME_NS)
    assert len(keys._held) <= 2
    assert len(keys._keys) <= 2
