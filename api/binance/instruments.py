"""Instruments in the dialect's words: what exchangeInfo says of each, encoded once."""

from typing import Any

from api.binance import replies
from api.binance.directory import Directory
from api.call import encoded
from api.schemas import ORDER_TYPES, PREVENTION_MODES
from exchange.core.types import NOTIONAL_MAX, OPEN_ORDERS_MAX
from exchange.registry.entries import Instrument


class InstrumentBodies:
    """Each instrument as JSON, encoded once and again when one of its facts changed."""

    def __init__(self, directory: Directory) -> None:
        """Read a directory."""
        self._directory = directory
        self._bodies: dict[int, tuple[tuple[object, ...], bytes]] = {}

    def body(self, instrument: Instrument) -> bytes:
        """Return one instrument."""
        facts = (instrument.trading_state, instrument.band_low_ticks, instrument.band_high_ticks)
        known = self._bodies.get(instrument.index)
        if known is None or known[0] != facts:
            known = self._bodies[instrument.index] = (facts, encoded(instrument_body(instrument, self._directory)))
        return known[1]


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
            "maxNotional": texts.amount(NOTIONAL_MAX),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": OPEN_ORDERS_MAX},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": OPEN_ORDERS_MAX},
    ]
