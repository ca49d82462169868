"""Names by document, facts by event, and a snapshot of both."""

import numpy as np
import pytest
from msgspec.structs import asdict, replace

from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import AccountState, TradingState
from exchange.events import rows
from exchange.registry.documents import AnnouncementMade, KeyRevoked, Scope, commands_of, encode
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import ANNOUNCEMENTS_MAX, DocumentRefusedError, Registry
from tests.exchange.registry.builders import (
    ACCOUNT,
    ALL,
    CASH,
    CATALOGUE,
    INSTRUMENT,
    KEY,
    PARTICIPANT,
    SYMBOL,
    registry_of,
)


def events_of(*batches):
    return rows(Reference(TEST).apply(np.frombuffer(bytearray(b"".join(batches)), COMMAND)))


LISTED = events_of(*map(commands_of, ALL), commands.set_trading_state(1, TradingState.CONTINUOUS))


def test_a_name_finds_its_entry_and_so_does_its_index():
    registry = registry_of(*ALL)
    assert registry.participant("ctel").role == PARTICIPANT.role
    assert registry.account("ctel-main") is registry.account_at(1)
    assert registry.account("ctel-main").group == 1
    assert registry.asset("CNY") is registry.asset_at(1)
    assert registry.instrument(SYMBOL) is registry.instrument_at(1)
    assert registry.key(KEY.key).scopes == {Scope.READ, Scope.TRADE}
    assert registry.accounts_of("ctel") == [registry.account_at(1)]
    assert registry.keys_of(1) == [registry.key(KEY.key)]
    assert registry.keys_of(0) == []


def test_what_nobody_named_is_not_there():
    registry = Registry()
    found = (registry.participant("x"), registry.account("x"), registry.asset("X"), registry.instrument("X"))
    assert found == (None, None, None, None)
    assert (registry.account_at(1), registry.asset_at(1), registry.instrument_at(1)) == (None, None, None)
    assert registry.key("x") is None


def test_indices_follow_each_other():
    assert (Registry().next_account, Registry().next_asset, Registry().next_instrument) == (1, 1, 1)
    registry = registry_of(*ALL)
    assert (registry.next_account, registry.next_asset, registry.next_instrument) == (2, 3, 2)
    assert [account.index for account in registry.accounts] == [0, 1]
    assert [asset.name for asset in registry.assets] == ["CNY", SYMBOL]
    assert [instrument.symbol for instrument in registry.instruments] == [SYMBOL]
    assert [participant.name for participant in registry.participants] == ["EXCHANGE", "ctel"]


def test_a_catalogue_names_an_asset_and_an_instrument_for_each_row():
    registry = registry_of(*ALL, CATALOGUE)
    assert (registry.next_asset, registry.next_instrument) == (5, 4)
    found = registry.instrument("DL.B")
    assert (found.index, found.base, found.base_asset, found.description) == (3, 4, "DL.B", "the second")
    assert (registry.asset("DL.A").issuer_account, registry.asset("DL.B").kind) == (1, CATALOGUE.kind)
    registry.apply(encode(CATALOGUE))
    assert registry.next_asset == 5


def test_an_instrument_knows_its_names_and_its_steps():
    instrument = registry_of(*ALL).instrument(SYMBOL)
    assert (instrument.base_asset, instrument.quote_asset) == (SYMBOL, "CNY")
    assert (instrument.price_step, instrument.price_decimals) == (1, 4)
    assert (instrument.quantity_step, instrument.quantity_decimals) == (1, 0)
    finer = replace(INSTRUMENT, tick_value=250, price_decimals=5, lot_units=500_000, quantity_decimals=2)
    instrument = registry_of(*ALL[:4], replace(finer, price_decimals=6)).instrument(SYMBOL)
    assert (instrument.price_step, instrument.quantity_step) == (250, 50)


def test_until_the_engine_says_so_nothing_is_listed():
    registry = registry_of(*ALL)
    instrument, account, asset = registry.instrument_at(1), registry.account_at(1), registry.asset_at(1)
    assert (instrument.is_listed, instrument.trading_state, instrument.taker_bps) == (False, TradingState.CLOSED, 0)
    assert (account.state, asset.is_created) == (AccountState.UNKNOWN, False)
    registry.apply_events(LISTED)
    assert (instrument.is_listed, instrument.trading_state) == (True, TradingState.CONTINUOUS)
    assert (instrument.maker_bps, instrument.taker_bps) == (-1, 5)
    assert (instrument.band_low_ticks, instrument.band_high_ticks) == (10, 90_000)
    assert (account.state, asset.is_created) == (AccountState.ACTIVE, True)


def test_facts_change_with_their_events():
    registry = registry_of(*ALL)
    registry.apply_events(
        events_of(
            *map(commands_of, ALL),
            commands.set_account_state(1, AccountState.SUSPENDED),
            commands.set_trading_state(1, TradingState.HALTED),
            commands.set_fees(1, 2, 3),
            commands.set_price_band(1, 7, 8),
        )
    )
    instrument = registry.instrument_at(1)
    assert registry.account_at(1).state is AccountState.SUSPENDED
    assert instrument.trading_state is TradingState.HALTED
    assert (instrument.maker_bps, instrument.taker_bps) == (2, 3)
    assert (instrument.band_low_ticks, instrument.band_high_ticks) == (7, 8)


