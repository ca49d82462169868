"""What happens to markets as everybody is told of it: the same words in streams and in histories.

Phases, guards and results of auctions have the number of their event, so that nobody need miss one; announcements are
numbered by themselves.
"""

from typing import Any

from api.binance.texts import InstrumentTexts
from exchange.core.types import EventKind, TradingMode, TradingState
from exchange.marketdata.notices import Auction, Notice
from exchange.registry.documents import AnnouncementMade

MILLISECOND_NS = 1_000_000
Body = dict[str, Any]


def notice_body(notice: Notice, texts: InstrumentTexts, unit_ns: int = MILLISECOND_NS) -> Body:
    """Say what happened: `n` is the number of the event, `q` the sequence of its command."""
    return {
        "e": _WORDS[EventKind(notice.kind)],
        "E": notice.time_ns // unit_ns,
        "s": texts.symbol,
        "n": notice.number,
        "q": notice.sequence,
        **_details(notice, texts),
    }


def auction_body(auction: Auction, texts: InstrumentTexts, unit_ns: int = MILLISECOND_NS) -> Body:
    """Say what an auction would make: price (none if nothing would trade), volume, surplus of demand."""
    return {
        "e": "auctionIndication",
        "E": auction.time_ns // unit_ns,
        "s": texts.symbol,
        "q": auction.sequence,
        "price": _price(auction.price_ticks, texts),
        "volume": texts.quantity(auction.volume_lots),
        "surplus": texts.signed_quantity(auction.surplus_lots),
    }


def status_body(
    texts: InstrumentTexts, auction: Auction | None, last: int, now: int, unit_ns: int = MILLISECOND_NS
) -> Body:
    """Say how an instrument stands, as of the notice with the number `n`."""
    instrument = texts.instrument
    return {
        "e": "phaseStatus",
        "E": now,
        "s": texts.symbol,
        "n": last,
        "state": instrument.trading_state.name,
        "mode": instrument.mode.name,
        "static_guard_bps": instrument.static_bps,
        "dynamic_guard_bps": instrument.dynamic_bps,
        "reference": _price(instrument.reference_ticks, texts),
        "auction": None if auction is None else auction_body(auction, texts, unit_ns),
    }


def announcement_body(announcement: AnnouncementMade, unit_ns: int = MILLISECOND_NS) -> Body:
    """Say an announcement; times of what is announced are none if not said."""
    return {
        "e": "announcement",
        "E": announcement.made_ns // unit_ns,
        "id": announcement.index,
        "topic": announcement.topic,
        "title": announcement.title,
        "text": announcement.text,
        "symbols": list(announcement.symbols),
        "begins": announcement.begins_ns // unit_ns or None,
        "ends": announcement.ends_ns // unit_ns or None,
    }


_WORDS = {
    EventKind.INSTRUMENT_LISTED: "listed",
    EventKind.TRADING_STATE_SET: "tradingState",
    EventKind.AUCTION_UNCROSSED: "auctionResult",
    EventKind.MODE_SET: "tradingMode",
    EventKind.GUARDS_SET: "guards",
}


def _details(notice: Notice, texts: InstrumentTexts) -> Body:
    match notice.kind:
        case EventKind.TRADING_STATE_SET:
            return {"state": TradingState(notice.state).name, "interrupted_at": _price(notice.price_ticks, texts)}
        case EventKind.AUCTION_UNCROSSED:
            price, volume = _price(notice.price_ticks, texts), texts.quantity(notice.quantity_lots)
            return {"price": price, "volume": volume, "state": TradingState(notice.state).name}
        case EventKind.MODE_SET:
            return {"mode": TradingMode(notice.state).name}
        case EventKind.GUARDS_SET:
            reference = _price(notice.price_ticks, texts)
            return {
                "static_guard_bps": notice.quantity_lots,
                "dynamic_guard_bps": notice.leaves_lots,
                "reference": reference,
            }
        case _:
            return {}


def _price(ticks: int, texts: InstrumentTexts) -> str | None:
    return texts.price(ticks) if ticks else None
