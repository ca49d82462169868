"""Documents as bytes, and the commands that make them true."""

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import EventKind, TradingState
from exchange.events import rows
from exchange.registry.documents import KeyRevoked, commands_of, decode, encode
from tests.exchange.registry.builders import ACCOUNT, ALL, ALLOWANCE, CASH, CATALOGUE, INSTRUMENT, KEY, PARTICIPANT


@pytest.mark.parametrize(
    "document", [*ALL, CATALOGUE, KeyRevoked("k" * 64)], ids=lambda document: type(document).__name__
)
def test_a_document_survives_its_bytes(document):
    assert decode(encode(document)) == document


def test_the_bytes_are_json_that_names_its_kind():
    assert encode(PARTICIPANT) == (
        b'{"type":"ParticipantCreated","name":"ctel","role":"issuer","description":"A provider of tokens",'
        b'"has_applied":false,"contact":""}'
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"type":"Nothing"}', b'{"type":"KeyRevoked"}', b'{"type":"KeyRevoked","key":"k","more":1}'],
)
def test_other_bytes_are_no_document(data):
    with pytest.raises(msgspec.DecodeError):
        decode(data)


def test_the_commands_make_the_documents_true():
    batch = b"".join(commands_of(document) for document in (ACCOUNT, CASH, ALLOWANCE, INSTRUMENT))
    events = rows(Reference(TEST).apply(np.frombuffer(bytearray(batch), COMMAND)))
    assert [event.kind for event in events] == [
        EventKind.ACCOUNT_CREATED,
        EventKind.ASSET_CREATED,
        EventKind.ASSET_CREATED,
        EventKind.INSTRUMENT_LISTED,
        EventKind.FEES_SET,
        EventKind.PRICE_BAND_SET,
    ]
    _, _, allowance, listed, fees, band = events
    assert (allowance.asset, allowance.account) == (2, 1)
    assert (listed.asset, listed.counter_account, listed.amount, listed.price_ticks) == (2, 1, 1_000_000, 100)
    assert (listed.quantity_lots, listed.leaves_lots) == (1, 1_000_000)
    assert (fees.counter_fee, fees.fee) == (-1, 5)
    assert (band.price_ticks, band.amount) == (10, 90_000)


def test_a_catalogue_lists_the_assets_and_instruments_of_all_its_rows():
    batch = b"".join(commands_of(document) for document in (ACCOUNT, CASH, ALLOWANCE, INSTRUMENT, CATALOGUE))
    events = rows(Reference(TEST).apply(np.frombuffer(bytearray(batch), COMMAND)))[6:]
    listed = [EventKind.ASSET_CREATED, EventKind.INSTRUMENT_LISTED, EventKind.FEES_SET, EventKind.PRICE_BAND_SET]
    assert [event.kind for event in events] == [
        *listed, EventKind.MODE_SET, *listed, EventKind.MODE_SET, EventKind.GUARDS_SET,
    ]  # fmt: skip
    assert [(event.asset, event.account) for event in events[::5][:2]] == [(3, 1), (4, 0)]
    assert events[-1].price_ticks == 100


def test_what_is_listed_open_is_opened_when_all_of_it_is_listed():
    named = replace(INSTRUMENT, state=TradingState.PRE_OPEN)
    catalogue = replace(CATALOGUE, state=TradingState.CALL_OPEN)
    batch = b"".join(commands_of(document) for document in (ACCOUNT, CASH, ALLOWANCE, named, catalogue))
    events = rows(Reference(TEST).apply(np.frombuffer(bytearray(batch), COMMAND)))
    opened = [(event.instrument, event.state) for event in events if event.kind == EventKind.TRADING_STATE_SET]
    assert opened == [(1, TradingState.PRE_OPEN), (2, TradingState.CALL_OPEN), (3, TradingState.CALL_OPEN)]
    assert [event.kind for event in events[-2:]] == [EventKind.TRADING_STATE_SET] * 2


def test_names_alone_need_no_command():
    assert commands_of(PARTICIPANT) == commands_of(KEY) == commands_of(KeyRevoked("k" * 64)) == b""
