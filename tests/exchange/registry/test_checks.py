"""Every refusal of every kind of document."""

import pytest
from msgspec.structs import replace

from exchange.core.types import AssetKind
from exchange.registry.checks import (
    DESCRIPTION_CHARACTERS_MAX,
    IP_ALLOW_MAX,
    KEYS_PER_ACCOUNT_MAX,
    LABEL_CHARACTERS_MAX,
    refuse,
)
from exchange.registry.documents import KeyRevoked, Scope
from exchange.registry.keys import SECRET_BYTES_MAX
from exchange.registry.refusals import DocumentRefusal
from tests.exchange.registry.builders import (
    ACCOUNT,
    ALL,
    ALLOWANCE,
    CASH,
    CATALOGUE,
    INSTRUMENT,
    KEY,
    PARTICIPANT,
    SYMBOL,
    registry_of,
)

LONG = "x" * (DESCRIPTION_CHARACTERS_MAX + 1)
REFUSALS = [
    (PARTICIPANT, {"name": ""}, DocumentRefusal.BAD_NAME),
    (PARTICIPANT, {"name": "a b"}, DocumentRefusal.BAD_NAME),
    (PARTICIPANT, {"name": "x" * 65}, DocumentRefusal.BAD_NAME),
    (PARTICIPANT, {"name": "EXCHANGE"}, DocumentRefusal.NAME_TAKEN),
    (PARTICIPANT, {"description": LONG}, DocumentRefusal.TOO_LONG),
    (ACCOUNT, {"name": "-a"}, DocumentRefusal.BAD_NAME),
    (ACCOUNT, {"name": "EXCHANGE"}, DocumentRefusal.NAME_TAKEN),
    (ACCOUNT, {"index": 0}, DocumentRefusal.INDEX_NOT_NEXT),
    (ACCOUNT, {"index": 2}, DocumentRefusal.INDEX_NOT_NEXT),
    (ACCOUNT, {"participant": "nobody"}, DocumentRefusal.UNKNOWN_PARTICIPANT),
    (ACCOUNT, {"group": 2}, DocumentRefusal.BAD_GROUP),
    (ACCOUNT, {"group": -1}, DocumentRefusal.BAD_GROUP),
    (ALLOWANCE, {"name": "lower"}, DocumentRefusal.BAD_NAME),
    (ALLOWANCE, {"name": "A" * 41}, DocumentRefusal.BAD_NAME),
    (ALLOWANCE, {"name": "A\n"}, DocumentRefusal.BAD_NAME),
    (ALLOWANCE, {"name": "CNY"}, DocumentRefusal.NAME_TAKEN),
    (ALLOWANCE, {"index": 3}, DocumentRefusal.INDEX_NOT_NEXT),
    (ALLOWANCE, {"description": LONG}, DocumentRefusal.TOO_LONG),
    (ALLOWANCE, {"issuer_account": 9}, DocumentRefusal.UNKNOWN_ACCOUNT),
    (ALLOWANCE, {"kind": AssetKind.UNKNOWN}, DocumentRefusal.WRONG_ASSET_KIND),
    (ALLOWANCE, {"decimals": -1}, DocumentRefusal.BAD_DECIMALS),
    (ALLOWANCE, {"decimals": 19}, DocumentRefusal.BAD_DECIMALS),
    (INSTRUMENT, {"symbol": ".A"}, DocumentRefusal.BAD_NAME),
    (INSTRUMENT, {"index": 2}, DocumentRefusal.INDEX_NOT_NEXT),
    (INSTRUMENT, {"description": LONG}, DocumentRefusal.TOO_LONG),
    (INSTRUMENT, {"base": 3}, DocumentRefusal.UNKNOWN_ASSET),
    (INSTRUMENT, {"quote": 0}, DocumentRefusal.UNKNOWN_ASSET),
    (INSTRUMENT, {"base": 1}, DocumentRefusal.WRONG_ASSET_KIND),
    (INSTRUMENT, {"quote": 2}, DocumentRefusal.WRONG_ASSET_KIND),
    (INSTRUMENT, {"price_decimals": 3}, DocumentRefusal.BAD_DECIMALS),
    (INSTRUMENT, {"price_decimals": 7}, DocumentRefusal.BAD_DECIMALS),
    (INSTRUMENT, {"price_decimals": -1}, DocumentRefusal.BAD_DECIMALS),
    (INSTRUMENT, {"quantity_decimals": 7}, DocumentRefusal.BAD_DECIMALS),
    (INSTRUMENT, {"lot_units": 500_000}, DocumentRefusal.BAD_DECIMALS),
    (INSTRUMENT, {"tick_value": 0}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"tick_value": 100 << 30}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"lot_units": 0}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"quantity_min": 0}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"quantity_min": 1_000_001}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"quantity_max": 1 << 62}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"band_low_ticks": 0}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"band_high_ticks": 9}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"band_high_ticks": (1 << 31) + 1}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"maker_bps": -6}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"maker_bps": 10_001}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"taker_bps": 10_001}, DocumentRefusal.BAD_TERMS),
    (INSTRUMENT, {"taker_bps": -1, "maker_bps": 5}, DocumentRefusal.BAD_TERMS),
    (CATALOGUE, {"asset": 4}, DocumentRefusal.INDEX_NOT_NEXT),
    (CATALOGUE, {"instrument": 1}, DocumentRefusal.INDEX_NOT_NEXT),
    (CATALOGUE, {"decimals": 19}, DocumentRefusal.BAD_DECIMALS),
    (CATALOGUE, {"price_decimals": 3, "tick_value": 10_100}, DocumentRefusal.BAD_DECIMALS),
    (CATALOGUE, {"quote": 2}, DocumentRefusal.WRONG_ASSET_KIND),
    (CATALOGUE, {"kind": AssetKind.CASH}, DocumentRefusal.WRONG_ASSET_KIND),
    (CATALOGUE, {"rows": CATALOGUE.rows[:1] * 2}, DocumentRefusal.NAME_TAKEN),
    (CATALOGUE, {"rows": (replace(CATALOGUE.rows[1], symbol=SYMBOL),)}, DocumentRefusal.NAME_TAKEN),
    (CATALOGUE, {"rows": (replace(CATALOGUE.rows[1], issuer_account=9),)}, DocumentRefusal.UNKNOWN_ACCOUNT),
    (CATALOGUE, {"rows": (replace(CATALOGUE.rows[1], band_high_ticks=9),)}, DocumentRefusal.BAD_TERMS),
    (CATALOGUE, {"rows": (replace(CATALOGUE.rows[1], reference_ticks=1_001),)}, DocumentRefusal.BAD_TERMS),
    (KEY, {"key": "short"}, DocumentRefusal.BAD_NAME),
    (KEY, {"label": "x" * (LABEL_CHARACTERS_MAX + 1)}, DocumentRefusal.TOO_LONG),
    (KEY, {"encrypted_secret": b"x" * (SECRET_BYTES_MAX + 1)}, DocumentRefusal.TOO_LONG),
    (KEY, {"ip_allow": ("::1",) * (IP_ALLOW_MAX + 1)}, DocumentRefusal.TOO_LONG),
    (KEY, {"account": 7}, DocumentRefusal.UNKNOWN_ACCOUNT),
    (KEY, {"expires_ns": -1}, DocumentRefusal.BAD_TERMS),
    (KEY, {"created_ns": 1 << 63}, DocumentRefusal.BAD_TERMS),
    (KEY, {"ip_allow": ("10.0.0.0/8", "somewhere")}, DocumentRefusal.BAD_ADDRESS),
    (KEY, {"scopes": ()}, DocumentRefusal.NO_SCOPE),
]


