"""Whether the exchange takes orders."""

from pathlib import Path

from api.version import own_version
from tests.api.v1.office import office


def test_health_tells_where_each_part_stands(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        served.furnish()
        health = served.operator.http.get("/v1/health")
        told = health.json()
        assert health.status_code == 200
        assert (told["ready"], told["version"], told["pending_commands"]) == (True, own_version(), 0)
        assert told["journal_position"] == served.exchange.journal.position > 0
        assert told["events"] == served.exchange.events.count > 0
        assert told["uptime_s"] >= 0
        assert told["ledger"] == {"connected": False, "event": 0, "lag": told["events"]}


def test_an_exchange_that_takes_nothing_is_not_ready(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        served.exchange.sequencer._refusal = "a listener failed"
        health = served.operator.http.get("/v1/health")
        assert health.status_code == 503
        assert health.headers["retry-after"] == "5"
        assert health.json() == {"code": -1016, "msg": "Not ready: a listener failed."}
        served.exchange.sequencer._refusal = ""
