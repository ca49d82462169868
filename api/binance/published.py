"""The streams of published prices, `!indices` and `!settlementPrices`: spoken when a day is over, and corrected.

Prices are in the smallest units of the quote for a million tokens, and in ticks.
"""

from collections.abc import Sequence

from api.binance.channels import Publish
from api.binance.streams import Body, Kind, Stream
from api.stream.backlog import Message
from exchange.events import Event
from exchange.marketdata.indices import IndexRow
from exchange.marketdata.prices import DailyPrices, Row
from exchange.marketdata.settlements import SettlementRow

_SPOKEN: dict[Kind, type[Row]] = {Kind.INDICES: IndexRow, Kind.SETTLEMENT_PRICES: SettlementRow}
_NAMES = {Kind.INDICES: "index", Kind.SETTLEMENT_PRICES: "settlementPrice"}


class Published:
    """Prices of days that are over, as they are published, and corrections of them."""

    def __init__(self, stream: Stream, publish: Publish, prices: DailyPrices) -> None:
        self.stream = stream
        self._publish = publish
        self._prices = prices
        self._count = prices.published_count

    def on_batch(self, events: Sequence[Event]) -> bool:  # noqa: ARG002 - a channel may hear
        """Wait for the next beat: a day may end without an event."""
        return False

    def on_beat(self, now_ms: int) -> bool:
        """Say what was published since; look again at every beat."""
        rows = self._prices.published_after(self._count)
        self._count = self._prices.published_count
        kind = self.stream.kind
        bodies: list[Body] = [
            {"e": _NAMES[kind], "E": self.stream.shown(now_ms), **row._asdict()}
            for row in rows
            if isinstance(row, _SPOKEN[kind])
        ]
        if bodies:
            self._publish(Message(self.stream.name, bodies))
        return True

    def welcome(self, now_ms: int) -> Message | None:  # noqa: ARG002 - a channel may welcome
        """Say nothing: what was published is asked for by REST."""
        return None
