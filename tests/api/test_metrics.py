"""What a monitor sees, read as it would read it: the numbers are those of the parts, and follow them."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import spawn
from tests.api.v1.office import SYMBOL, Office, office
from tests.settlement.conftest import SMALL


def _metrics(served: Office) -> dict[str, float]:
    answer = served.operator.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {sample.name.removeprefix("tokenbourse_"): sample.value for sample in samples}


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Serve an exchange with a ledger whose poster has not begun."""
    directory = tmp_path_factory.mktemp("exchange")
    postgres = Embedded(directory / "postgres", SMALL)
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    with office(directory, dsn=postgres.dsn) as served:
        issuer, buyer = served.furnish()
        issuer.post("/v1/issues", asset=SYMBOL, amount="10")
        issuer.order("SELL", 3, "1.5")
        buyer.order("BUY", 3, "1.5")
        served.postgres = postgres
        yield served
    postgres.stop()


def test_the_exchange_shows_its_commands_events_and_journal(traded: Office) -> None:
    before = _metrics(traded)
    exchange = traded.exchange
    assert before["exchange_ready"] == 1
    assert before["exchange_events_total"] == exchange.events.count > 0
    assert before["exchange_journal_position"] == exchange.journal.position > 0
    assert (before["exchange_pending_commands"], before["exchange_connections"]) == (0, 3)
    assert before["exchange_pending_commands_max"] == exchange.config.queue_commands_max
    assert traded.operator.post("/v1/deposits", account=1, amount="5").status_code == 200
    after = _metrics(traded)
    assert after["exchange_commands_total"] == before["exchange_commands_total"] + 1
    assert after["exchange_journal_sync_seconds_count"] > before["exchange_journal_sync_seconds_count"]
    assert after["exchange_journal_sync_seconds_sum"] > before["exchange_journal_sync_seconds_sum"] > 0


def test_the_ledger_shows_how_far_it_is_and_catches_up(traded: Office) -> None:
    behind = _metrics(traded)
    assert (behind["ledger_up"], behind["ledger_posted_events_total"], behind["ledger_batches_total"]) == (1, 0, 0)
    assert behind["ledger_waiting_events"] == behind["exchange_events_total"]
    poster = spawn(traded.directory, traded.postgres.dsn)
    try:
        for _ in range(200):
            found = _metrics(traded)
            if found["ledger_waiting_events"] == 0:
                break
            time.sleep(0.05)
    finally:
        poster.terminate()
        assert poster.wait(30) == 0
    assert found["ledger_posted_events_total"] == found["exchange_events_total"]
    assert found["ledger_batches_total"] >= 1
    assert (found["ledger_epoch"], found["ledger_failures_total"]) == (1, 0)


def test_deaths_of_the_ledgers_processes_are_counted(traded: Office) -> None:
    traded.keeper.poster_deaths, traded.keeper.postgres_deaths = 2, 1
    found = _metrics(traded)
    assert (found["ledger_poster_deaths_total"], found["ledger_postgres_deaths_total"]) == (2, 1)


def test_a_ledger_that_is_away_is_seen_and_counted(traded: Office) -> None:
    posted = _metrics(traded)["ledger_posted_events_total"]
    traded.postgres.stop()
    try:
        found = _metrics(traded)
        assert found["ledger_up"] == 0
        assert found["ledger_failures_total"] == 1
        assert found["ledger_posted_events_total"] == posted, "what was known is still said"
        assert "ledger_batches_total" not in found
    finally:
        traded.postgres.start()


def test_an_exchange_without_a_ledger_says_so(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        found = _metrics(served)
        assert (found["ledger_up"], found["ledger_waiting_events"]) == (0, found["exchange_events_total"])
