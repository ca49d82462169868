"""The operator's desk, products: assets, instruments, fees, bands, trading states."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.v1.problems import NOT_ON_A_TICK, OTHER_TERMS, UNKNOWN_ACCOUNT, UNKNOWN_ASSET, UNKNOWN_SYMBOL
from tests.api.v1.office import LICENCE, SYMBOL, Office, office

CLOSED = -2010  # "Market is closed."


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.furnish()
        yield served


def _issuer(desk: Office) -> int:
    return desk.exchange.registry.account("ctel").index


def test_listing_makes_asset_terms_fees_band_and_state_at_once(desk: Office) -> None:
    terms = {"kind": "LICENCE", "tick_size": "0.01", "price_low": "100", "price_high": "90000.5", "quantity_max": 10}
    terms["state"] = "CLOSED"
    listed = desk.list(LICENCE, _issuer(desk), maker_bps=-2, taker_bps=7, description="one year, five seats", **terms)
    assert (
        listed.items()
        >= {
            "symbol": LICENCE,
            "base": LICENCE,
            "quote": "CNY",
            "kind": "LICENCE",
            "issuer": _issuer(desk),
            "tick_size": "0.01",
            "lot_units": 1,
            "quantity_min": 1,
            "quantity_max": 10,
            "price_low": "100.00",
            "price_high": "90000.50",
            "maker_bps": -2,
            "taker_bps": 7,
            "self_trade_prevention": "EXPIRE_TAKER",
            "state": "CLOSED",
            "description": "one year, five seats",
        }.items()
    )
    assets = {row["asset"]: row for row in desk.operator.get("/v1/assets").json()["assets"]}
    assert (assets[LICENCE]["kind"], assets[LICENCE]["decimals"]) == ("LICENCE", 0)
    assert desk.operator.get("/v1/instruments", symbol=LICENCE).json()["instruments"] == [listed]


def test_a_repeat_of_the_same_listing_answers_the_same_and_lists_once(desk: Office) -> None:
    count = len(desk.exchange.registry.instruments)
    first, again = (desk.list("TA.TWICE", _issuer(desk)) for _ in range(2))
    assert first == again
    assert len(desk.exchange.registry.instruments) == count + 1


def test_other_terms_under_a_listed_symbol_are_refused(desk: Office) -> None:
    terms = {"symbol": SYMBOL, "kind": "ALLOWANCE", "issuer": _issuer(desk), "price_high": "9.0", "taker_bps": 5}
    answer = desk.operator.post("/v1/instruments", **terms, tick_size="0.001")
    assert (answer.status_code, answer.json()["code"]) == (409, OTHER_TERMS.code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"issuer": 60}, UNKNOWN_ACCOUNT.code),
        ({"quote": "USD"}, UNKNOWN_ASSET.code),
        ({"quote": SYMBOL}, -8066),
        ({"quantity_min": 5, "quantity_max": 4}, -8069),
        ({"price_low": "3", "price_high": "2"}, -8069),
        ({"maker_bps": -6}, -8069),
        ({"tick_size": "0.00000001"}, -8068),
        ({"tick_size": "0"}, -8068),
        ({"price_high": "1.00001"}, NOT_ON_A_TICK.code),
        ({"kind": "CASH"}, -1130),
        ({"symbol": "lower.case"}, -1130),
        ({"colour": "red"}, -1104),
    ],
)
def test_bad_terms_are_refused_and_leave_nothing(desk: Office, change: dict[str, Any], code: int) -> None:
    before = desk.exchange.registry.revision
    terms = {"symbol": "TA.BAD", "kind": "ALLOWANCE", "issuer": _issuer(desk), "price_high": "9.0", "taker_bps": 5}
    answer = desk.operator.post("/v1/instruments", **(terms | change))
    assert answer.json()["code"] == code
    assert desk.exchange.registry.revision == before


def test_an_asset_left_over_by_a_cut_listing_is_used_by_the_next(desk: Office) -> None:
    cash = desk.operator.post("/v1/assets", name="USD", decimals=2)
    assert cash.json() == {"asset": "USD", "kind": "CASH", "decimals": 2, "issuer": 0, "description": ""}
    assert desk.operator.post("/v1/assets", name="USD", decimals=2).status_code == 200
    assert desk.operator.post("/v1/assets", name="USD", decimals=3).json()["code"] == OTHER_TERMS.code
    listed = desk.list("TA.USD", _issuer(desk), quote="USD", tick_size="0.01")
    assert (listed["quote"], listed["tick_size"]) == ("USD", "0.01")


def test_fees_and_band_change_for_orders_to_come(desk: Office) -> None:
    desk.list("TA.TERMS", _issuer(desk))
    assert desk.operator.put("/v1/fees", symbol="TA.TERMS", maker_bps=1, taker_bps=2).json()["maker_bps"] == 1
    banded = desk.operator.put("/v1/price-band", symbol="TA.TERMS", price_low="0.5", price_high="2").json()
    assert (banded["price_low"], banded["price_high"]) == ("0.5000", "2.0000")
    answer = desk.operator.put("/v1/price-band", symbol="TA.TERMS", price_low="2", price_high="0.5")
    assert answer.json()["code"] == -1130
    assert desk.operator.put("/v1/fees", symbol="TA.NO", maker_bps=1, taker_bps=2).json()["code"] == UNKNOWN_SYMBOL.code


def test_a_halt_stops_trading_until_the_state_is_set_again(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        issuer, buyer = served.furnish()
        served.list("TA.SECOND", issuer.account)
        assert served.operator.post("/v1/halt", symbols=[SYMBOL, SYMBOL]).json() == {"halted": 1}
        query = buyer.query(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=1, price="1")
        halted = buyer.http.post(f"/api/v3/order?{query}", headers={"X-MBX-APIKEY": buyer.key})
        assert halted.json()["code"] == CLOSED
        assert served.operator.post("/v1/halt").json() == {"halted": 1}
        states = [row["state"] for row in buyer.http.get("/v1/instruments").json()["instruments"]]
        assert states == ["HALTED", "HALTED"]
        opened = served.operator.put("/v1/trading-state", symbol=SYMBOL, state="CONTINUOUS")
        assert opened.json()["state"] == "CONTINUOUS"
        assert buyer.order("BUY", 1, "1")["status"] == "NEW"
