"""The life of a dataset and its licences through real sockets, settled in a real Postgres, a restart in the middle.

Each journey ends with a ledger that agrees with journal, engine and tape, and with every unit accounted for.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from api import entitlementcli
from api.content import content_of
from settlement.embedded import Embedded
from settlement.ledger import Ledger
from settlement.migrate import migrate
from settlement.poster import spawn
from settlement.reconcile import reconcile
from settlement.register import Register
from tests.api.v1.office import SMALL, Client, Office, office
from tests.api.v1.titled import (
    balance,
    buyer_of,
    clear,
    escrow_states,
    move,
    ok,
    order,
    registered,
    series_of,
    settled,
    vendor_of,
    wait_for,
)
from tests.settlement.conftest import SMALL as SMALL_POSTGRES
from tests.settlement.registers import with_register

pytestmark = pytest.mark.system
cli = typer.Typer()
entitlementcli.register(cli)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Return a data directory with a Postgres and a poster that outlive a restart of the exchange."""
    directory = tmp_path_factory.mktemp("exchange")
    postgres = Embedded(directory / "postgres", SMALL_POSTGRES)
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    poster = spawn(directory, postgres.dsn)
    yield directory, postgres.dsn
    poster.terminate()
    assert poster.wait(30) == 0
    postgres.stop()


def _prove(desk: Office) -> None:
    """Every unit is somewhere, journal, engine, ledger and tape agree, and the register's chain holds."""

    async def conserved() -> list[int]:
        def read(engine: Any) -> list[int]:
            assets, rows = engine.asset_rows(), engine.balance_rows()
            owned = [int((rows["available"] + rows["held"])[rows["asset"] == asset].sum()) for asset in assets["asset"]]
            return (assets["issued"] - assets["burned"] - owned).tolist()

        return await desk.exchange.query(read)

    async def totals() -> list[int]:
        ledger = await Ledger.open(desk.dsn)
        try:
            return [row.total for row in await ledger.trial_balance()]
        finally:
            await ledger.close()

    assert set(desk.run(conserved)) == {0}
    settled(desk)
    assert asyncio.run(reconcile(desk.directory, desk.dsn, SMALL)).difference is None
    assert set(asyncio.run(totals())) == {0}
    assert with_register(desk.dsn, Register.first_fault)[1] == ""


def _auction(desk: Office, symbol: str, vendor: Client, bids: dict[Client, tuple[int, str]]) -> dict[str, Any]:
    """Offer all 40 seats at 100, bid, and uncross; the call goes on behind it."""
    ok(order(vendor, symbol, "SELL", 40, "100"))
    for buyer, (lots, price) in bids.items():
        ok(order(buyer, symbol, "BUY", lots, price))
    found: dict[str, Any] = ok(desk.operator.post("/v1/uncross", symbol=symbol, afterwards="CALL_OPEN"))
    return found


