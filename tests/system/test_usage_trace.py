"""A production trace of 19,366 requests redeems 27 lots to the token, whatever happens to its batches on the way."""

import asyncio
import csv
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exchange.config import Config
from settlement.embedded import Embedded
from settlement.ledger import Ledger
from settlement.migrate import migrate
from settlement.poster import spawn
from settlement.reconcile import reconcile
from tests.api.v1.office import SYMBOL, Client, Office, office

LOTS = 27
RECORDS = 19_366
TOKENS = 26_450_535
LEFT = 549_465
BATCH = 2_000
pytestmark = [pytest.mark.system, pytest.mark.real_data]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Office]:
    postgres = Embedded(tmp_path / "postgres")
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    poster = spawn(tmp_path, postgres.dsn)
    with office(tmp_path, config=Config(), dsn=postgres.dsn) as served:
        yield served
    poster.terminate()
    assert poster.wait(30) == 0
    postgres.stop()


def _records(path: Path, key: str) -> list[dict[str, Any]]:
    """Return the trace as usage records, moved in time so that it ends now."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC).timestamp() for row in rows]
    shift_s = time.time() - max(times)
    return [
        {
            "id": f"azure-{number}",
            "time": int((at + shift_s) * 1000),
            "symbol": SYMBOL,
            "tokens_in": int(row["ContextTokens"]),
            "tokens_out": int(row["GeneratedTokens"]),
            "key": key,
        }
        for number, (row, at) in enumerate(zip(rows, times, strict=True))
    ]


def _batches(records: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Return numbered batches in which one record in a hundred comes twice; one batch comes too early, one again."""
    chance = random.Random(20231116)
    repeated = sorted([*range(len(records)), *chance.sample(range(len(records)), len(records) // 100)])
    sent = [records[number] for number in repeated]
    batches = [(start // BATCH + 1, sent[start : start + BATCH]) for start in range(0, len(sent), BATCH)]
    return [batches[5], *batches, batches[3]]


def _buy(desk: Office) -> tuple[Client, Client]:
    issuer, buyer = desk.furnish()
    assert issuer.post("/v1/issues", asset=SYMBOL, amount=str(LOTS)).status_code == 200
    issuer.order("SELL", LOTS, "1.5")
    assert buyer.order("BUY", LOTS, "1.5")["status"] == "FILLED"
    buyer.nominate(str(LOTS))
    return issuer, buyer


def _wait_for_ledger(desk: Office) -> None:
    for _ in range(400):
        if desk.operator.http.get("/v1/health").json()["ledger"]["lag"] == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the ledger did not follow")


def test_27_lots_cover_the_trace_and_leave_549465_tokens(desk: Office, data_dir: Path) -> None:
    issuer, buyer = _buy(desk)
    records = _records(data_dir / "usage" / "azure_conv.csv", buyer.key)
    assert len(records) == RECORDS
    early, *batches, again = [
        issuer.post("/v1/usage", batch=number, records=batch) for number, batch in _batches(records)
    ]
    assert (early.status_code, early.json()["code"]) == (409, -8040)
    told = [answer.json() for answer in batches]
    assert [sum(answer[count] for answer in told) for count in ("applied", "duplicates", "refused", "tokens")] == [
        RECORDS,
        RECORDS // 100,
        0,
        TOKENS,
    ]
    assert again.json() == told[3]
    assert told[-1]["remaining"] == {buyer.key: LEFT}
    _wait_for_ledger(desk)
    purse = buyer.get("/v1/nominations", key=buyer.key).json()
    assert [(row["asset"], row["available"]) for row in purse["assets"]] == [(SYMBOL, f"0.{LEFT}")]

    async def ledger() -> dict[int, int]:
        found = await Ledger.open(desk.dsn)
        try:
            return {row.asset: row.balance for row in await found.balances(purse["account"])}
        finally:
            await found.close()

    assert asyncio.run(ledger())[desk.exchange.registry.asset(SYMBOL).index] == LEFT
    statement = desk.operator.get("/v1/statement", asset=SYMBOL, account=purse["account"]).json()
    assert (len(statement["entries"]), statement["closing"]) == (1 + RECORDS, f"0.{LEFT}")
    assert asyncio.run(reconcile(desk.directory, desk.dsn)).difference is None
