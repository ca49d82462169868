"""A key is revoked while units and cash stand behind it: use before that counts, use after it does not.

What is left goes back to its holder; a batch that comes again, before a restart or after it, is answered as it was.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.v1.problems import FOREIGN_KEY, KEY_ENDED
from exchange.clock import ManualClock
from tests.api.v1.office import SMALL, SYMBOL, Client, Office, office

LOT = 1_000_000
START_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9
pytestmark = pytest.mark.system


class Scene:
    """An issuer that meters, and a holder with two keys, one of which is revoked after ten seconds."""

    def __init__(self, desk: Office, clock: ManualClock) -> None:
        self.desk, self.clock = desk, clock
        self.issuer, self.holder = desk.furnish()
        self.other = desk.admit("other", "read", "trade")
        self.lost = desk.key(self.holder.account, "read")
        assert self.issuer.post("/v1/issues", asset=SYMBOL, amount="3").status_code == 200
        self.issuer.order("SELL", 3, "1")
        self.holder.order("BUY", 3, "1")
        self.holder.nominate("2", key=self.lost.key)
        self.holder.nominate("5", key=self.lost.key, asset="CNY")
        self.before_ms = clock.time_ns // 10**6 + 9_999
        clock.time_ns += 10 * SECOND_NS
        revoked = desk.operator.delete("/v1/keys", key=self.lost.key)
        assert (revoked.json()["revoked"], revoked.json()["revoked_at"]) == (True, self.before_ms + 1)

    def body(self, batch: int, *records: tuple[str, int], key: str = "") -> dict[str, Any]:
        rows = [{"id": name, "key": key or self.lost.key, "time": time, "tokens_in": 100} for name, time in records]
        return {"batch": batch, "records": rows}

    def report(self, client: Client, body: dict[str, Any]) -> list[tuple[str, int, int]]:
        self.clock.time_ns += SECOND_NS
        told = client.post("/v1/usage", **body)
        assert told.status_code == 200, told.text
        return [(row["status"], row["tokens"], row.get("code", 0)) for row in told.json()["results"]]

    def behind(self) -> dict[str, str]:
        self.clock.time_ns += SECOND_NS
        told = self.holder.get("/v1/nominations", key=self.lost.key)
        assert told.status_code == 200, told.text
        return {row["asset"]: row["available"] for row in told.json()["assets"]}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = ManualClock(START_NS)
    with office(tmp_path, SMALL, clock=clock) as desk:
        yield Scene(desk, clock)


def test_use_before_the_revocation_counts_and_what_is_left_goes_back(scene: Scene, tmp_path: Path) -> None:
    issuer, holder, late = scene.issuer, scene.holder, scene.before_ms
    first = scene.body(1, ("before", late), ("at once", late + 1), ("after", late + 500))
    refused = ("REFUSED", 0, KEY_ENDED.code)
    assert scene.report(issuer, first) == [("APPLIED", 100, 0), refused, refused]
    assert scene.report(issuer, first) == [("APPLIED", 100, 0), refused, refused]
    again = scene.body(2, ("before", late), ("after", late + 500))
    assert [row[0] for row in scene.report(issuer, again)] == ["DUPLICATE", "REFUSED"]
    good = scene.body(3, ("other key", late + 500), key=holder.key)
    holder.nominate("1")
    assert scene.report(issuer, good) == [("APPLIED", 100, 0)]
    assert scene.behind() == {SYMBOL: "1.999900", "CNY": "5.000000"}
    terms = {"key": scene.lost.key, "asset": SYMBOL, "amount": "1"}
    assert holder.post("/v1/nominations", **terms).json()["code"] == -8064
    assert scene.other.delete("/v1/nominations", **terms).json()["code"] == FOREIGN_KEY.code
    assert holder.delete("/v1/nominations", **terms | {"amount": "1.9999"}).status_code == 200
    assert holder.delete("/v1/nominations", **terms | {"asset": "CNY", "amount": "5"}).status_code == 200
    assert set(scene.behind().values()) <= {"0.000000"}
    assert scene.report(issuer, scene.body(4, ("too late", late - 1)))[0][0] == "REFUSED"
    restarts_the_same(scene, tmp_path, first, refused)


def restarts_the_same(scene: Scene, folder: Path, first: dict[str, Any], refused: tuple[str, int, int]) -> None:
    """Start again beside it, from a copy of nothing but the journal, and be answered as before."""

    async def state(desk: Office) -> str:
        return await desk.exchange.query(lambda engine: engine.digest().hex())

    hashed, clients = scene.desk.run(lambda: state(scene.desk)), (scene.issuer, scene.holder)
    copy = folder / "copy"
    copy.mkdir()
    scene.clock.time_ns += SECOND_NS
    for name in ("journal", "secret.key", "operator.json"):
        source = folder / name
        if source.is_dir():
            (copy / name).mkdir()
            for file in source.iterdir():
                (copy / name / file.name).write_bytes(file.read_bytes())
        else:
            (copy / name).write_bytes(source.read_bytes())
    with office(copy, SMALL, clock=scene.clock) as desk:
        assert desk.run(lambda: state(desk)) == hashed
        issuer, holder = [desk.client(one.key, one.secret, one.account) for one in clients]
        assert scene.report(issuer, first) == [("APPLIED", 100, 0), refused, refused]
        assert scene.report(issuer, scene.body(5, ("before", scene.before_ms)))[0][0] == "DUPLICATE"
        assert holder.get("/v1/nominations", key=scene.lost.key).status_code == 200
