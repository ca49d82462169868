"""The documents of the registry: what is written down once about a name, as JSON in the journal.

The engine knows accounts, assets and instruments by index alone; a document gives the index a name and the terms that
people read. It is journaled before the commands that make it true, which `commands_of` builds, so the two agree.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TypeAlias

import msgspec

from exchange.core import commands
from exchange.core.types import AssetKind, SelfTradePrevention, TradingMode, TradingState
from exchange.methodology import MethodologySet
from exchange.registry.acts import ActDocument
from exchange.registry.people import PeopleDocument
from exchange.registry.series import AllowanceDocument


class Role(StrEnum):
    """What a participant is here for."""

    TRADER = "trader"
    MARKET_MAKER = "market_maker"
    ISSUER = "issuer"
    VENDOR = "vendor"
    BROKER = "broker"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Scope(StrEnum):
    """What an API key may do."""

    READ = "read"
    TRADE = "trade"
    ISSUE = "issue"
    METER = "meter"
    OPERATE = "operate"
    AUDIT = "audit"


class ParticipantCreated(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Somebody who may have accounts; one who applies may have none yet."""

    name: str
    role: Role
    description: str = ""
    has_applied: bool = False
    contact: str = ""


class AccountNamed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The next account, of a participant; accounts of one group never trade with each other unless they ask to."""

    index: int
    name: str
    participant: str
    role: Role
    group: int = 0  # 0: a group of its own


class AssetNamed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The next asset; 10**decimals units are shown as 1."""

    index: int
    name: str
    kind: AssetKind
    decimals: int
    issuer_account: int = 0
    description: str = ""


class InstrumentNamed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The next instrument and the terms it is listed with; fees, band and trading state may change later by command.

    A price of one tick is `tick_value` quote units per lot, a lot is `lot_units` base units, and both are shown
    exactly with `price_decimals` and `quantity_decimals`.
    """

    index: int
    symbol: str
    base: int  # asset index
    quote: int  # asset index
    tick_value: int
    lot_units: int
    price_decimals: int
    quantity_decimals: int
    quantity_min: int
    quantity_max: int
    band_low_ticks: int
    band_high_ticks: int
    maker_bps: int = 0
    taker_bps: int = 0
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_TAKER  # of orders that do not say
    description: str = ""
    state: TradingState = TradingState.CLOSED


class CatalogueRow(msgspec.Struct, frozen=True, array_like=True):
    """One instrument of a catalogue, and the asset of the same name that it trades."""

    symbol: str
    issuer_account: int
    band_low_ticks: int
    band_high_ticks: int
    reference_ticks: int = 0  # of auctions; 0: none
    description: str = ""


class CatalogueListed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Many instruments on the same terms, listed together or not at all: the next assets and the next instruments."""

    asset: int  # index of the first row's
    instrument: int  # index of the first row's
    kind: AssetKind
    quote: int  # asset index
    decimals: int
    tick_value: int
    price_decimals: int
    quantity_max: int
    maker_bps: int
    taker_bps: int
    mode: TradingMode
    rows: tuple[CatalogueRow, ...]
    state: TradingState = TradingState.CLOSED  # of all, once all are listed

    def listings(self) -> Iterator[tuple[AssetNamed, InstrumentNamed, int]]:
        """Yield the documents that each row stands for, and its reference price; a lot is 10**decimals units."""
        for ahead, row in enumerate(self.rows):
            asset = AssetNamed(self.asset + ahead, row.symbol, self.kind, self.decimals, row.issuer_account)
            instrument = InstrumentNamed(
                index=self.instrument + ahead,
                symbol=row.symbol,
                base=asset.index,
                quote=self.quote,
                tick_value=self.tick_value,
                lot_units=10**self.decimals,
                price_decimals=self.price_decimals,
                quantity_decimals=0,
                quantity_min=1,
                quantity_max=self.quantity_max,
                band_low_ticks=row.band_low_ticks,
                band_high_ticks=row.band_high_ticks,
                maker_bps=self.maker_bps,
                taker_bps=self.taker_bps,
                description=row.description,
            )
            yield asset, instrument, row.reference_ticks


