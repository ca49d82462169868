"""An instrument as it is shown under /v1: its terms and everything that may change."""

from api.terms import instrument_answer
from exchange.core import commands
from tests.api.binance.floor import INSTRUMENT, START_MS, SYMBOL, Floor


def test_everything_that_may_change_is_shown_as_it_is_now() -> None:
    floor = Floor()
    floor.act(
        commands.set_fees(INSTRUMENT, -3, 8),
        commands.set_guards(INSTRUMENT, 500, 200, 1_234),
        commands.set_instrument_limits(INSTRUMENT, open_orders_max=7, notional_max=5_000_000, position_bps=250),
        commands.set_venue_rules(INSTRUMENT, anonymous=True, turnaround_days=0, holders_max=0),
    )
    shown = instrument_answer(floor.registry, floor.registry.instruments[INSTRUMENT - 1]).model_dump()
    assert shown.items() >= {
        "symbol": SYMBOL,
        "kind": "ALLOWANCE",
        "tick_size": "0.01",
        "maker_bps": -3,
        "taker_bps": 8,
        "state": "CONTINUOUS",
        "mode": "CONTINUOUS",
        "static_guard_bps": 500,
        "dynamic_guard_bps": 200,
        "reference_price": "12.34",
        "open_orders_max": 7,
        "notional_max": "5.000000",
        "position_bps": 250,
        "anonymous": True,
        "sequence": floor.sequence,
        "time": START_MS,
    }.items()  # fmt: skip
