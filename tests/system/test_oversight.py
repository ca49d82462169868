"""A spoofer, a layerer, a washer and a ring are found, the market maker on 200 books beside them is not.

Then the operator halts, resumes, kills, busts and changes a rule, each with a reason that the auditor reads, and the
books agree.
"""

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.config import Config
from exchange.core import commands
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import spawn
from settlement.recompute import recompute
from settlement.reconcile import reconcile
from tests.api.v1.office import Client, Office, office

BOOKS = 200
ROUNDS = 4
SYMBOLS = [f"TA.CTEL.M{number}.OUT.GZ.M2701.G80A" for number in range(BOOKS)]
BOOK = SYMBOLS[0]
PEOPLE = ("victim", "spoofer", "layerer", "washer", "first", "second", "third")
pytestmark = pytest.mark.system


class Scene:
    """A served exchange with a ledger, and the people of the script."""

    def __init__(self, desk: Office) -> None:
        self.desk = desk
        self.maker = desk.admit("maker", "read", "trade", "issue", role="issuer")
        self.auditor = desk.admit("eve", "audit", role="auditor")
        self.people = {name: desk.admit(name, "read", "trade") for name in PEOPLE}
        rows = [{"symbol": symbol, "issuer": self.maker.account, "price": "1.0000"} for symbol in SYMBOLS]
        listed = desk.operator.post("/v1/catalogue", kind="ALLOWANCE", rows=rows, state="CONTINUOUS").json()
        assert listed["listed"] == BOOKS
        for client in (self.maker, *self.people.values()):
            desk.operator.post("/v1/deposits", account=client.account, amount="1000000")
        desk.run(self._issue)
        self.make_market("0.9900", "1.0100")
        for client in self.people.values():  # what they will sell
            self.order(client, "BUY", 150, "1.0100")

    async def _issue(self) -> None:
        registry = self.desk.exchange.registry
        assets = [registry.instrument(symbol).base for symbol in SYMBOLS]
        await self.desk.exchange.submit(b"".join(commands.issue(self.maker.account, asset, 10**12) for asset in assets))

    def make_market(self, bid: str, ask: str) -> None:
        for start in range(0, BOOKS, 100):
            quotes = [
                {"symbol": symbol, "bid": {"price": bid, "quantity": "2000"}, "ask": {"price": ask, "quantity": "2000"}}
                for symbol in SYMBOLS[start : start + 100]
            ]
            told = self.maker.post("/v1/quotes", quotes=quotes)
            assert told.status_code == 200, told.text
            assert [item for item in told.json()["results"] if item["code"]] == []

    def order(self, client: Client, side: str, lots: int, price: str, **terms: Any) -> int:
        made = client.post("/v1/order", symbol=BOOK, side=side, quantity=str(lots), price=price, **terms)
        assert made.status_code == 200, made.text
        return int(made.json()["order_id"])

    def spoof(self, name: str, layers: int) -> None:
        """Show much to buy, sell a little to whom it impresses, withdraw it."""
        client = self.people[name]
        for _ in range(3):
            for layer in range(layers):
                self.order(client, "BUY", 400 // layers, f"0.98{layer}0")
            self.order(client, "SELL", 5, "1.0000")
            self.order(self.people["victim"], "BUY", 5, "1.0000")
            assert client.post("/v1/mass-cancel", symbol=BOOK).status_code == 200

    def wash(self) -> None:
        self.desk.operator.put("/v1/fees", symbol=BOOK, maker_bps=-1, taker_bps=5)
        for side in ("SELL", "BUY"):
            self.order(self.people["washer"], side, 7, "1.0000", self_trade_prevention="NONE")

    def ring(self) -> None:
        members = [self.people[name] for name in ("first", "second", "third")]
        for _ in range(ROUNDS):
            for seller, buyer in zip(members, members[1:] + members[:1], strict=True):
                self.order(seller, "SELL", 100, "1.0000")
                self.order(buyer, "BUY", 100, "1.0000")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("oversight")
    postgres = Embedded(folder / "postgres")
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    poster = spawn(folder, postgres.dsn)
    with office(folder, config=Config(), dsn=postgres.dsn) as served:
        yield Scene(served)
    poster.terminate()
    assert poster.wait(30) == 0
    postgres.stop()


def agrees(scene: Scene, folder: Path, dsn: str) -> None:
    """Wait for the ledger, and prove that all records are one."""
    for _ in range(400):
        if scene.desk.operator.http.get("/v1/health").json()["ledger"]["lag"] == 0:
            break
        time.sleep(0.05)
    report = asyncio.run(reconcile(folder, dsn, Config()))
    assert report.ok, report.difference
    assert asyncio.run(recompute(folder, dsn, Config(), poll_s=0.0)).ok


def test_the_guilty_are_flagged_and_the_market_maker_is_not(scene: Scene) -> None:
    wait_for_a_quiet_hour()
    begin = scene.desk.operator.get("/v1/balances").json()["sequence"]
    for prices in (("0.9890", "1.0110"), ("0.9900", "1.0100")):
        scene.make_market(*prices)
    scene.spoof("spoofer", 1)
    scene.spoof("layerer", 5)
    scene.wash()
    scene.ring()
    for prices in (("0.9890", "1.0110"), ("0.9900", "1.0100")):
        scene.make_market(*prices)
    alerts = scene.auditor.get("/v1/alerts").json()["alerts"]
    numbers = {name: client.account for name, client in scene.people.items()}
    found = {(alert["kind"], *alert["accounts"]) for alert in alerts}
    assert found == {
        ("SPOOFING", numbers["spoofer"]),
        ("LAYERING", numbers["layerer"]),
        ("WASH_TRADE", numbers["washer"]),
        ("CIRCULAR_TRADES", numbers["first"], numbers["second"], numbers["third"]),
    }
    end = scene.desk.operator.get("/v1/balances").json()["sequence"]
    for alert in alerts:
        assert alert["symbol"] == BOOK
        assert alert["first_sequence"] <= alert["last_sequence"] <= end
        assert alert["last_sequence"] > begin
    cases = scene.auditor.get("/v1/cases").json()["cases"]
    assert len(cases) == len(alerts)


def units_of(client: Client) -> int:
    found = {row["asset"]: row["total"] for row in client.get("/v1/balances").json()["balances"]}
    return int(found[BOOK].replace(".", ""))


def cash_of(client: Client) -> Decimal:
    rows = client.get("/v1/balances").json()["balances"]
    return Decimal(next(row["total"] for row in rows if row["asset"] == "CNY"))


def wait_for_a_quiet_hour() -> None:
    """Patterns count within an hour: begin with at least a minute of it left."""
    left_s = 3_600 - time.time() % 3_600
    if left_s < 60:
        time.sleep(left_s + 1)


def test_the_operator_halts_kills_busts_and_says_why(scene: Scene) -> None:
    desk, washer, victim = scene.desk, scene.people["washer"], scene.people["victim"]

    def act(method: str, path: str, why: str, body: bytes) -> dict[str, Any]:
        answer = desk.operator.send(method, path, body, "application/json", reason=why)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    last = scene.auditor.get("/v1/acts").json()["acts"][-1]["number"]
    assert act("POST", "/v1/halt", "prices are stale", b"{}")["halted"] == BOOKS
    refused = victim.post("/v1/order", symbol=BOOK, side="BUY", quantity="1", price="1.0000")
    assert refused.status_code >= 400
    body = f'{{"symbol":"{BOOK}","state":"CONTINUOUS"}}'.encode()
    act("PUT", "/v1/trading-state", "they are fresh again", body)
    scene.order(washer, "BUY", 1, "0.9000")
    killed = act("POST", "/v1/kill-switch", "wash trading", b'{"account":%d}' % washer.account)
    assert killed == {"ended": 1, "still_open": 0}
    assert washer.post("/v1/order", symbol=BOOK, side="BUY", quantity="1", price="0.9000").status_code >= 400
    member = scene.people["first"]
    (fill,) = member.get("/v1/fills", symbol=BOOK, limit=1).json()["fills"]
    units = units_of(member)
    act("POST", "/v1/busts", "passed round in a ring", b'{"event":%d}' % fill["event"])
    assert units_of(member) == units - int(fill["quantity"]) * 10**6
    own = washer.get("/v1/fills", symbol=BOOK).json()["fills"][-1]  # of the account with itself
    paid = [Decimal(row["fee"]) for row in washer.get("/v1/fills", symbol=BOOK).json()["fills"]]
    before = cash_of(washer)
    act("POST", "/v1/busts", "with itself", b'{"event":%d}' % own["event"])
    assert cash_of(washer) - before == sum(paid[-2:]) > 0
    body = f'{{"symbol":"{BOOK}","maker_bps":0,"taker_bps":3}}'.encode()
    assert act("PUT", "/v1/fees", "new schedule", body)["taker_bps"] == 3
    acts = scene.auditor.get("/v1/acts", after=last).json()["acts"]
    assert [(entry["act"], entry["why"]) for entry in acts] == [
        ("POST /v1/halt", "prices are stale"),
        ("PUT /v1/trading-state", "they are fresh again"),
        ("POST /v1/kill-switch", "wash trading"),
        ("POST /v1/busts", "passed round in a ring"),
        ("POST /v1/busts", "with itself"),
        ("PUT /v1/fees", "new schedule"),
    ]
    assert desk.dsn is not None
    agrees(scene, desk.directory, desk.dsn)
