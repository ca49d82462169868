"""Numbers of the exchange as the decimal texts that the Binance dialect shows."""

from collections.abc import Iterable

from exchange.registry.entries import Instrument
from exchange.registry.units import format_steps, format_units

PERCENT_DECIMALS = 3


class InstrumentTexts:
    """Ticks, lots and quote units in, texts out."""

    __slots__ = ("_instrument", "_quote_decimals", "symbol")

    def __init__(self, instrument: Instrument, quote_decimals: int) -> None:
        """Show prices and quantities with the decimals of the instrument, amounts with those of its quote asset."""
        self._instrument = instrument
        self._quote_decimals = quote_decimals
        self.symbol = instrument.symbol

    def price(self, ticks: int) -> str:
        """Return the price of one lot in the quote asset."""
        return format_steps(ticks, self._instrument.price_step, self._instrument.price_decimals)

    def quantity(self, lots: int) -> str:
        """Return a quantity in the base asset."""
        return format_steps(lots, self._instrument.quantity_step, self._instrument.quantity_decimals)

    def amount(self, units: int) -> str:
        """Return an amount of the quote asset."""
        return format_units(units, self._quote_decimals)

    def levels(self, levels: Iterable[tuple[int, int]]) -> list[list[str]]:
        """Return price levels as pairs of texts."""
        return [[self.price(ticks), self.quantity(lots)] for ticks, lots in levels]

    @staticmethod
    def percent(part: int, whole: int) -> str:
        """Return part / whole in per cent, cut off; of nothing it is nothing."""
        if not whole:
            return format_units(0, PERCENT_DECIMALS)
        thousandths = abs(part) * 100_000 // whole
        return format_units(thousandths if part >= 0 else -thousandths, PERCENT_DECIMALS)
