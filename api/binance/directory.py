"""Instruments and assets by name and by index, and how their numbers are shown, in the dialect's words."""

from api import parameters
from api.binance.texts import InstrumentTexts
from api.errors import INVALID_SYMBOL, RequestError
from exchange.registry.entries import Asset, Instrument
from exchange.registry.registry import Registry
from exchange.registry.units import format_units


class Directory:
    """Reads a registry; every index asked for comes from the engine, so it has a name."""

    def __init__(self, registry: Registry) -> None:
        """Read a registry."""
        self._registry = registry
        self._texts: dict[int, InstrumentTexts] = {}

    @property
    def registry(self) -> Registry:
        """Return the registry that is read."""
        return self._registry

    def instrument(self, symbol: str) -> Instrument:
        """Return a listed instrument, or refuse the symbol."""
        instrument = self._registry.instrument(symbol)
        if instrument is None or not instrument.is_listed:
            parameters.symbol("symbol", symbol)
            raise RequestError(INVALID_SYMBOL)
        return instrument

    def find(self, symbol: str) -> int:
        """Return the index of a listed instrument by its symbol in upper case, 0 if there is none."""
        instrument = self._registry.instrument(symbol)
        return 0 if instrument is None or not instrument.is_listed else instrument.index

    def listed(self, symbol: str = "", symbols: tuple[str, ...] = ()) -> list[Instrument]:
        """Return the instrument named, those named, or all; refuse an unknown symbol."""
        if symbol:
            return [self.instrument(symbol)]
        if symbols:
            return [self.instrument(one) for one in symbols]
        return [instrument for instrument in self._registry.instruments if instrument.is_listed]

    def texts(self, index: int) -> InstrumentTexts:
        """Return how an instrument's numbers are shown; its terms never change."""
        texts = self._texts.get(index)
        if texts is None:
            instrument = self.at(index)
            quote_decimals = self._asset(instrument.quote).decimals
            texts = self._texts[index] = InstrumentTexts(instrument, quote_decimals)
        return texts

    def assets(self, index: int) -> tuple[int, int]:
        """Return an instrument's base and quote asset."""
        instrument = self.at(index)
        return instrument.base, instrument.quote

    def decimals(self, asset: int) -> int:
        """Return how many decimals an asset is shown with."""
        return self._asset(asset).decimals

    def asset_name(self, asset: int) -> str:
        """Return what an asset is called."""
        return self._asset(asset).name

    def asset_amount(self, asset: int, units: int) -> str:
        """Return an amount of an asset."""
        return format_units(units, self._asset(asset).decimals)

    def at(self, index: int) -> Instrument:
        """Return an instrument by its index."""
        instrument = self._registry.instrument_at(index)
        assert instrument is not None
        return instrument

    def _asset(self, index: int) -> Asset:
        asset = self._registry.asset_at(index)
        assert asset is not None
        return asset