def tables_before(document):
    return registry_of(*ALL[: ALL.index(document) if document in ALL else None])._tables


@pytest.mark.parametrize("document", [*ALL, CATALOGUE], ids=lambda document: type(document).__name__)
def test_a_right_document_is_taken_once(document):
    assert refuse(tables_before(document), document) is None
    assert refuse(registry_of(*ALL, CATALOGUE)._tables, document) is DocumentRefusal.NAME_TAKEN


@pytest.mark.parametrize(("document", "spoiled", "refusal"), REFUSALS)
def test_a_spoiled_document_is_refused(document, spoiled, refusal):
    assert refuse(tables_before(document), replace(document, **spoiled)) is refusal


def test_other_terms_may_be_shown_with_other_decimals():
    tables = tables_before(INSTRUMENT)
    assert refuse(tables, replace(INSTRUMENT, lot_units=500_000, quantity_decimals=1)) is None
    assert refuse(tables, replace(INSTRUMENT, tick_value=1, price_decimals=6)) is None


def test_an_asset_and_an_instrument_may_share_a_name_but_not_two_instruments():
    tables = registry_of(*ALL)._tables
    assert refuse(tables, replace(INSTRUMENT, index=2)) is DocumentRefusal.NAME_TAKEN
    assert SYMBOL in tables.assets
    assert refuse(tables, replace(CASH, index=3)) is DocumentRefusal.NAME_TAKEN


def test_an_account_has_a_limited_number_of_keys_the_revoked_ones_included():
    keys = [replace(KEY, key=f"{number:016}") for number in range(KEYS_PER_ACCOUNT_MAX)]
    registry = registry_of(*ALL[:-1], *keys, KeyRevoked(keys[0].key))
    assert refuse(registry._tables, KEY) is DocumentRefusal.TOO_MANY_KEYS
    assert refuse(registry._tables, replace(KEY, account=0, scopes=(Scope.READ,))) is None


def test_only_a_good_key_is_revoked():
    assert refuse(registry_of(*ALL)._tables, KeyRevoked(KEY.key)) is None
    assert refuse(registry_of(*ALL)._tables, KeyRevoked(KEY.key, -1)) is DocumentRefusal.BAD_TERMS
    assert refuse(registry_of(*ALL)._tables, KeyRevoked("other")) is DocumentRefusal.UNKNOWN_KEY
    assert refuse(registry_of(*ALL, KeyRevoked(KEY.key))._tables, KeyRevoked(KEY.key)) is DocumentRefusal.UNKNOWN_KEY
