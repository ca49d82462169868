"""Licences over HTTP: series, seats, clearances, escrow, entitlements, resale, reads, dispute."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.signing import ENTITLEMENT, REVOCATIONS, opened
from api.v1 import titleproblems as problems
from exchange.registry.documents import BuyerCleared, encode
from exchange.registry.escrow import Escrow, StepRefusal
from exchange.registry.licence import PolicyRefusal, TermsRefusal
from tests.api.v1.office import Client, Later, Office
from tests.api.v1.titled import (
    TERMS,
    balance,
    buyer_of,
    clear,
    escrow_states,
    move,
    ok,
    order,
    refused,
    registered,
    series_of,
    titled,
    vendor_of,
    wait_for,
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with titled(tmp_path_factory.mktemp("exchange"), clock=Later()) as served:
        served.vendor = vendor_of(served)
        yield served


@pytest.fixture
def buyer(desk: Office, request: pytest.FixtureRequest) -> Client:
    return buyer_of(desk, f"buyer-{abs(hash(request.node.name))}")


def _bought(desk: Office, buyer: Client, lots: int = 2, **terms: Any) -> tuple[str, int]:
    """Sell a licence at 100 for a seat; return its symbol and the trade, once it was delivered."""
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number, **terms)
    ok(clear(buyer, symbol))
    ok(order(desk.vendor, symbol, "SELL", lots, "100"))
    ok(order(buyer, symbol, "BUY", lots, "100"))
    wait_for(lambda: escrow_states(buyer)[:1], ["delivered"])
    return symbol, ok(buyer.get("/v1/escrows"))["escrows"][0]["trade"]


def _entitled(buyer: Client) -> list[tuple[int, bool]]:
    rows = ok(buyer.get("/v1/entitlements"))["entitlements"]
    return [(row["seats"], bool(row["revoked"])) for row in rows]


def test_a_series_is_named_by_its_terms_and_listed_once(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)
    assert symbol == f"DL.{number}.FT.Y1S40"
    assert series_of(desk.vendor, number) == symbol
    assert balance(desk.vendor, symbol) == "40"
    (series,) = ok(desk.operator.http.get("/v1/licences", params={"number": number}))["series"]
    assert (series["symbol"], series["state"], series["terms"]["seats"]) == (symbol, "CONTINUOUS", 40)
    other = {"number": number, "scenario": "FT", "terms": TERMS | {"purposes": ["x"]}, "price_high": "10000"}
    assert refused(desk.vendor.post("/v1/licences", **other)) == -8036


def test_the_mode_is_call_unless_said_and_a_list_takes_offers_alone(desk: Office, buyer: Client) -> None:
    number = registered(desk, desk.vendor)
    said = {"number": number, "scenario": "FT", "terms": TERMS, "price_high": "10000"}
    assert ok(desk.vendor.post("/v1/licences", **said))["state"] == "CALL_OPEN"
    posted = series_of(desk.vendor, number, seats=10, mode="LIST")
    ok(clear(buyer, posted))
    assert order(buyer, posted, "BUY", 1, "100").json()["code"] == -2010
    ok(order(desk.vendor, posted, "SELL", 1, "100"))


def test_a_series_of_a_registered_dataset_opens_with_its_listing(desk: Office) -> None:
    number = registered(desk, desk.vendor, "register")
    symbol = series_of(desk.vendor, number)
    state = lambda: ok(desk.operator.http.get("/v1/licences", params={"number": number}))["series"][0]["state"]  # noqa: E731
    assert (state(), order(desk.vendor, symbol, "SELL", 1, "10").json()["code"]) == ("CLOSED", -2010)
    move(desk, desk.operator, number, "list")
    assert state() == "CONTINUOUS"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"scenario": "PT"}, problems.refused_terms(TermsRefusal.SCENARIO).code),
        ({"terms": TERMS | {"right": "OPERATE"}}, problems.refused_terms(TermsRefusal.RIGHT).code),
        ({"terms": TERMS | {"seats": "many"}}, problems.bad_entry("").code),
        ({"number": "0000009999"}, problems.UNKNOWN_DATASET.code),
    ],
)
def test_a_series_must_fit_its_register_entry(desk: Office, changed: dict[str, Any], code: int) -> None:
    said = {"number": "0000000001", "scenario": "FT", "terms": TERMS, "price_high": "10000"} | changed
    assert refused(desk.vendor.post("/v1/licences", **said)) == code


def test_only_the_holder_of_a_registered_dataset_lists_its_licences(desk: Office) -> None:
    said = {"number": registered(desk, desk.vendor, "publish"), "scenario": "FT", "terms": TERMS, "price_high": "9"}
    assert refused(desk.vendor.post("/v1/licences", **said)) == problems.NOT_LISTED.code
    thief = desk.admit("thief", "issue", role="vendor")
    assert refused(thief.post("/v1/licences", **said)) == problems.UNKNOWN_DATASET.code


def test_the_41st_of_40_seats_is_impossible(desk: Office, buyer: Client) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)
    ok(clear(buyer, symbol))
    assert order(desk.vendor, symbol, "SELL", 41, "1").json()["code"] == -2010
    ok(order(desk.vendor, symbol, "SELL", 40, "1"))
    assert order(desk.vendor, symbol, "SELL", 1, "1").json()["code"] == -2010
    assert refused(desk.vendor.post("/v1/issues", asset=symbol, amount="1")) == problems.SEATS_ISSUED.code
    assert ok(order(buyer, symbol, "BUY", 41, "1"))["executedQty"] == "40"
    assert balance(buyer, symbol) == "40"


def test_one_buyer_has_no_more_seats_than_the_terms_say(desk: Office, buyer: Client) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number, seats_per_buyer=5)
    ok(clear(buyer, symbol, seats=5))
    ok(order(desk.vendor, symbol, "SELL", 40, "1"))
    assert order(buyer, symbol, "BUY", 6, "1").json()["msg"].endswith("MAX_POSITION")
    ok(order(buyer, symbol, "BUY", 5, "1"))


def test_the_policy_is_checked_before_a_trade(desk: Office, buyer: Client) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)
    assert order(buyer, symbol, "BUY", 1, "1").json()["code"] == -8201
    refusal = clear(buyer, symbol, purpose="spam")
    assert refused(refusal) == problems.refused_policy(PolicyRefusal.PURPOSE).code
    assert order(buyer, symbol, "BUY", 1, "1").json()["code"] == -8201
    abroad = clear(buyer, symbol, region="DE")
    assert str(PolicyRefusal.NO_CLEARANCE) in abroad.text
    mine = clear(buyer, symbol, region="DE", clearance="X-1")
    assert refused(mine) == problems.FOREIGN_CLEARANCE.code
    seen = clear(desk.operator, symbol, region="DE", clearance="X-1", account=buyer.account)
    assert ok(seen) == {"symbol": symbol, "account": buyer.account, "cleared": True}
    ok(order(buyer, symbol, "BUY", 1, "1"))
    assert ok(clear(desk.operator, symbol, account=buyer.account, withdraw=True))["cleared"] is False
    assert order(buyer, symbol, "BUY", 1, "1").json()["code"] == -8201
    assert refused(clear(buyer, "DL.0000009999.FT.Y1S1")) == problems.UNKNOWN_SERIES.code


def test_a_withdrawn_clearance_ends_bids_and_lets_none_grow(desk: Office, buyer: Client) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)
    ok(clear(buyer, symbol))
    bids = [ok(order(buyer, symbol, "BUY", 1, "1"))["orderId"] for _ in range(2)]
    index = desk.exchange.registry.instrument(symbol).index

    async def let_out() -> None:  # without an end to the bids
        await desk.exchange.submit(b"", encode(BuyerCleared(index, buyer.account, is_cleared=False)))

    desk.run(let_out)
    assert refused(buyer.put("/v1/order", order_id=bids[0], quantity="5", price="2")) == -8201
    ok(clear(buyer, symbol))
    ok(clear(desk.operator, symbol, account=buyer.account, withdraw=True))
    assert [ok(buyer.get("/v1/order", order_id=bid))["status"] for bid in bids] == ["CANCELED"] * 2


def test_proceeds_wait_in_escrow_until_the_buyer_accepts(desk: Office, buyer: Client) -> None:
    before = balance(desk.vendor)
    symbol, trade = _bought(desk, buyer)
    assert balance(desk.vendor) == before
    (row,) = ok(desk.operator.get("/v1/escrows", account=buyer.account))["escrows"]
    assert (row["proceeds"], row["seats"], row["symbol"], row["frozen"]) == ("200.000000", 2, symbol, False)
    assert refused(desk.vendor.post("/v1/escrows", trade=trade, step="accept")) == -8231
    assert ok(buyer.post("/v1/escrows", trade=trade, step="accept"))["state"] == "releasing"
    wait_for(lambda: escrow_states(buyer), ["released"])
    assert float(balance(desk.vendor)) == float(before) + 200
    assert refused(buyer.post("/v1/escrows", trade=trade, step="dispute")) == -8225
    stranger = buyer_of(desk, "stranger")
    assert refused(stranger.post("/v1/escrows", trade=trade, step="accept")) == problems.UNKNOWN_ESCROW.code


def test_the_time_of_acceptance_passes(desk: Office, buyer: Client) -> None:
    before = balance(desk.vendor)
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number, acceptance_hours=0)
    ok(clear(buyer, symbol))
    ok(order(desk.vendor, symbol, "SELL", 1, "100"))
    ok(order(buyer, symbol, "BUY", 1, "100"))
    wait_for(lambda: escrow_states(buyer), ["released"])
    assert float(balance(desk.vendor)) == float(before) + 100


def test_the_entitlement_says_what_was_bought_and_its_signature_holds(desk: Office, buyer: Client) -> None:
    symbol, trade = _bought(desk, buyer, quota_tokens=1_000)
    (row,) = ok(buyer.get("/v1/entitlements"))["entitlements"]
    key = bytes.fromhex(ok(desk.operator.http.get("/v1/signers"))["key"])
    said = opened(json.loads(row["signed"]), ENTITLEMENT, key)
    assert (said["series"], said["event"], said["seats"], said["quota_tokens"]) == (symbol, trade, 2, 2_000)
    assert said["account"] == buyer.account
    assert refused(desk.vendor.get("/v1/entitlements", account=buyer.account)) == -8031


def test_reads_are_counted_once_by_the_vendor_within_the_quota(desk: Office, buyer: Client) -> None:
    _bought(desk, buyer, lots=1, quota_tokens=1_000)
    entitlement = ok(buyer.get("/v1/entitlements"))["entitlements"][0]["entitlement"]
    records = [{"id": f"{entitlement}-{n}", "entitlement": entitlement, "tokens": 400} for n in (1, 2, 3, 1)]
    told = ok(desk.vendor.post("/v1/reads", records=records))
    statuses = [(row["status"], row["remaining"]) for row in told["results"]]
    assert statuses == [("APPLIED", 200), ("APPLIED", 200), ("EXHAUSTED", 200), ("DUPLICATE", 200)]
    assert ok(desk.vendor.post("/v1/reads", records=records))["applied"] == 0
    assert ok(buyer.get("/v1/entitlements"))["entitlements"][0]["used_tokens"] == 800


def test_a_dispute_is_decided_by_the_operator_and_a_refund_takes_the_units_back(desk: Office, buyer: Client) -> None:
    cash = balance(buyer)
    symbol, trade = _bought(desk, buyer)
    assert ok(buyer.post("/v1/escrows", trade=trade, step="dispute", note="broken"))["state"] == "disputed"
    assert refused(buyer.post("/v1/disputes", trade=trade, decision="refund")) == -2015
    ok(desk.operator.post("/v1/disputes", trade=trade, decision="refund", note="it is"))
    wait_for(lambda: escrow_states(buyer), ["refunded"])
    assert (balance(buyer), balance(buyer, symbol)) == (cash, "0")
    assert balance(desk.vendor, symbol) == "40"
    entitlement = ok(buyer.get("/v1/entitlements"))["entitlements"][0]
    assert entitlement["revoked"] == "refunded"
    key = bytes.fromhex(ok(desk.operator.http.get("/v1/signers"))["key"])
    revoked = opened(ok(desk.operator.http.get("/v1/revocations")), REVOCATIONS, key)
    assert entitlement["entitlement"] in revoked["revoked"]


def test_a_dispute_may_end_for_the_seller(desk: Office, buyer: Client) -> None:
    before = balance(desk.vendor)
    _, trade = _bought(desk, buyer)
    ok(buyer.post("/v1/escrows", trade=trade, step="dispute"))
    ok(desk.operator.post("/v1/disputes", trade=trade, decision="release"))
    wait_for(lambda: escrow_states(buyer), ["released"])
    assert float(balance(desk.vendor)) == float(before) + 200


def test_a_resale_passes_seats_on_and_pays_a_royalty(desk: Office, buyer: Client) -> None:
    terms = {"may_resell": True, "royalty_bps": 1_000, "acceptance_hours": 0}
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number, **terms)
    second = buyer_of(desk, "second")
    for who in (buyer, second):
        ok(clear(who, symbol))
    ok(order(desk.vendor, symbol, "SELL", 3, "100"))
    ok(order(buyer, symbol, "BUY", 3, "100"))
    wait_for(lambda: escrow_states(buyer), ["released"])
    before, cash = balance(desk.vendor), balance(buyer)
    ok(order(buyer, symbol, "SELL", 2, "200"))
    ok(order(second, symbol, "BUY", 2, "200"))
    wait_for(lambda: escrow_states(second), ["released"])
    assert float(balance(desk.vendor)) - float(before) == 40
    assert float(balance(buyer)) - float(cash) == 360
    assert _entitled(buyer) == [(3, True), (1, False)]
    assert _entitled(second) == [(2, False)]


def test_what_may_not_be_resold_is_sold_by_its_issuer_alone(desk: Office, buyer: Client) -> None:
    symbol, _ = _bought(desk, buyer)
    assert order(buyer, symbol, "SELL", 1, "200").json()["code"] == -8202


def test_an_objection_freezes_what_is_not_accepted(desk: Office, buyer: Client) -> None:
    symbol, trade = _bought(desk, buyer)
    number = symbol.split(".")[1]
    move(desk, buyer, number, "object", note="mine")
    frozen = refused(buyer.post("/v1/escrows", trade=trade, step="accept"))
    assert frozen == problems.refused_step(StepRefusal.FROZEN, "").code
    assert ok(buyer.get("/v1/escrows"))["escrows"][0]["frozen"] is True
    move(desk, desk.operator, number, "dismiss")
    ok(buyer.post("/v1/escrows", trade=trade, step="accept"))
    wait_for(lambda: escrow_states(buyer), ["released"])


def test_what_the_issuer_bought_back_is_sold_anew(desk: Office, buyer: Client) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number, may_resell=True, acceptance_hours=0, seats=4)
    third = buyer_of(desk, "third")
    entitled: dict[str, list[tuple[int, bool]]] = {}
    for seller, owner in ((desk.vendor, buyer), (buyer, desk.vendor), (desk.vendor, third)):
        ok(clear(owner, symbol))
        ok(order(seller, symbol, "SELL", 4, "100"))
        ok(order(owner, symbol, "BUY", 4, "100"))
        wait_for(lambda owner=owner: _state_of(owner, symbol), "released")
    for name, owner in (("vendor", desk.vendor), ("buyer", buyer), ("third", third)):
        entitled[name] = _entitled(owner)
    assert entitled == {"vendor": [(4, True)], "buyer": [(4, True)], "third": [(4, False)]}


def _state_of(client: Client, symbol: str) -> str:
    """Return the state of an account's newest trade of a licence."""
    return next((row["state"] for row in ok(client.get("/v1/escrows"))["escrows"] if row["symbol"] == symbol), "")


