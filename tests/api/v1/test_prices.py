"""Published prices by REST: indices, settlement prices, reference prices, appraisals, the methodology."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.problems import NO_LEDGER, UNKNOWN_SYMBOL
from exchange.core.types import DAY_NS
from exchange.methodology import FIRST
from settlement import publications
from settlement.connect import POSTER_ROLE, connect
from settlement.embedded import Embedded
from settlement.migrate import migrate
from tests.api.v1.office import LICENCE, SYMBOL, Office, office

TRADERS = 5


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("exchange")
    postgres = Embedded(folder / "postgres")
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    with office(folder, dsn=postgres.dsn) as served:
        trade(served)
        yield served
    postgres.stop()


def trade(desk: Office) -> None:
    """Trade among enough groups, let the day end, and store what is published."""
    issuer, buyer = desk.furnish()
    issuer.post("/v1/issues", asset=SYMBOL, amount="1000")
    others = [desk.admit(f"trader{number}", "read", "trade") for number in range(TRADERS)]
    for other in others:
        desk.operator.post("/v1/deposits", account=other.account, amount="1000")
    for other in [*others, buyer]:
        issuer.order("SELL", 10, "2.0")
        other.order("BUY", 10, "2.0")
    for number, other in enumerate(others):
        other.order("SELL", 2, "2.5")
        others[(number + 1) % TRADERS].order("BUY", 2, "2.5")
    desk.run(lambda: end_day(desk))


async def end_day(desk: Office) -> None:
    prices = desk.exchange.prices
    prices.close_until(desk.exchange.clock.now_ns() + DAY_NS)
    connection = await connect(desk.dsn or "", POSTER_ROLE)
    await publications.store(connection, prices.published_after(0))
    await connection.close()


def get(desk: Office, path: str, **parameters: Any) -> dict[str, Any]:
    answer = desk.operator.http.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_index_is_told_with_its_counts(desk: Office) -> None:
    (index,) = get(desk, "/v1/indices")["indices"]
    wanted = {"name": "Q3.BLEND.GZ", "quote": "CNY", "version": 1, "quality": "FULL", "trades": 11, "buyers": 6}
    wanted |= {
        "sellers": 6,
        "excluded": 0,
        "coverage_bps": 10_000,
        "units": 70_000_000,
        "capped": 1,
        "age_days": 0,
        "methodology": 1,
    }
    assert {name: index[name] for name in wanted} == wanted
    assert 2 < float(index["price"]) < 2.5
    assert get(desk, "/v1/indices", name="Q3.BLEND.GZ")["indices"] == [index]
    assert get(desk, "/v1/indices", name="Q3.BLEND.GZ", before=index["day"])["indices"] == []


def test_settlement_prices_are_told_by_day_and_by_symbol(desk: Office) -> None:
    (price,) = get(desk, "/v1/settlement-prices")["settlement_prices"]
    assert (price["symbol"], price["price"], price["trades"], price["version"]) == (SYMBOL, "2.5000", 11, 1) or (
        price["tier"] == "WINDOW"  # the test ran in the last half hour of the day
    )
    assert get(desk, "/v1/settlement-prices", symbol=SYMBOL)["settlement_prices"] == [price]
    assert get(desk, "/v1/settlement-prices", day=price["day"], after=SYMBOL)["settlement_prices"] == []


def test_without_a_database_there_is_no_history(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise OSError("away")

    for name in ("history", "of_day"):
        monkeypatch.setattr(f"api.v1.prices.{name}", away)
    for parameters in ({"symbol": SYMBOL}, {}):
        answer = desk.operator.http.get("/v1/settlement-prices", params=parameters)
        assert answer.json()["code"] == NO_LEDGER.code


def test_a_reference_price_follows_the_index_of_the_base_grade_or_the_own_reference(desk: Office) -> None:
    green = "TA.CTEL.Q5.BLEND.GZ.M2702.G80A"
    desk.list(green, 1)
    desk.operator.put("/v1/guards", symbol=green, static_bps=0, dynamic_bps=0, reference_ticks=30_000)
    own = get(desk, "/v1/reference-prices", symbol=green)
    assert (own["base_of"], own["base"], own["price"]) == ("OWN", "3.000000", "3.000000")
    assert (own["quality_bps"], own["methodology"]) == (10_000, FIRST.version)
    key = next(iter(desk.exchange.prices._indices))._replace(hub="NAT")
    days = next(iter(desk.exchange.prices._indices.values()))
    desk.exchange.prices._indices[key] = {day: row._replace(price=2_000_000) for day, row in days.items()}
    graded = get(desk, "/v1/reference-prices", symbol=green)
    assert (graded["base_of"], graded["base"]) == ("Q3.BLEND.NAT", "2.000000")
    assert graded["price"] == "2.907000"  # 2 x 1.5 x 1.02 x 0.95
    small = "TA.CTEL.Q4.BLEND.GZ.M2702.G100A"
    desk.list(small, 1, decimals=3)  # a thousandth of a million to the lot
    desk.exchange.prices._indices[key] = {day: row._replace(price=2_000_999) for day, row in days.items()}
    assert get(desk, "/v1/reference-prices", symbol=small)["price"] == "0.002395"  # 2,395.196 millionths
    desk.exchange.prices._indices[key] = {day: row._replace(price=2_000_500) for day, row in days.items()}
    assert get(desk, "/v1/reference-prices", symbol=small)["price"] == "0.002395"  # 2,394.5985: not cut off
    del desk.exchange.prices._indices[key]
    desk.list(LICENCE, 1, kind="LICENCE", tick_size="0.01", price_high="100000", state="CLOSED")
    assert get(desk, "/v1/reference-prices", symbol=LICENCE)["price"] == "0.000000"
    unknown = desk.operator.http.get("/v1/reference-prices", params={"symbol": "TA.NONE"})
    assert unknown.json()["code"] == UNKNOWN_SYMBOL.code


def test_a_dataset_is_appraised(desk: Office) -> None:
    told = get(desk, "/v1/appraisals", bytes=4_000_000_000_000, scenario="FT", alike=1, accuracy=10_000)
    assert (told["base"], told["quality_bps"], told["scarcity_bps"]) == ("20000.000000", 11_000, 12_500)
    assert told["value"] == "33000.000000"
