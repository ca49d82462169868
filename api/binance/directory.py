"""The instruments of the registry in the dialect's words, each prepared once."""

from api.binance.texts import InstrumentTexts
from api.errors import INVALID_SYMBOL, RequestError
from exchange.registry.entries import Instrument
from exchange.registry.registry import Registry


class Directory:
    """Finds instruments by symbol, and how their numbers are shown; the terms shown never change."""

    def __init__(self, registry: Registry) -> None:
        """Read a registry."""
        self._registry = registry
        self._texts: dict[int, InstrumentTexts] = {}

    def instrument(self, symbol: str) -> Instrument:
        """Return a listed instrument, or refuse the symbol."""
        instrument = self._registry.instrument(symbol)
        if instrument is None or not instrument.is_listed:
            raise RequestError(INVALID_SYMBOL)
        return instrument

    def find(self, symbol: str) -> int:
        """Return the index of a listed instrument, 0 if there is none."""
        instrument = self._registry.instrument(symbol)
        return instrument.index if instrument is not None and instrument.is_listed else 0

    def listed(self, symbol: str = "", symbols: tuple[str, ...] = ()) -> list[Instrument]:
        """Return the instrument named, those named, or all."""
        if symbol:
            return [self.instrument(symbol)]
        if symbols:
            return [self.instrument(one) for one in symbols]
        return [instrument for instrument in self._registry.instruments if instrument.is_listed]

    def texts(self, index: int) -> InstrumentTexts:
        """Return how an instrument's numbers are shown."""
        texts = self._texts.get(index)
        if texts is None:
            texts = self._texts[index] = self._make(index)
        return texts

    def decimals(self, asset: int) -> int:
        """Return how many decimals an asset is shown with."""
        found = self._registry.asset_at(asset)
        assert found is not None
        return found.decimals

    def _make(self, index: int) -> InstrumentTexts:
        instrument = self._registry.instrument_at(index)
        assert instrument is not None
        return InstrumentTexts(instrument, self.decimals(instrument.quote))
