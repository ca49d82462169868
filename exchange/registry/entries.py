"""What the registry knows now about each name: the terms of its document, and facts that events have changed since."""

from collections import Counter
from operator import attrgetter
from typing import TypeAlias

import msgspec

from exchange.core.types import (
    EXCHANGE_ACCOUNT,
    PRICE_TICKS_MAX,
    AccountState,
    AssetKind,
    SelfTradePrevention,
    TradingMode,
    TradingState,
)
from exchange.methodology import FIRST, MethodologySet
from exchange.registry.acts import ActEntries
from exchange.registry.catalogues import CataloguePlan
from exchange.registry.documents import AnnouncementMade, Role, Scope
from exchange.registry.gates import Gate
from exchange.registry.people import PeopleEntries, Standing
from exchange.registry.series import AllowanceEntries
from exchange.registry.units import INT64_MAX

EXCHANGE_NAME = "EXCHANGE"  # of the participant and the account that are there from the start
COLLATERAL_PREFIX = "collateral."  # of the names of its accounts that hold the collateral of series


class Participant(msgspec.Struct):
    """Somebody who may have accounts."""

    name: str
    role: Role
    description: str = ""
    standing: Standing = Standing.ACTIVE
    contact: str = ""
    tier: int = 0  # of fees


class Account(msgspec.Struct):
    """One account of a participant; UNKNOWN until the engine has it."""

    index: int
    name: str
    participant: str
    role: Role
    group: int
    state: AccountState = AccountState.UNKNOWN
    tier: int = 0  # of fees, as the engine has it
    own_tier: int | None = None  # in place of its participant's


class Asset(msgspec.Struct):
    """One asset; `is_created` once the engine has it."""

    index: int
    name: str
    kind: AssetKind
    decimals: int
    issuer_account: int
    description: str
    is_created: bool = False


Rates: TypeAlias = tuple[int, int]  # the maker's and the taker's, in basis points


class Instrument(msgspec.Struct):
    """One instrument; `is_listed` once the engine has it.

    `price_step` and `quantity_step` are what one tick and one lot are worth in the last decimal shown:
    `units.format_steps(price_ticks, price_step, price_decimals)`, and `units.parse_steps` the other way.
    """

    index: int
    symbol: str
    base: int
    quote: int
    base_asset: str
    quote_asset: str
    tick_value: int
    lot_units: int
    price_decimals: int
    price_step: int
    quantity_decimals: int
    quantity_step: int
    quantity_min: int
    quantity_max: int
    self_trade_prevention: SelfTradePrevention
    description: str
    # as the engine lists an instrument, until it says otherwise
    is_listed: bool = False
    trading_state: TradingState = TradingState.CLOSED
    maker_bps: int = 0  # of tier 0
    taker_bps: int = 0
    tier_rates: tuple[Rates, ...] = ()  # of all tiers; none: as tier 0
    band_low_ticks: int = 1
    band_high_ticks: int = PRICE_TICKS_MAX
    mode: TradingMode = TradingMode.CONTINUOUS
    static_bps: int = 0  # guards; 0: none, as all limits and rules below
    dynamic_bps: int = 0
    reference_ticks: int = 0
    open_orders_max: int = 0
    notional_max: int = 0
    position_bps: int = 0
    anonymous: bool = False
    turnaround_days: int = 0
    holders_max: int = 0
    changed_sequence: int = 0  # of the command that changed one of these last
    changed_ns: int = 0

    def rates(self, tier: int) -> Rates:
        """Return what accounts of a tier pay."""
        return self.tier_rates[tier] if self.tier_rates else (self.maker_bps, self.taker_bps)