class CataloguePlanned(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The next part of a list that is longer than one record; nothing is listed before the last part is there."""

    name: str  # of the whole list
    part: int  # from 0
    is_last: bool
    state: TradingState  # of all when they are listed
    listed: CatalogueListed  # the indices are those it gets when it is listed


class CataloguePlanEnded(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Everything that was planned is listed."""

    name: str


class KeyCreated(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """An API key of an account; its secret is encrypted with a key that is not in the journal.

    A key of Ed25519 has no secret here, but the public half of a pair whose other half only its holder knows.
    """

    key: str
    encrypted_secret: bytes
    account: int
    scopes: tuple[Scope, ...]
    label: str = ""
    created_ns: int = 0
    expires_ns: int = 0  # 0: never
    ip_allow: tuple[str, ...] = ()  # addresses and networks; none: from anywhere
    public_key: bytes = b""  # of Ed25519; the secret is empty then
    cancels_on_disconnect: bool = False  # the account's orders end when a connection of this key goes


class KeyRotated(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """A new secret, or public key, of an API key: good beside the old one until it is confirmed; a later one wins."""

    key: str
    encrypted_secret: bytes = b""
    public_key: bytes = b""


class KeyConfirmed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The new secret of an API key is in use: the old one is no longer good."""

    key: str


class KeyRevoked(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """An API key that is no longer good; use metered under it counts if it happened before."""

    key: str
    at_ns: int = 0


class LicenceGated(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """An instrument that is a licence of a registered dataset: only cleared accounts may buy it."""

    instrument: int
    may_resell: bool  # others than the issuer


class BuyerCleared(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """An account that the terms of a licence let in, or no longer do."""

    instrument: int
    account: int
    is_cleared: bool = True


class AnnouncementMade(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The next word of the exchange to everybody: about maintenance, a listing to come, or anything else."""

    index: int  # from 1
    topic: str
    title: str
    text: str
    symbols: tuple[str, ...] = ()  # whom it concerns; none: everybody
    begins_ns: int = 0  # of what is announced; 0: not said
    ends_ns: int = 0
    made_ns: int = 0


Document: TypeAlias = (
    ParticipantCreated
    | AccountNamed
    | AssetNamed
    | InstrumentNamed
    | CatalogueListed
    | CataloguePlanned
    | CataloguePlanEnded
    | KeyCreated
    | KeyRotated
    | KeyConfirmed
    | KeyRevoked
    | LicenceGated
    | BuyerCleared
    | AllowanceDocument
    | AnnouncementMade
    | PeopleDocument
    | ActDocument
    | MethodologySet
)
_DECODER: msgspec.json.Decoder[Document] = msgspec.json.Decoder(Document)


def encode(document: Document) -> bytes:
    """Return the bytes that the journal stores."""
    return msgspec.json.encode(document)


def decode(data: bytes) -> Document:
    """Return the document that the bytes hold. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _DECODER.decode(data)


def commands_of(document: Document) -> bytes:
    """Return the commands that make a document true in the engine, none if it is about names alone."""
    match document:
        case AccountNamed():
            return commands.create_account(document.index, document.group)
        case AssetNamed():
            return commands.create_asset(document.index, document.kind, document.issuer_account)
        case InstrumentNamed():
            return _listing(document) + _opening(document.state, [document.index])
        case CatalogueListed():
            listed = b"".join([_catalogued(document, *listing) for listing in document.listings()])
            indices = range(document.instrument, document.instrument + len(document.rows))
            return listed + _opening(document.state, indices)
        case _:
            return b""


def _listing(document: InstrumentNamed) -> bytes:
    index = document.index
    listed = commands.list_instrument(
        index,
        document.base,
        document.quote,
        lot_units=document.lot_units,
        tick_value=document.tick_value,
        quantity_min=document.quantity_min,
        quantity_max=document.quantity_max,
    )
    fees = commands.set_fees(index, document.maker_bps, document.taker_bps)
    return listed + fees + commands.set_price_band(index, document.band_low_ticks, document.band_high_ticks)


def _catalogued(catalogue: CatalogueListed, asset: AssetNamed, instrument: InstrumentNamed, reference: int) -> bytes:
    made = commands_of(asset) + _listing(instrument)
    if catalogue.mode != TradingMode.CONTINUOUS:
        made += commands.set_mode(instrument.index, catalogue.mode)
    return made + (commands.set_guards(instrument.index, 0, 0, reference) if reference else b"")


def _opening(state: TradingState, instruments: Sequence[int]) -> bytes:
    if state is TradingState.CLOSED:  # as what is listed is
        return b""
    return b"".join([commands.set_trading_state(index, state) for index in instruments])
