"""Many instruments by one request: all or none, again without effect, each refused row with its reason."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from api.v1.catalogue import refused_room
from api.v1.problems import OTHER_TERMS, UNKNOWN_ACCOUNT, UNKNOWN_ASSET
from api.v1.titleproblems import UNREGISTERED
from tests.api.v1.office import Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer = served.admit("acme", "read", "issue", role="issuer")
        yield served


def send(desk: Office, *rows: dict[str, Any], kind: str = "ALLOWANCE", **terms: Any) -> dict[str, Any]:
    answer = desk.operator.post("/v1/catalogue", kind=kind, rows=rows, **terms)
    assert answer.status_code == 200, answer.text
    return answer.json()


def row(symbol: str, price: str | None = "12.5000", **terms: Any) -> dict[str, Any]:
    return {"symbol": symbol, "issuer": 1, "price": price} | terms


def shown(desk: Office, symbol: str) -> dict[str, Any]:
    return desk.operator.http.get("/v1/instruments", params={"symbol": symbol}).json()["instruments"][0]


def test_rows_are_listed_once(desk: Office) -> None:
    rows = [row("TA.ACME.A.IN.NAT.E90.G0A", description="a model"), row("TA.ACME.A.OUT.NAT.E90.G0A")]
    made = send(desk, *rows, state="CONTINUOUS", maker_bps=-1, taker_bps=5)
    assert (made["listed"], made["known"], made["refused"]) == (2, 0, [])
    found = shown(desk, "TA.ACME.A.IN.NAT.E90.G0A")
    wanted = {"price_low": "1.2500", "price_high": "125.0000", "tick_size": "0.0001", "lot_units": 1_000_000}
    wanted |= {"state": "CONTINUOUS", "taker_bps": 5, "issuer": 1, "kind": "ALLOWANCE", "description": "a model"}
    assert {name: found[name] for name in wanted} == wanted
    journal = desk.exchange.events.count
    again = send(desk, *rows, row("TA.ACME.A.OUT.NAT.E90.G0A"))
    assert (again["listed"], again["known"], again["room"]) == (0, 3, made["room"])
    assert desk.exchange.events.count == journal


def test_licences_are_auctioned_and_need_no_price(desk: Office) -> None:
    send(desk, row("DL.X.PT.Y1S1", None), kind="LICENCE")
    found = shown(desk, "DL.X.PT.Y1S1")
    assert (found["kind"], found["state"], found["tick_size"], found["lot_units"]) == ("LICENCE", "CLOSED", "0.01", 1)
    for state in ("CALL_OPEN", "CONTINUOUS"):
        opened = desk.operator.put("/v1/trading-state", symbol="DL.X.PT.Y1S1", state=state)
        assert opened.json()["code"] == UNREGISTERED.code
    rows = [row("DL.Y.PT.Y1S1", None)]
    listed_open = desk.operator.post("/v1/catalogue", kind="LICENCE", rows=rows, state="CALL_OPEN")
    assert listed_open.json()["code"] == UNREGISTERED.code
    assert desk.exchange.registry.instrument("DL.Y.PT.Y1S1") is None
    issued = desk.issuer.post("/v1/issues", asset="DL.X.PT.Y1S1", amount="1")
    assert issued.json()["code"] == UNREGISTERED.code


def test_a_list_in_parts_is_listed_with_its_last(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = [f"TA.ACME.P{number}.IN.NAT.E90.G0A" for number in range(4)]
    monkeypatch.setattr("exchange.catalogues.ROWS_AT_ONCE", 1)

    def part(number: int, *places: int, last: bool = False, plan: str = "p", **terms: Any) -> dict[str, Any]:
        return {"plan": plan, "part": number, "is_last": last, "rows": [row(symbols[at], **terms) for at in places]}

    def post(**body: Any) -> dict[str, Any]:
        return desk.operator.post("/v1/catalogue", kind="ALLOWANCE", state="PRE_OPEN", **body).json()

    assert post(**part(0, 0, 1))["listed"] == 2
    assert post(**part(0, 0, 1))["listed"] == 2  # the answer was lost
    assert desk.exchange.registry.instrument(symbols[0]) is None
    assert post(**part(2, 2))["code"] == -8012
    assert post(**part(1, 2, last=True, plan="other"))["code"] == -8012
    assert post(**part(0, 0, last=True))["code"] == -8012  # cut into other parts
    assert post(**part(1, 0, last=True, price="99"))["code"] == OTHER_TERMS.code
    assert desk.exchange.registry.instrument(symbols[0]) is None
    assert post(**part(1, 1, 2, last=True))["listed"] == 2
    assert [shown(desk, symbol)["state"] for symbol in symbols[:3]] == ["PRE_OPEN"] * 3
    assert post(**part(0, 0, 1, 2, last=True)) | {"room": 0} == {"listed": 0, "known": 3, "refused": [], "room": 0}


def send_part(desk: Office, plan: str, number: int, *symbols: str, last: bool = False) -> dict[str, Any]:
    """Send a part of a list; return the answer or the refusal."""
    place = {"plan": plan, "part": number, "is_last": last, "state": "PRE_OPEN"}
    rows = [row(symbol) for symbol in symbols]
    return desk.operator.post("/v1/catalogue", kind="ALLOWANCE", rows=rows, **place).json()


def test_a_plan_goes_on_when_a_row_of_it_was_listed_meanwhile(desk: Office) -> None:
    symbols = [f"TA.ACME.Q{number}.IN.NAT.E90.G0A" for number in range(4)]
    send_part(desk, "q", 0, *symbols[:2])
    send(desk, row(symbols[0]))
    assert send_part(desk, "q", 0, *symbols[:2])["known"] == 1
    free = send(desk, row(symbols[0]))["room"] - 1  # but for the other row of the first part
    filling = [f"TA.ACME.F{number}.IN.NAT.E90.G0A" for number in range(free)]
    assert desk.exchange.registry.catalogue_plan is not None
    assert send_part(desk, "q", 1, *filling, "TA.ACME.F.IN.NAT.E90.G0A")["refused"] == [
        {"row": 0, "code": refused_room(0).code, "msg": refused_room(free).message}
    ]
    dry = send(desk, *map(row, filling), plan="q", part=1, dry_run=True)
    assert (dry["listed"], dry["refused"]) == (free, [])
    assert send_part(desk, "q", 1, symbols[2], last=True).get("listed") == 1
    assert desk.exchange.registry.catalogue_plan is None
    assert [shown(desk, symbol)["state"] for symbol in symbols[:3]] == ["PRE_OPEN"] * 3
    send_part(desk, "other", 0, symbols[3])
    send(desk, row(symbols[3], issuer=0))  # on other terms
    assert send_part(desk, "other", 1, "TA.ACME.Q4", last=True)["code"] == OTHER_TERMS.code


def test_any_part_may_be_sent_again_after_all_was_carried_out(desk: Office) -> None:
    symbols = [f"TA.ACME.R{number}.IN.NAT.E90.G0A" for number in range(3)]
    parts = [(place, symbol, place == 2) for place, symbol in enumerate(symbols)]
    for place, symbol, is_last in parts:
        send_part(desk, "r", place, symbol, last=is_last)
    for place, symbol, is_last in reversed(parts[1:]):
        again = send_part(desk, "r", place, symbol, last=is_last)
        assert (again["listed"], again["known"]) == (0, 1)
        assert desk.exchange.registry.catalogue_plan is None
    assert send_part(desk, "another", 2, symbols[2], last=True)["code"] == -8012  # nobody knows its other parts
    for place, symbol, is_last in parts:  # and from the beginning
        assert send_part(desk, "r", place, symbol, last=is_last)["known"] == 1
    assert desk.exchange.registry.catalogue_plan is None


@pytest.mark.parametrize(
    "terms", [{"is_last": False}, {"part": 1}, {"part": 1, "is_last": False}, {"plan": "-"}, {"plan": "-", "part": 1}]
)
def test_a_list_in_parts_has_a_name_of_its_own(desk: Office, terms: dict[str, Any]) -> None:
    answer = desk.operator.post("/v1/catalogue", kind="ALLOWANCE", rows=[row("TA.ACME.S.IN.NAT.E90.G0A")], **terms)
    assert answer.json()["code"] == -1130
    assert "plan" in answer.json()["msg"]
    assert desk.exchange.registry.instrument("TA.ACME.S.IN.NAT.E90.G0A") is None


def test_what_one_document_cannot_hold_is_refused(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    config = desk.exchange.config
    monkeypatch.setattr(desk.exchange, "config", replace(config, document_bytes_max=100))
    body = {"plan": "large", "part": 0, "is_last": True, "rows": [row("TA.ACME.L.IN.NAT.E90.G0A")]}
    assert desk.operator.post("/v1/catalogue", kind="ALLOWANCE", **body).json()["code"] == -8063


def test_one_refused_row_keeps_all_from_being_listed(desk: Office) -> None:
    rows = [
        row("TA.ACME.B.IN.NAT.E90.G0A"),
        row("TA.ACME.B.OUT.NAT.E90.G0A", issuer=99),
        row("TA.ACME.C.OUT.NAT.E90.G0A", "0.00001"),
        row("TA.ACME.D.OUT.NAT.E90.G0A", "30000"),
        row("TA.ACME.D.OUT.NAT.E90.G0A", "0.0000"),
        row("TA.ACME.A.IN.NAT.E90.G0A", issuer=0),
        row("TA.ACME.B.IN.NAT.E90.G0A", "13"),
        row("CNY"),
    ]
    told = send(desk, *rows)
    assert (told["listed"], told["known"]) == (0, 0)
    assert [refused["row"] for refused in told["refused"]] == [1, 2, 3, 4, 5, 6, 7]
    codes = [refused["code"] for refused in told["refused"]]
    assert (codes[0], codes[3], codes[4], codes[5]) == (UNKNOWN_ACCOUNT.code, -8069, OTHER_TERMS.code, OTHER_TERMS.code)
    assert desk.exchange.registry.instrument("TA.ACME.B.IN.NAT.E90.G0A") is None


def test_a_dry_run_lists_nothing(desk: Office) -> None:
    told = send(desk, row("TA.ACME.E.IN.NAT.E90.G0A"), dry_run=True)
    assert (told["listed"], told["refused"]) == (1, [])
    assert desk.exchange.registry.instrument("TA.ACME.E.IN.NAT.E90.G0A") is None


def test_more_than_there_is_room_for_is_refused(desk: Office) -> None:
    rows = [row(f"TA.ACME.M{number}.IN.NAT.E90.G0A") for number in range(40)]
    told = send(desk, *rows)
    assert told["refused"][-1]["code"] == refused_room(0).code
    assert told["listed"] == 0


def test_the_quote_is_cash_and_the_key_an_operators(desk: Office) -> None:
    for quote in ("USD", "TA.ACME.A.IN.NAT.E90.G0A"):
        answer = desk.operator.post("/v1/catalogue", kind="ALLOWANCE", quote=quote, rows=[row("TA.F")])
        assert answer.json()["code"] == UNKNOWN_ASSET.code
    assert desk.key(1, "trade").post("/v1/catalogue", kind="ALLOWANCE", rows=[row("TA.F")]).status_code == 401
