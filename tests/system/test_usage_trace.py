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


def _records(path: Path, holder: int) -> list[dict[str, Any]]:
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
            "account": holder,
        }
        for number, (row, at) in enumerate(zip(rows, times, strict=True))
    ]


def _batches(records: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Return numbered batches: one record in a hundred comes twice, two batches change places, one comes again."""
    chance = random.Random(20231116)
    repeated = sorted([*range(len(records)), *chance.sample(range(len(records)), len(records) // 100)])
    sent = [records[number] for number in repeated]
    batches = [(start // BATCH, sent[start : start + BATCH]) for start in range(0, len(sent), BATCH)]
    batches[2], batches[5] = batches[5], batches[2]
    return [*batches, batches[3]]


def _buy(desk: Office) -> tuple[Client, Client]:
    issuer, buyer = desk.furnish()
    assert issuer.post("/v1/issues", asset=SYMBOL, amount=str(LOTS)).status_code == 200
    issuer.order("SELL", LOTS, "1.5")
    assert buyer.order("BUY", LOTS, "1.5")["status"] == "FILLED"
    return issuer, buyer


def _wait_for_ledger(desk: Office) -> None:
    for _ in range(400):
        if desk.operator.http.get("/v1/health").json()["ledger"]["lag"] == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the ledger did not follow")


def test_27_lots_cover_the_trace_and_leave_549465_tokens(desk: Office, data_dir: Path) -> None:
    issuer, buyer = _buy(desk)
    records = _records(data_dir / "usage" / "azure_conv.csv", buyer.account)
    assert len(records) == RECORDS
    told = []
    for number, batch in _batches(records):
        answer = issuer.post("/v1/usage", batch=number, records=batch)
        assert answer.status_code == 200, answer.text
        told.append(answer.json())
    assert [sum(answer[count] for answer in told) for count in ("applied", "duplicates", "refused", "tokens")] == [
        RECORDS,
        RECORDS // 100 + BATCH,
        0,
        TOKENS,
    ]
    assert told[-1]["results"][-1]["remaining"] == LEFT
    _wait_for_ledger(desk)
    engine = {row["asset"]: row["total"] for row in buyer.get("/v1/balances").json()["balances"]}
    assert engine[SYMBOL] == f"0.{LEFT}"

    async def ledger() -> dict[int, int]:
        found = await Ledger.open(desk.dsn)
        try:
            return {row.asset: row.balance for row in await found.balances(buyer.account)}
        finally:
            await found.close()

    assert asyncio.run(ledger())[desk.exchange.registry.asset(SYMBOL).index] == LEFT
    statement = buyer.get("/v1/statement", asset=SYMBOL).json()
    assert (len(statement["entries"]), statement["closing"]) == (1 + RECORDS, f"0.{LEFT}")
