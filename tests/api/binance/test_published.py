"""The streams of published prices: silent until a day is over, then every price once, and corrections of it."""

from api.binance.published import Published
from api.binance.streams import SLOW_MS, Kind, parse
from exchange.marketdata.prices import DailyPrices
from tests.exchange.marketdata.test_prices import Week, full_day


def heard(prices: DailyPrices, name: str) -> tuple[Published, list[list[dict[str, object]]]]:
    stream = parse(name, lambda _: 0)
    assert stream is not None
    assert (stream.pace_ms, stream.instrument) == (SLOW_MS, 0)
    said: list[list[dict[str, object]]] = []
    return Published(stream, lambda message: said.append(message.body), prices), said


def test_prices_are_told_when_a_day_is_over() -> None:
    week = Week()
    indices, told_indices = heard(week.prices, Kind.INDICES.value)
    settlements, told_settlements = heard(week.prices, Kind.SETTLEMENT_PRICES.value)
    week.pass_days(1)
    assert not indices.on_batch(full_day(week, 101))
    assert (indices.on_beat(5), settlements.on_beat(5)) == (True, True)
    assert [body["quality"] for body in told_indices[0]] == ["THIN"]
    told_indices.clear()
    assert indices.on_beat(6)
    assert told_indices == []
    week.pass_days(1)
    week.prices.close_until(week.market.time_ns)
    assert indices.on_beat(7)
    assert settlements.on_beat(7)
    (index,), (price,) = told_indices[0], told_settlements[-1]
    assert (index["e"], index["E"], index["name"], index["quality"]) == ("index", 7, "Q3.OUT.GZ", "FULL")
    assert (price["e"], price["symbol"], price["price_ticks"]) == ("settlementPrice", "TA.A.Q3.OUT.GZ.M1.G0A", 101)
    assert indices.welcome(8) is None
