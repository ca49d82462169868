"""Numbers of the exchange as the decimal texts that the Binance dialect shows, and names for indices."""

from collections.abc import Iterable

from exchange.registry.entries import Instrument
from exchange.registry.registry import Registry
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


class Names:
    """What streams need to know of instruments and assets; every index comes from the engine, so it has a name."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._texts: dict[int, InstrumentTexts] = {}

    def find(self, symbol: str) -> int:
        """Return the index of the instrument with a symbol in upper case, 0 if there is none."""
        instrument = self._registry.instrument(symbol)
        return 0 if instrument is None or not instrument.is_listed else instrument.index

    def texts(self, index: int) -> InstrumentTexts:
        """Return how an instrument's numbers are shown."""
        texts = self._texts.get(index)
        if texts is None:
            instrument = self._registry.instrument_at(index)
            assert instrument is not None
            quote = self._registry.asset_at(instrument.quote)
            assert quote is not None
            texts = self._texts[index] = InstrumentTexts(instrument, quote.decimals)
        return texts

    def assets(self, index: int) -> tuple[int, int]:
        """Return an instrument's base and quote asset."""
        instrument = self._registry.instrument_at(index)
        assert instrument is not None
        return instrument.base, instrument.quote

    def asset_name(self, index: int) -> str:
        """Return what an asset is called."""
        asset = self._registry.asset_at(index)
        assert asset is not None
        return asset.name

    def asset_amount(self, index: int, units: int) -> str:
        """Return an amount of an asset."""
        asset = self._registry.asset_at(index)
        assert asset is not None
        return format_units(units, asset.decimals)
