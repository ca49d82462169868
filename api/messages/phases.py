"""What the streams say of how markets are run: phases, auctions, changes of instruments, announcements."""

from decimal import Decimal
from typing import Any

import msgspec


class _Notice(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    rename={"event_time": "E", "symbol": "s", "number": "n", "sequence": "q"},
):
    """Something that happened to an instrument: `number` is that of the event, `sequence` that of its command."""

    event_time: int
    symbol: str
    number: int
    sequence: int


class Listed(_Notice, frozen=True, tag="listed"):
    """An instrument was listed."""


class TradingStateSet(_Notice, frozen=True, tag="tradingState"):
    """The trading state changed; `interrupted_at` is the price that the guards did not let trade, if they did it."""

    state: str
    interrupted_at: Decimal | None


class AuctionResult(_Notice, frozen=True, tag="auctionResult"):
    """An auction was held: its price, none if nothing traded, its volume, and the state afterwards."""

    price: Decimal | None
    volume: Decimal
    state: str


class TradingModeSet(_Notice, frozen=True, tag="tradingMode"):
    """The mode changed."""

    mode: str


class GuardsSet(_Notice, frozen=True, tag="guards"):
    """The guards against jumps of the price changed."""

    static_guard_bps: int
    dynamic_guard_bps: int
    reference: Decimal | None


class AuctionIndication(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="auctionIndication",
    rename={"event_time": "E", "symbol": "s", "sequence": "q"},
):
    """What an auction would make: price, none if nothing would trade, volume, surplus of demand."""

    event_time: int
    symbol: str
    sequence: int
    price: Decimal | None
    volume: Decimal
    surplus: Decimal


class PhaseStatus(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="phaseStatus",
    rename={"event_time": "E", "symbol": "s", "number": "n"},
):
    """How an instrument stands, as of the notice with this number."""

    event_time: int
    symbol: str
    number: int
    state: str
    mode: str
    static_guard_bps: int
    dynamic_guard_bps: int
    reference: Decimal | None
    auction: AuctionIndication | None


class InstrumentChanged(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="instrument",
    rename={"event_time": "E", "sequence": "q", "previous_sequence": "pq", "instrument": "i"},
):
    """An instrument as it is now, as /v1/instruments says it; `previous_sequence` is of the change before, of any."""

    event_time: int
    sequence: int
    previous_sequence: int
    instrument: dict[str, Any]


class InstrumentsFrom(
    msgspec.Struct, frozen=True, tag_field="e", tag="instruments", rename={"event_time": "E", "sequence": "q"}
):
    """From where on changes of instruments are told."""

    event_time: int
    sequence: int


class Announcement(msgspec.Struct, frozen=True, tag_field="e", tag="announcement", rename={"event_time": "E"}):
    """What the exchange announces: `begins` and `ends` are of what is announced, none if not said."""

    event_time: int
    id: int
    topic: str
    title: str
    text: str
    symbols: list[str]
    begins: int | None
    ends: int | None


class AnnouncementsFrom(msgspec.Struct, frozen=True, tag_field="e", tag="announcements", rename={"event_time": "E"}):
    """From where on announcements are told."""

    event_time: int
    id: int


Notice = Listed | TradingStateSet | AuctionResult | TradingModeSet | GuardsSet
PhaseMessage = (
    Notice | AuctionIndication | PhaseStatus | InstrumentChanged | InstrumentsFrom | Announcement | AnnouncementsFrom
)
