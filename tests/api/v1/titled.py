"""An exchange with its register: real Postgres, poster and clerk, a vendor, buyers, and what they often do."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from exchange.clock import Clock
from exchange.config import Config
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import spawn
from tests.api.v1.office import SMALL, Client, Office, office
from tests.settlement.conftest import SMALL as SMALL_POSTGRES
from tests.settlement.registers import ENTRY

TERMS = {"right": "USE", "seats": 40, "months": 12, "purposes": ["training"], "acceptance_hours": 72}
REGISTRATION = ("submit", "approve form", "approve substance", "publish", "register", "list")
HOLDERS_MOVES = frozenset(("submit", "unlist", "change", "edit", "transfer", "cancel", "renew"))


@contextmanager
def titled(directory: Path, config: Config = SMALL, clock: Clock | None = None) -> Iterator[Office]:
    """Serve an exchange with its register as long as the block lasts."""
    postgres = Embedded(directory / "postgres", SMALL_POSTGRES)
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    poster = spawn(directory, postgres.dsn)
    with office(directory, config, dsn=postgres.dsn, clock=clock) as served:
        yield served
    poster.terminate()
    assert poster.wait(30) == 0
    postgres.stop()


def vendor_of(served: Office, name: str = "vendor") -> Client:
    return served.admit(name, "read", "trade", "issue", "meter", role="vendor")


def buyer_of(served: Office, name: str, cash: str = "100000") -> Client:
    buyer = served.admit(name, "read", "trade")
    assert served.operator.post("/v1/deposits", account=buyer.account, amount=cash).status_code == 200
    return buyer


def entry(**changed: Any) -> dict[str, Any]:
    """Return an entry as JSON has it."""
    said: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(ENTRY)) | changed
    return said


def ok(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: Any) -> int:
    assert answer.status_code >= 400, answer.text
    code: int = answer.json()["code"]
    return code


def move(served: Office, who: Client, number: str, name: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = ok(who.post("/v1/dataset-moves", number=number, move=name, **more))
    return made


def registered(served: Office, vendor: Client, upto: str = "list", **changed: Any) -> str:
    """Register a dataset up to a move, and return its number."""
    number: str = ok(vendor.post("/v1/datasets", entry=entry(**changed)))["number"]
    for name in REGISTRATION[: REGISTRATION.index(upto) + 1]:
        move(served, vendor if name in HOLDERS_MOVES else served.operator, number, name)
    return number


def series_of(vendor: Client, number: str, **terms: Any) -> str:
    """List a series of a dataset for continuous trading, unless a mode is given, and return its symbol."""
    mode = terms.pop("mode", "CONTINUOUS")
    said = {"number": number, "scenario": "FT", "terms": TERMS | terms, "price_high": "10000", "mode": mode}
    symbol: str = ok(vendor.post("/v1/licences", **said))["symbol"]
    return symbol


def clear(buyer: Client, symbol: str, **changed: Any) -> Any:
    said = {"symbol": symbol, "purpose": "training", "sector": "health", "region": "CN-GD"} | changed
    return buyer.post("/v1/clearances", **said)


def order(client: Client, symbol: str, side: str, quantity: int, price: str) -> Any:
    """Place a limit order; return the whole answer."""
    terms = {"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity}
    query = client.query(**terms, price=price)
    return client.http.post(f"/api/v3/order?{query}", headers={"X-MBX-APIKEY": client.key})


def balance(client: Client, asset: str = "CNY") -> str:
    found = {row["asset"]: row["total"] for row in client.get("/v1/balances").json()["balances"]}
    return found.get(asset, "0")


def wait_for(look: Any, wanted: Any) -> Any:
    """Return what a look finds once it is wanted: the clerk works in the background."""
    for _ in range(200):
        found = look()
        if found == wanted or (callable(wanted) and wanted(found)):
            return found
        time.sleep(0.05)
    raise AssertionError(f"still {found}, not {wanted}")


def escrow_states(client: Client) -> list[str]:
    """Return the states of an account's licence trades, newest first."""
    return [row["state"] for row in ok(client.get("/v1/escrows"))["escrows"]]


def delivered(served: Office, vendor: Client, buyer: Client, lots: int = 2, **terms: Any) -> tuple[str, int]:
    """Sell a licence at 100 for a seat; return its symbol and the trade, once it was delivered."""
    symbol = series_of(vendor, registered(served, vendor), **terms)
    ok(clear(buyer, symbol))
    ok(order(vendor, symbol, "SELL", lots, "100"))
    ok(order(buyer, symbol, "BUY", lots, "100"))
    wait_for(lambda: escrow_states(buyer)[:1], ["delivered"])
    return symbol, ok(buyer.get("/v1/escrows"))["escrows"][0]["trade"]


def settled(served: Office) -> None:
    """Wait until the ledger has followed."""
    wait_for(lambda: served.operator.http.get("/v1/health").json()["ledger"]["lag"], 0)
