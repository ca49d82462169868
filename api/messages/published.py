"""What the streams of published prices say: lists of the rows of a day that is over, and corrections of them."""

import msgspec


class PublishedIndex(msgspec.Struct, frozen=True, tag_field="e", tag="index", rename={"event_time": "E"}):
    """One version of an index on a day; days count from 1970, the price is in quote units for a million tokens."""

    event_time: int
    day: int
    name: str
    quote: int
    version: int
    price: int
    quality: str
    age_days: int
    trade_count: int
    excluded_count: int
    buyer_count: int
    seller_count: int
    capped_count: int
    coverage_bps: int
    units: int
    methodology: int


class PublishedSettlement(
    msgspec.Struct, frozen=True, tag_field="e", tag="settlementPrice", rename={"event_time": "E"}
):
    """One version of an instrument's settlement price on a day."""

    event_time: int
    day: int
    symbol: str
    version: int
    price_ticks: int
    tier: str
    trade_count: int
    window_count: int
    window_lots: int
    methodology: int
