"""Transfers between accounts of one participant, and trades that are taken back."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.transfers import transfer_key
from tests.api.v1.office import LICENCE, SYMBOL, Client, Office, office
from tests.api.v1.test_orders import done, order, refused


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, list[Client]]]:
    """Return an exchange and the keys of a broker's three accounts, the first of which has money."""
    with office(tmp_path_factory.mktemp("transfers")) as served:
        served.furnish()
        made = served.operator.post(
            "/v1/participants", name="broker", role="broker", accounts=[{"name": f"broker-{n}"} for n in range(3)]
        )
        keys = [served.key(account["account"], "read", "trade") for account in done(made)["accounts"]]
        done(served.operator.post("/v1/deposits", account=keys[0].account, amount="100"))
        yield served, keys


def cash(client: Client) -> str:
    return {row["asset"]: row["available"] for row in done(client.get("/v1/balances"))["balances"]}.get("CNY", "0")


def test_a_broker_moves_money_between_its_accounts(house: Any) -> None:
    served, (first, second, third) = house
    moved = done(first.post("/v1/transfers", receiver=second.account, asset="CNY", amount="60", transfer_id="t-1"))
    assert (moved["source"], moved["receiver"], moved["amount"]) == (first.account, second.account, "60.000000")
    (event,) = served.exchange.events.of_command(moved["event"])
    assert event.amount == 60 * 10**6
    terms = {"source": second.account, "receiver": third.account, "asset": "CNY", "amount": "10", "transfer_id": "t-2"}
    done(first.post("/v1/transfers", **terms))
    assert [cash(client) for client in (first, second, third)] == ["40.000000", "50.000000", "10.000000"]


def test_a_transfer_moves_once_however_often_it_is_sent(house: Any) -> None:
    _, (first, second, _) = house
    terms = {"receiver": second.account, "asset": "CNY", "amount": "1", "transfer_id": "once"}
    moved = done(first.post("/v1/transfers", **terms))
    before = cash(first)
    assert done(first.post("/v1/transfers", **terms)) == moved
    assert refused(first.post("/v1/transfers", **terms | {"amount": "2"})) == (409, -8015)
    assert cash(first) == before


def test_strangers_get_nothing(house: Any) -> None:
    served, (first, second, _) = house
    alice = served.exchange.registry.account("alice").index
    trader = served.key(alice, "read", "trade")
    terms = {"asset": "CNY", "amount": "1", "transfer_id": "x"}
    assert refused(first.post("/v1/transfers", receiver=alice, **terms)) == (403, -8104)
    assert refused(trader.post("/v1/transfers", source=first.account, receiver=alice, **terms)) == (403, -8104)
    assert refused(first.post("/v1/transfers", receiver=first.account, **terms)) == (400, -8103)
    assert refused(first.post("/v1/transfers", receiver=999, **terms)) == (404, -8032)
    assert refused(first.post("/v1/transfers", receiver=second.account, **terms | {"asset": "NONE"})) == (404, -8033)
    poor = terms | {"amount": "1000000"}
    assert refused(first.post("/v1/transfers", receiver=second.account, **poor)) == (400, -2010)


def test_who_is_no_broker_moves_its_own_alone(house: Any) -> None:
    served, _ = house
    made = served.operator.post(
        "/v1/participants", name="desk", role="trader", accounts=[{"name": "d1"}, {"name": "d2"}]
    )
    first, second = [served.key(account["account"], "trade") for account in done(made)["accounts"]]
    done(served.operator.post("/v1/deposits", account=second.account, amount="5"))
    terms = {"asset": "CNY", "amount": "1", "transfer_id": "y"}
    assert refused(first.post("/v1/transfers", source=second.account, receiver=first.account, **terms)) == (403, -8104)
    assert done(second.post("/v1/transfers", receiver=first.account, **terms))["amount"] == "1.000000"


def test_a_trade_is_taken_back_once_and_by_the_operator_alone(house: Any) -> None:
    served, (first, _, _) = house
    issuer = served.key(served.exchange.registry.account("ctel").index, "read", "trade", "issue")
    done(issuer.post("/v1/issues", asset=SYMBOL, amount="5"))
    done(issuer.post("/v1/order", **order("SELL", 2, "1.0000")))
    before = cash(first)
    (fill,) = done(first.post("/v1/order", **order("BUY", 2, "1.0000")))["fills"]
    assert refused(first.post("/v1/busts", event=fill["event"])) == (401, -2015)
    busted = done(served.operator.post("/v1/busts", event=fill["event"]))
    assert (busted["trade_id"], busted["buyer"], busted["seller"]) == (fill["trade_id"], first.account, issuer.account)
    assert cash(first) == before
    assert refused(served.operator.post("/v1/busts", event=fill["event"])) == (409, -8015)
    assert refused(served.operator.post("/v1/busts", event=1)) == (404, -8105)
    assert refused(served.operator.post("/v1/busts", event=1 << 40)) == (404, -8105)


def test_the_key_of_a_transfer_is_its_account_s_own() -> None:
    assert transfer_key(1, "a") != transfer_key(2, "a")
    assert len(transfer_key(1, "a")) == 16


def test_the_seats_of_a_licence_stay(house: Any) -> None:
    served, (first, second, _) = house
    served.list(LICENCE, first.account, kind="LICENCE", state="CLOSED", maker_bps=0)
    terms = {"receiver": second.account, "asset": LICENCE, "amount": "1", "transfer_id": "seat"}
    assert refused(first.post("/v1/transfers", **terms)) == (409, -8235)