def test_a_bust_of_what_was_paid_ends_the_entitlement(desk: Office, buyer: Client) -> None:
    symbol, trade = _bought(desk, buyer, acceptance_hours=1)
    ok(buyer.post("/v1/escrows", trade=trade, step="accept"))
    wait_for(lambda: escrow_states(buyer), ["released"])
    ok(desk.operator.post("/v1/busts", event=trade))
    wait_for(lambda: _entitled(buyer), [(2, True)])
    assert (balance(buyer, symbol), balance(desk.vendor, symbol)) == ("0", "40")
    assert escrow_states(buyer) == ["released"]


def test_nothing_is_disputed_when_the_time_is_over(
    desk: Office, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, trade = _bought(desk, buyer, acceptance_hours=1)
    rounds: list[int] = []

    async def rest() -> None:
        rounds.append(1)
        await asyncio.sleep(0)

    monkeypatch.setattr(desk.clerk, "round", rest)
    wait_for(lambda: bool(rounds), True)
    desk.clock.ahead_ns += 3_600 * 10**9
    late = refused(buyer.post("/v1/escrows", trade=trade, step="dispute", note="too late"))
    assert late == problems.refused_step(StepRefusal.NOT_FROM_HERE, Escrow.RELEASING).code
    monkeypatch.undo()
    wait_for(lambda: escrow_states(buyer), ["released"])


def test_a_dataset_that_others_have_licences_of_is_not_its_holder_s_to_cancel(desk: Office, buyer: Client) -> None:
    symbol, trade = _bought(desk, buyer)
    number = symbol.split(".")[1]
    move(desk, desk.vendor, number, "unlist")
    cancel = {"number": number, "move": "cancel"}
    assert refused(desk.vendor.post("/v1/dataset-moves", **cancel)) == problems.LICENSED.code
    ok(buyer.post("/v1/escrows", trade=trade, step="accept"))
    wait_for(lambda: escrow_states(buyer)[:1], ["released"])
    assert refused(desk.vendor.post("/v1/dataset-moves", **cancel)) == problems.LICENSED.code
    assert move(desk, desk.operator, number, "revoke", note="asked to")["state"] == "revoked"


def test_a_dataset_whose_licences_nobody_bought_may_be_cancelled(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    series_of(desk.vendor, number)
    move(desk, desk.vendor, number, "unlist")
    assert move(desk, desk.vendor, number, "cancel")["state"] == "revoked"
