"""Numbers of the exchange as the decimal texts that the Binance dialect shows."""

from collections.abc import Iterable

from exchange.registry.entries import Instrument
from exchange.registry.units import format_steps, format_units

PERCENT_DECIMALS = 3
GONE = "0.00000000"
TEXTS_MAX = 4_096  # kept of an instrument, of prices, quantities and amounts each


class InstrumentTexts:
    """Ticks, lots and quote units in, texts out."""

    __slots__ = ("_amounts", "_prices", "_quantities", "_quote_decimals", "instrument", "symbol")

    def __init__(self, instrument: Instrument, quote_decimals: int) -> None:
        """Show prices and quantities with the decimals of the instrument, amounts with those of its quote asset."""
        self.instrument = instrument
        self._prices: dict[int, str] = {}  # texts that were needed before, for those needed most often
        self._quantities: dict[int, str] = {}
        self._amounts: dict[int, str] = {}
        self._quote_decimals = quote_decimals
        self.symbol = instrument.symbol

    def price(self, ticks: int) -> str:
        """Return the price of one lot in the quote asset."""
        known = self._prices.get(ticks)
        if known is None:
            if len(self._prices) >= TEXTS_MAX:
                self._prices.clear()
            known = format_steps(ticks, self.instrument.price_step, self.instrument.price_decimals)
            self._prices[ticks] = known
        return known

    def quantity(self, lots: int) -> str:
        """Return a quantity in the base asset."""
        known = self._quantities.get(lots)
        if known is None:
            if len(self._quantities) >= TEXTS_MAX:
                self._quantities.clear()
            known = format_steps(lots, self.instrument.quantity_step, self.instrument.quantity_decimals)
            self._quantities[lots] = known
        return known

    def signed_quantity(self, lots: int) -> str:
        """Return a difference of quantities in the base asset."""
        return self.quantity(lots) if lots >= 0 else "-" + self.quantity(-lots)

    def amount(self, units: int) -> str:
        """Return an amount of the quote asset."""
        known = self._amounts.get(units)
        if known is None:
            if len(self._amounts) >= TEXTS_MAX:
                self._amounts.clear()
            known = self._amounts[units] = format_units(units, self._quote_decimals)
        return known

    def levels(self, levels: Iterable[tuple[int, int]]) -> list[list[str]]:
        """Return price levels as pairs of texts."""
        return [[self.price(ticks), self.quantity(lots)] for ticks, lots in levels]

    def changes(self, levels: Iterable[tuple[int, int]]) -> list[list[str]]:
        """Return levels that changed; clients of the dialect know one that is gone by its text alone."""
        return [[self.price(ticks), self.quantity(lots) if lots else GONE] for ticks, lots in levels]

    @staticmethod
    def percent(part: int, whole: int) -> str:
        """Return part / whole in per cent, cut off; of nothing it is nothing."""
        if not whole:
            return format_units(0, PERCENT_DECIMALS)
        thousandths = abs(part) * 100_000 // whole
        return format_units(thousandths if part >= 0 else -thousandths, PERCENT_DECIMALS)
