"""A week of prices with a change of the methodology in its middle, through real sockets and a real Postgres.

Two operators agree on it, prices of earlier days keep theirs, corrections included, and both a restart and
`tokenbourse index recompute` make the same bit for bit.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.v1.methodologies import Rules
from exchange.clock import ManualClock
from exchange.marketdata.prices import Row
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.publications import publish
from settlement.recompute import recompute
from tests.api.v1.office import SMALL, SYMBOL, Client, Office, office

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
START_NS = 1_800_000_000 * 10**9 // DAY_NS * DAY_NS + 2 * HOUR_NS  # ten in the morning in China
TRADERS, DAYS, CHANGED = 6, 7, 4  # the change is agreed on in the fourth day, and begins with the fifth
NAME = "Q3.BLEND.GZ"
pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    postgres = Embedded(tmp_path_factory.mktemp("ledger") / "postgres")
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    yield postgres.dsn
    postgres.stop()


@contextlib.contextmanager
def published(desk: Office) -> Iterator[None]:
    """Store what is published as long as the block lasts."""

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(publish(desk.exchange.prices, desk.dsn or "", 0.05))

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    task = desk.run(begin)
    yield
    desk.run(end)


def order(client: Client, side: str, lots: int, price: str) -> None:
    assert isinstance(client.clock, ManualClock)
    client.clock.time_ns += 10**6  # the same again is another request
    client.order(side, lots, price)


def traders(desk: Office) -> list[Client]:
    """Let people in who own units and money."""
    issuer, _ = desk.furnish()
    issuer.post("/v1/issues", asset=SYMBOL, amount="3000")
    found = [desk.admit(f"trader{number}", "read", "trade") for number in range(TRADERS)]
    for one in found:
        desk.operator.post("/v1/deposits", account=one.account, amount="100000")
        order(issuer, "SELL", 400, "2.0")
        order(one, "BUY", 400, "2.0")
    return found


def trade(people: list[Client], price: str) -> int:
    """Let each sell to the next, the last one in the evening much more; return the event of the first trade."""
    for seller, buyer in zip(people, [*people[1:], people[0]], strict=True):
        order(seller, "SELL", 1, price)
        order(buyer, "BUY", 1, price)
    order(people[0], "SELL", 40, "8.0")
    order(people[1], "BUY", 40, "8.0")
    fills = people[1].get("/v1/fills", symbol=SYMBOL).json()["fills"]
    return int(max(fill["event"] for fill in fills if fill["price"] == f"{float(price):.4f}"))


def agree(desk: Office, second: Client, first_day: str) -> None:
    """Put another methodology in force: one group may weigh all, and the window is half of the day."""
    told = desk.operator.http.get("/v1/methodology").json()
    figures = {name: told[name] for name in Rules.model_fields}
    figures |= {"index_cap_bps": 10_000, "settlement_window_minutes": 720, "first_day": first_day, "note": "no cap"}
    proposed = desk.operator.post("/v1/proposals", act="PUT /v1/methodology", body=json.dumps(figures)).json()
    done = second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert done["state"] == "done", done


def stored(desk: Office, path: str, count: int, **parameters: Any) -> list[dict[str, Any]]:
    """Return what is published, oldest first, once it is all there."""
    for _ in range(400):
        (rows,) = desk.operator.http.get(path, params=parameters).json().values()
        if len(rows) >= count:
            return list(reversed(rows))
        desk.run(lambda: asyncio.sleep(0.02))
    raise AssertionError("it was not published")


def a_week(desk: Office, clock: ManualClock) -> None:
    """Trade for a week, and change the methodology in its middle."""
    people, trades = traders(desk), []
    second = desk.admit("second", "operate", role="operator")
    clock.time_ns += DAY_NS
    assert desk.operator.put("/v1/four-eyes", required=True).status_code == 200
    for number in range(1, DAYS + 1):
        trades.append(trade(people, f"{2 + number / 10:.1f}"))
        if number == CHANGED:
            first_day = stored(desk, "/v1/indices", number, name=NAME)[-1]["day"]
            agree(desk, second, next_days(first_day, 2))
        clock.time_ns += DAY_NS
    rows = stored(desk, "/v1/indices", DAYS + 1, name=NAME)[1:]
    assert [row["methodology"] for row in rows] == [1] * CHANGED + [2] * (DAYS - CHANGED)
    assert [row["quality"] for row in rows] == ["FULL"] * DAYS
    assert [row["capped"] > 0 for row in rows] == [True] * CHANGED + [False] * (DAYS - CHANGED)
    for event in (trades[CHANGED - 1], trades[CHANGED]):
        bust(desk, second, event)
    again = stored(desk, "/v1/indices", DAYS + 3, name=NAME)[1:]
    assert [(row["day"], row["methodology"]) for row in again if row["version"] == 2] == [
        (rows[CHANGED - 1]["day"], 1),
        (rows[CHANGED]["day"], 2),
    ]
    assert [row for row in again if row["version"] == 1] == rows
    settled = stored(desk, "/v1/settlement-prices", DAYS + 1, symbol=SYMBOL)
    assert {row["methodology"] for row in settled} == {1, 2}


def next_days(day: str, ahead: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=ahead)).isoformat()


def bust(desk: Office, second: Client, event: int) -> None:
    body = json.dumps({"event": event})
    number = desk.operator.post("/v1/proposals", act="POST /v1/busts", body=body).json()["number"]
    assert second.post("/v1/decisions", number=number, approve=True).json()["state"] == "done"


def test_a_change_in_mid_week_makes_the_prices_of_its_days_alone(tmp_path: Path, dsn: str) -> None:
    clock = ManualClock(START_NS)
    with office(tmp_path, SMALL, dsn=dsn, clock=clock) as desk:
        with published(desk):
            a_week(desk, clock)
        rows: list[Row] = desk.exchange.prices.published_after(0)
    with office(tmp_path, SMALL, dsn=dsn, clock=clock) as desk:
        assert desk.exchange.prices.published_after(0) == rows
        told = desk.operator.http.get("/v1/methodologies").json()
        assert (told["current"], [one["note"] for one in told["methodologies"]][1:]) == (2, ["no cap"])
    report = asyncio.run(recompute(tmp_path, dsn, SMALL, poll_s=0.0))
    assert (report.difference, report.published_count) == ("", len(rows))
