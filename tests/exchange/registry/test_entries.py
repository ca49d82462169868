"""The tables behind the registry."""

from msgspec.structs import replace

from exchange.core.types import AccountState
from exchange.registry.entries import EXCHANGE_NAME, Tables, first_entries
from exchange.registry.units import INT64_MAX
from tests.exchange.registry.builders import ALL, KEY, SYMBOL, registry_of


def test_the_exchange_is_there_from_the_start():
    tables = Tables(first_entries())
    account = tables.account_at(0)
    assert (account.name, account.participant, account.state) == (EXCHANGE_NAME, EXCHANGE_NAME, AccountState.ACTIVE)
    assert list(tables.participants) == list(tables.accounts) == [EXCHANGE_NAME]


def test_entries_are_found_by_index_and_by_name():
    entries = registry_of(*ALL)._tables.entries
    tables = Tables(entries)
    assert tables.account_at(1) is tables.accounts["ctel-main"] is entries.accounts[1]
    assert tables.asset_at(2) is tables.assets[SYMBOL] is entries.assets[1]
    assert tables.instrument_at(1) is tables.instruments[SYMBOL] is entries.instruments[0]
    assert tables.keys[KEY.key] is entries.keys[0]
    assert tables.key_counts == {1: 1}


def test_a_key_ends_when_it_expires_or_is_revoked_whichever_is_first():
    made = {"expires_ns": 50, "is_revoked": False}
    wanted = [({}, 50), ({"expires_ns": 0}, INT64_MAX), ({"is_revoked": True, "revoked_ns": 40}, 40)]
    wanted.append(({"is_revoked": True, "revoked_ns": 60}, 50))
    key = registry_of(*ALL).key(KEY.key)
    assert [replace(key, **made | changes).ends_ns for changes, _ in wanted] == [end for _, end in wanted]


def test_there_is_nothing_at_other_indices():
    tables = Tables(registry_of(*ALL)._tables.entries)
    assert [tables.account_at(index) for index in (-1, 2)] == [None, None]
    assert [tables.asset_at(index) for index in (-1, 0, 3)] == [None, None, None]
    assert [tables.instrument_at(index) for index in (-1, 0, 2)] == [None, None, None]
