"""Instruments in the dialect's words: what exchangeInfo says of each, encoded once."""

from typing import Any

from api.binance import replies
from api.binance.directory import Directory
from api.call import encoded
from api.limits import Limits
from api.packing import Part
from api.schemas import ORDER_TYPES, PREVENTION_MODES
from api.version import own_version
from exchange.core.types import NOTIONAL_MAX, OPEN_ORDERS_MAX
from exchange.registry.entries import Instrument


class InstrumentBodies:
    """Instruments as JSON: all of them in pages, each encoded once and again when one of its instruments changed."""

    def __init__(self, directory: Directory) -> None:
        """Read a directory."""
        self._directory = directory
        self._pages: list[tuple[tuple[int, int], Part]] = []  # (how many, latest change), text
        self._version = own_version()

    def tag(self, sequence: int, limits: Limits) -> str:
        """Return what stands for the whole list, and the limits told with it, in an ETag."""
        return f'W/"{self._version}-{limits.weight_per_minute}-{limits.orders_per_10s}-{sequence}"'

    def body(self, instrument: Instrument) -> bytes:
        """Return one instrument."""
        return encoded(instrument_body(instrument, self._directory))

    def page(self, number: int, instruments: list[Instrument]) -> tuple[Part, bool]:
        """Return a page of the list of all, and whether it had to be encoded."""
        facts = (len(instruments), max(one.changed_sequence for one in instruments))
        if number < len(self._pages) and self._pages[number][0] == facts:
            return self._pages[number][1], False
        page = Part(b",".join([self.body(one) for one in instruments]))
        self._pages[number : number + 1] = [(facts, page)]
        return page, True


def instrument_body(instrument: Instrument, directory: Directory) -> dict[str, Any]:
    """Return one instrument in the dialect's words."""
    base, quote = directory.decimals(instrument.base), directory.decimals(instrument.quote)
    return {
        "symbol": instrument.symbol,
        "status": replies.STATES[instrument.trading_state],
        "baseAsset": instrument.base_asset,
        "baseAssetPrecision": base,
        "quoteAsset": instrument.quote_asset,
        "quotePrecision": quote,
        "quoteAssetPrecision": quote,
        "baseCommissionPrecision": base,
        "quoteCommissionPrecision": quote,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": True,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(instrument, directory),
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": instrument.self_trade_prevention.name,
        "allowedSelfTradePreventionModes": PREVENTION_MODES,
    }


def _filters(instrument: Instrument, directory: Directory) -> list[dict[str, Any]]:
    texts = directory.texts(instrument.index)
    quantities = {
        "minQty": texts.quantity(instrument.quantity_min),
        "maxQty": texts.quantity(instrument.quantity_max),
        "stepSize": texts.quantity(1),
    }
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": texts.price(instrument.band_low_ticks),
            "maxPrice": texts.price(instrument.band_high_ticks),
            "tickSize": texts.price(1),
        },
        {"filterType": "LOT_SIZE", **quantities},
        {"filterType": "MARKET_LOT_SIZE", **quantities},
        {
            "filterType": "NOTIONAL",
            "minNotional": texts.amount(0),
            "applyMinToMarket": False,
            "maxNotional": texts.amount(instrument.notional_max or NOTIONAL_MAX),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": instrument.open_orders_max or OPEN_ORDERS_MAX},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": OPEN_ORDERS_MAX},
    ]