def test_a_dataset_is_registered_objected_auctioned_and_read(place: tuple[Path, str], tmp_path: Path) -> None:
    """Journey 4, with the exchange stopped and started again while proceeds are in escrow."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("one page after the other\n" * 10_000)
    content = content_of(corpus, lambda *_: None)
    with office(place[0], SMALL, dsn=place[1]) as desk:
        vendor = vendor_of(desk)
        alice, bob = buyer_of(desk, "alice"), buyer_of(desk, "bob")
        number = registered(desk, vendor, root=content.root, size_bytes=content.size_bytes)
        symbol = series_of(vendor, number, mode="CALL", quota_tokens=1_000, seats_per_buyer=30)
        for buyer in (alice, bob):
            ok(clear(buyer, symbol))
        move(desk, alice, number, "object", note="Some of these pages are mine.")
        assert order(bob, symbol, "BUY", 1, "100").json()["msg"] == "Market is closed."
        move(desk, desk.operator, number, "dismiss", note="They are not.")
        move(desk, desk.operator, number, "list")
        sold = _auction(desk, symbol, vendor, {alice: (30, "120"), bob: (20, "110")})
        assert (sold["price_ticks"], sold["quantity_lots"]) == (11_000, 40)
        assert (balance(alice, symbol), balance(bob, symbol), balance(vendor)) == ("30", "10", "0.000000")
        for buyer in (alice, bob):
            wait_for(lambda: escrow_states(buyer), ["delivered"])  # noqa: B023 - called at once
        _prove(desk)
        keys = [(client.key, client.secret, client.account) for client in (vendor, alice, bob)]
    with office(place[0], SMALL, dsn=place[1]) as desk:
        vendor, alice, bob = (desk.client(*key) for key in keys)
        _check_entitlement(desk, vendor, alice, tmp_path, content.root)
        trade = ok(alice.get("/v1/escrows"))["escrows"][0]["trade"]
        ok(alice.post("/v1/escrows", trade=trade, step="accept"))
        wait_for(lambda: escrow_states(alice), ["released"])
        assert balance(vendor) == "3300.000000"
        kinds = wait_for(lambda: _kinds(vendor), lambda found: "escrow_released" in found)
        assert sorted(kinds) == ["escrow_held", "escrow_held", "escrow_released", "sold", "sold"]
        _prove(desk)


def _kinds(client: Client) -> list[str]:
    return [line["kind"] for line in ok(client.get("/v1/statement"))["entries"]]


def _check_entitlement(desk: Office, vendor: Client, buyer: Client, folder: Path, root: str) -> None:
    """See that the entitlement holds offline for the registered root, and that reads count against its quota."""
    (row,) = ok(buyer.get("/v1/entitlements"))["entitlements"]
    file, listed = folder / "entitlement.json", folder / "revocations.json"
    file.write_text(row["signed"])
    listed.write_text(json.dumps(ok(desk.operator.http.get("/v1/revocations"))))
    key = ok(desk.operator.http.get("/v1/signers"))["key"]
    words = ["entitlement", "verify", str(file), "--key", key, "--revocations", str(listed)]
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert json.loads(row["signed"])["document"]["root"] == root
    read = {"id": "r1", "entitlement": row["entitlement"], "tokens": 29_000}
    assert ok(vendor.post("/v1/reads", records=[read]))["results"][0]["remaining"] == 1_000


def test_the_operator_halts_kills_and_busts(place: tuple[Path, str]) -> None:
    """Journey 6 in part: each act on a licence's market, and what escrow and entitlement make of it."""
    with office(place[0], SMALL, dsn=place[1]) as desk:
        vendor, carl, dora = vendor_of(desk, "vendor-2"), buyer_of(desk, "carl"), buyer_of(desk, "dora")
        symbol = series_of(vendor, registered(desk, vendor))
        for buyer in (carl, dora):
            ok(clear(buyer, symbol))
        ok(order(dora, symbol, "BUY", 3, "50"))
        assert ok(desk.operator.post("/v1/halt", symbols=[symbol]))["halted"] == 1
        assert order(vendor, symbol, "SELL", 1, "50").json()["msg"] == "Market is closed."
        assert ok(desk.operator.post("/v1/kill-switch", account=dora.account))["ended"] == 1
        ok(desk.operator.put("/v1/trading-state", symbol=symbol, state="CONTINUOUS"))
        assert order(dora, symbol, "BUY", 3, "50").json()["code"] == -2010
        cash = balance(carl)
        ok(order(vendor, symbol, "SELL", 2, "50"))
        ok(order(carl, symbol, "BUY", 2, "50"))
        wait_for(lambda: escrow_states(carl), ["delivered"])
        trade = ok(carl.get("/v1/escrows"))["escrows"][0]["trade"]
        assert desk.operator.post("/v1/busts", event=trade).status_code != 200  # the proceeds are in escrow
        ok(desk.operator.post("/v1/deposits", account=vendor.account, amount="100"))
        ok(desk.operator.post("/v1/busts", event=trade))
        wait_for(lambda: escrow_states(carl), ["released"])
        assert (balance(carl), balance(carl, symbol), balance(vendor)) == (cash, "0", "100.000000")
        wait_for(lambda: [row["revoked"] for row in ok(carl.get("/v1/entitlements"))["entitlements"]], ["busted"])
        _prove(desk)


def test_a_clerk_that_comes_late_finds_every_trade(place: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clerk, trade, stop the exchange: the next start holds the proceeds and delivers."""
    with office(place[0], SMALL, dsn=place[1]) as desk:
        vendor, emil = vendor_of(desk, "vendor-3"), buyer_of(desk, "emil")
        symbol = series_of(vendor, registered(desk, vendor))
        ok(clear(emil, symbol))
        monkeypatch.setattr(desk.clerk, "round", lambda: asyncio.sleep(0))
        time.sleep(0.6)  # the round under way ends
        ok(order(vendor, symbol, "SELL", 2, "50"))
        ok(order(emil, symbol, "BUY", 2, "50"))
        assert escrow_states(emil) == []
        key = (emil.key, emil.secret, emil.account)
    with office(place[0], SMALL, dsn=place[1]) as desk:
        emil = desk.client(*key)
        wait_for(lambda: escrow_states(emil), ["delivered"])
        assert len(ok(emil.get("/v1/entitlements"))["entitlements"]) == 1
        _prove(desk)