class ApiKey(msgspec.Struct):
    """One API key; its secret is forgotten when it is revoked."""

    key: str
    encrypted_secret: bytes
    account: int
    scopes: frozenset[Scope]
    label: str
    created_ns: int
    expires_ns: int
    ip_allow: tuple[str, ...]
    is_revoked: bool = False
    public_key: bytes = b""  # of Ed25519, in place of a secret
    next_encrypted_secret: bytes = b""  # good beside the first until it is confirmed
    next_public_key: bytes = b""
    cancels_on_disconnect: bool = False
    revoked_ns: int = 0

    @property
    def ends_ns(self) -> int:
        """Return from when on the key is no longer good; the largest time there is where it has no end."""
        expires_ns = self.expires_ns or INT64_MAX
        return min(self.revoked_ns, expires_ns) if self.is_revoked else expires_ns

    @property
    def is_rotating(self) -> bool:
        """Return whether a new secret or public key waits to be confirmed."""
        return bool(self.next_encrypted_secret or self.next_public_key)


class Entries(msgspec.Struct):
    """All of them in the order of creation: the snapshot of the registry. Accounts begin at index 0, the rest at 1."""

    participants: list[Participant]
    accounts: list[Account]
    assets: list[Asset]
    instruments: list[Instrument]
    keys: list[ApiKey]
    revision: int = 0
    gates: dict[int, Gate] = msgspec.field(default_factory=dict)  # by instrument
    allowances: AllowanceEntries = msgspec.field(default_factory=AllowanceEntries)
    announcements: list[AnnouncementMade] = msgspec.field(default_factory=list)  # the latest
    people: PeopleEntries = msgspec.field(default_factory=PeopleEntries)
    acts: ActEntries = msgspec.field(default_factory=ActEntries)
    catalogue_plan: CataloguePlan | None = None
    catalogue_ended: str = ""  # the name of the plan that was carried out last
    methodologies: list[MethodologySet] = msgspec.field(default_factory=lambda: [FIRST])  # by version, from 1


class Tables:
    """The entries and where each name stands."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.participants = {entry.name: entry for entry in entries.participants}
        self.accounts = {entry.name: entry for entry in entries.accounts}
        self.assets = {entry.name: entry for entry in entries.assets}
        self.instruments = {entry.symbol: entry for entry in entries.instruments}
        self.keys = {entry.key: entry for entry in entries.keys}
        self.key_counts: dict[int, int] = {}  # by account, the revoked ones included
        listed = [found for found in entries.instruments if found.changed_sequence]
        listed.sort(key=attrgetter("changed_sequence"))
        self.changed = {found.index: found for found in listed}  # the latest last
        self.schedules = Counter(map(schedule_of, listed))  # how many instruments have the same rates
        for key in entries.keys:
            self.key_counts[key.account] = self.key_counts.get(key.account, 0) + 1

    def account_at(self, index: int) -> Account | None:
        """Return an account by its index."""
        accounts = self.entries.accounts
        return accounts[index] if 0 <= index < len(accounts) else None

    def asset_at(self, index: int) -> Asset | None:
        """Return an asset by its index."""
        assets = self.entries.assets
        return assets[index - 1] if 1 <= index <= len(assets) else None

    def instrument_at(self, index: int) -> Instrument | None:
        """Return an instrument by its index."""
        instruments = self.entries.instruments
        return instruments[index - 1] if 1 <= index <= len(instruments) else None


def schedule_of(instrument: Instrument) -> tuple[Rates, ...]:
    """Return the rates of an instrument: of all tiers, or one for all of them."""
    return instrument.tier_rates or ((instrument.maker_bps, instrument.taker_bps),)


def next_announcement(entries: Entries) -> int:
    """Return the index of the next announcement."""
    return entries.announcements[-1].index + 1 if entries.announcements else 1


def first_entries() -> Entries:
    """Return what is there before the first document: the exchange itself."""
    exchange = Participant(EXCHANGE_NAME, Role.OPERATOR)
    account = Account(
        EXCHANGE_ACCOUNT, EXCHANGE_NAME, EXCHANGE_NAME, Role.OPERATOR, EXCHANGE_ACCOUNT, AccountState.ACTIVE
    )
    return Entries([exchange], [account], [], [], [])