def test_facts_about_what_has_no_name_are_passed_over():
    registry = Registry()
    registry.apply_events(LISTED)
    assert (registry.accounts[1:], registry.assets, registry.instruments) == ([], [], [])


def test_a_revoked_key_is_not_found_and_its_secret_is_forgotten():
    registry = registry_of(*ALL, KeyRevoked(KEY.key, 77))
    assert (registry.key(KEY.key), registry.any_key(KEY.key).ends_ns) == (None, 77)
    (key,) = registry.keys_of(1)
    assert (key.is_revoked, key.encrypted_secret) == (True, b"")


def test_a_good_document_is_checked_without_being_applied():
    registry = registry_of(PARTICIPANT)
    assert registry.check(encode(ACCOUNT)) == ACCOUNT
    assert registry.account("ctel-main") is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode(INSTRUMENT), DocumentRefusal.UNKNOWN_ASSET),
        (b"no json", DocumentRefusal.MALFORMED),
        (b'{"type":"KeyRevoked","key":"\xff"}', DocumentRefusal.MALFORMED),
        (b'{"type":"AssetNamed","index":1,"name":"CNY","kind":9,"decimals":6}', DocumentRefusal.MALFORMED),
        (b'{"type":"AssetNamed","index":1.5,"name":"CNY","kind":1,"decimals":6}', DocumentRefusal.MALFORMED),
    ],
)
def test_a_bad_document_is_refused_before_it_is_journaled(data, reason):
    with pytest.raises(DocumentRefusedError, match=reason) as caught:
        Registry().check(data)
    assert caught.value.reason is reason


def test_of_two_documents_that_exclude_each_other_the_first_wins():
    registry = Registry()
    first, second = encode(CASH), encode(replace(CASH, name="EUR"))
    assert registry.check(first)
    assert registry.check(second)
    registry.apply(first)
    registry.apply(second)
    assert [asset.name for asset in registry.assets] == ["CNY"]


def test_every_change_raises_the_revision():
    registry = Registry()
    registry.apply(encode(CASH))
    registry.apply(encode(CASH))
    assert registry.revision == 1
    registry.apply_events(LISTED[:1])
    assert registry.revision == 2


def test_a_snapshot_holds_names_and_facts():
    registry, restored = registry_of(*ALL), Registry()
    registry.apply_events(LISTED)
    restored.restore(registry.snapshot())
    assert restored._tables.entries == registry._tables.entries
    assert asdict(restored.instrument(SYMBOL)) == asdict(registry.instrument(SYMBOL))
    assert restored.key(KEY.key) == registry.key(KEY.key)
    assert restored.account("ctel-main").state is AccountState.ACTIVE
    restored.apply(encode(KeyRevoked(KEY.key)))
    assert restored.key(KEY.key) is None


def test_applying_events_again_changes_no_fact():
    registry = registry_of(*ALL)
    registry.apply_events(LISTED)
    before = asdict(registry.instrument(SYMBOL))
    registry.apply_events(LISTED)
    assert asdict(registry.instrument(SYMBOL)) == before


def announcement(index, **terms):
    return AnnouncementMade(index, "OTHER", **({"title": "A word", "text": ""} | terms))


def test_announcements_are_numbered_and_the_oldest_are_forgotten():
    registry = registry_of(*ALL, *(announcement(index) for index in range(1, ANNOUNCEMENTS_MAX + 3)))
    assert [registry.announcements[0].index, registry.announcements[-1].index] == [3, ANNOUNCEMENTS_MAX + 2]
    restored = Registry()
    restored.restore(registry.snapshot())
    assert restored.announcements == registry.announcements
    assert restored.next_announcement == ANNOUNCEMENTS_MAX + 3
    assert Registry().next_announcement == 1


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (announcement(2), DocumentRefusal.INDEX_NOT_NEXT),
        (announcement(1, title=""), DocumentRefusal.BAD_NAME),
        (announcement(1, title="x" * 201), DocumentRefusal.TOO_LONG),
        (announcement(1, text="x" * 4_001), DocumentRefusal.TOO_LONG),
        (announcement(1, symbols=(SYMBOL,) * 101), DocumentRefusal.TOO_LONG),
        (announcement(1, symbols=("TA.NO",)), DocumentRefusal.UNKNOWN_INSTRUMENT),
        (announcement(1, begins_ns=2, ends_ns=1), DocumentRefusal.BAD_TERMS),
        (announcement(1, made_ns=-1), DocumentRefusal.BAD_TERMS),
    ],
)
def test_a_bad_announcement_is_refused(made, reason):
    with pytest.raises(DocumentRefusedError) as caught:
        registry_of(*ALL).check(encode(made))
    assert caught.value.reason is reason
