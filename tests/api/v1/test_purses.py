"""What stands behind a key: its series in the order of use, with the price of more."""

from api.v1 import purses
from exchange.core.types import AssetKind
from exchange.registry.documents import AssetNamed, encode
from exchange.registry.registry import Registry
from exchange.registry.series import Direction
from tests.exchange.registry.builders import ALL, registry_of
from tests.exchange.registry.test_series import SERIES


class _Market:
    def trades(self, instrument: int, limit: int) -> list[object]:
        return []


class _Prices:
    price = 0

    def index(self, key: object) -> "_Prices":
        return self


class _Exchange:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.market = _Market()
        self.prices = _Prices()


def test_the_name_of_a_keys_account_is_a_name_and_its_own() -> None:
    assert purses.account_name("a" * 64) != purses.account_name("b" * 64)
    assert len(purses.account_name("a" * 128)) <= 64


def test_terms_decide_over_use_and_without_terms_the_symbol_does() -> None:
    other = AssetNamed(3, "TA.CTEL.Q4.IN.GZ.M2702.G80A", AssetKind.ALLOWANCE, 6, issuer_account=1)
    plain = AssetNamed(4, "TA.PLAIN", AssetKind.ALLOWANCE, 6, issuer_account=1)
    exchange = _Exchange(registry_of(*ALL, other, plain))
    exchange.registry.apply(encode(SERIES))
    known, unknown, shortest = (purses.lot(exchange, index, 5) for index in (2, 3, 4))
    assert (known.direction, known.start_ms, known.end_ms, known.units) == (Direction.OUT, 0, 86_400_000, 5)
    assert (unknown.direction, unknown.grade, unknown.end_ms) == (Direction.IN, "Q4", purses.FOREVER_MS)
    assert (shortest.direction, shortest.grade, shortest.price) == (Direction.BLEND, "", 0)


def test_more_costs_what_the_index_says() -> None:
    exchange = _Exchange(registry_of(*ALL))
    assert purses.overrun_price(exchange, 2) == 0
    exchange.prices.price = 1_500_000
    assert purses.overrun_price(exchange, 2) == 1_500_000


def test_units_move_until_the_gate_closes() -> None:
    gate_ns = SERIES.end_ns - SERIES.gate_ns
    assert [purses.movable(SERIES, at) for at in (gate_ns - 1, gate_ns)] == [True, False]
    assert purses.movable(None, gate_ns)
