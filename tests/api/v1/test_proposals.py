"""Four eyes: what one operator proposes another approves, and nobody does alone."""

import asyncio
import json
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.v1.desk import NOT_ACTIVE
from api.v1.grave import GRAVE_ACTS, OPERATORS_ACTS
from api.v1.problems import NEEDS_APPROVAL, NO_REASON, NOT_A_GRAVE_ACT, SECRET_IN_PROPOSAL
from api.v1.proposals import _ACTS
from exchange.registry.people import ProposalActed, ProposalCarriedOut
from exchange.sequencer import Stopped
from tests.api.v1.office import SYMBOL, Later, Office, office

FEES = {"symbol": SYMBOL, "maker_bps": 0, "taker_bps": 7}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        assert served.operator.put("/v1/four-eyes", required=True).json()["code"] == -8087
        served.second = served.admit("second", "operate", "audit", "read", role="operator")
        assert served.operator.put("/v1/four-eyes", required=True).status_code == 200
        yield served


def _propose(desk: Office, act: str = "PUT /v1/fees", **body: object) -> dict:
    return desk.operator.post("/v1/proposals", act=act, body=json.dumps(body)).json()


def _taker_bps(desk: Office) -> int:
    return desk.exchange.registry.instrument(SYMBOL).taker_bps


def test_nobody_does_alone_what_takes_two(desk: Office) -> None:
    for answer in (
        desk.operator.put("/v1/fees", **FEES),
        desk.second.post("/v1/withdrawals", account=desk.buyer.account, amount="1"),
        desk.operator.put("/v1/four-eyes", required=False),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, NEEDS_APPROVAL.code)


def test_an_approved_act_is_done_and_everything_is_written_down(desk: Office) -> None:
    proposed = _propose(desk, **FEES)
    assert (proposed["state"], proposed["by"]) == ("open", "EXCHANGE")
    own = desk.operator.post("/v1/decisions", number=proposed["number"], approve=True)
    assert own.json()["code"] == -8088
    assert _taker_bps(desk) == 5
    done = desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert (done["state"], done["decided_by"], done["code"]) == ("done", "second", 0)
    assert json.loads(done["answer"])["taker_bps"] == _taker_bps(desk) == 7
    assert desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()["code"] == -8089
    listed = desk.second.get("/v1/proposals", after=proposed["number"] - 1).json()["proposals"]
    assert listed == [done]


def test_an_act_that_only_writes_something_down_is_done_and_answered(desk: Office) -> None:
    factors = {"issuer": desk.issuer.account, "cached": 5_000}
    proposed = _propose(desk, "PUT /v1/meter-factors", **factors)
    done = desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert (done["state"], json.loads(done["answer"])["cached"]) == ("done", 5_000)
    assert desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()["code"] == -8089


def test_a_refused_act_is_not_done(desk: Office) -> None:
    proposed = _propose(desk, **FEES | {"taker_bps": 9})
    refused = desk.second.post("/v1/decisions", number=proposed["number"], approve=False).json()
    assert (refused["state"], _taker_bps(desk)) == ("refused", 7)


def test_an_act_that_fails_says_why(desk: Office) -> None:
    proposed = _propose(desk, "POST /v1/withdrawals", account=desk.buyer.account, amount="99999999")
    failed = desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert failed["state"] == "failed"
    assert failed["code"] < 0


def test_a_suspended_operator_does_nothing_until_let_in_again(desk: Office) -> None:
    proposed = _propose(desk, **FEES | {"taker_bps": 7})
    for standing in ("restricted", "suspended"):
        assert desk.operator.put("/v1/standing", participant="second", standing=standing).status_code == 200
        for answer in (
            desk.second.post("/v1/decisions", number=proposed["number"], approve=True),
            desk.second.post("/v1/proposals", act="PUT /v1/fees", body=json.dumps(FEES)),
            desk.second.post("/v1/participants", name="straw", role="trader"),
        ):
            assert answer.json()["code"] == NOT_ACTIVE.code
    assert desk.operator.put("/v1/standing", participant="second", standing="active").status_code == 200
    assert _decide(desk.second, proposed)["state"] == "done"


def test_what_is_no_act_or_not_well_formed_cannot_be_proposed(desk: Office) -> None:
    assert _propose(desk, "POST /v1/halt")["code"] == NOT_A_GRAVE_ACT.code
    assert _propose(desk, "PUT /v1/fees", symbol=SYMBOL)["code"] == -1102
    assert desk.buyer.post("/v1/proposals", act="PUT /v1/fees", body="{}").status_code == 401


def test_nobody_makes_an_operator_alone(desk: Office) -> None:
    straw = {"name": "straw", "role": "operator"}
    for refused in (
        desk.operator.post("/v1/keys", account=desk.second.account, scopes=["read", "operate"]),
        desk.operator.post("/v1/participants", **straw),
        desk.operator.post("/v1/participants", name="second", role="operator", accounts=[{"name": "further"}]),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, NEEDS_APPROVAL.code)
    assert desk.operator.post("/v1/keys", account=desk.operator.account, scopes=["operate"]).status_code == 200
    assert desk.operator.post("/v1/keys", account=desk.buyer.account, scopes=["read"]).status_code == 200
    made = _decide(desk.second, _propose(desk, "POST /v1/participants", **straw))
    assert (made["state"], desk.exchange.registry.participant("straw").role) == ("done", "operator")


def test_two_operators_make_a_third_ones_key_of_a_public_half_alone(desk: Office) -> None:
    terms = {"account": desk.second.account, "scopes": ["operate"]}
    told = _decide(desk.second, _propose(desk, "POST /v1/keys", **terms))
    assert (told["state"], told["code"]) == ("failed", SECRET_IN_PROPOSAL.code)
    public = b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    made = _decide(desk.second, _propose(desk, "POST /v1/keys", **terms, public_key=public))
    assert (made["state"], json.loads(made["answer"])["secret"]) == ("done", "")
    assert desk.desk.keys.credential(json.loads(made["answer"])["key"]).account == desk.second.account


def test_every_grave_act_can_be_proposed() -> None:
    assert set(_ACTS) == GRAVE_ACTS | OPERATORS_ACTS


def test_a_proposal_says_why(desk: Office) -> None:
    body = json.dumps({"act": "PUT /v1/fees", "body": json.dumps(FEES)}).encode()
    silent = desk.operator.send("POST", "/v1/proposals", body, "application/json", reason=" ")
    assert (silent.status_code, silent.json()["code"]) == (400, NO_REASON.code)
    made = desk.operator.send("POST", "/v1/proposals", body, "application/json", reason="new schedule").json()
    assert made["why"] == desk.second.get("/v1/proposals").json()["proposals"][-1]["why"] == "new schedule"


def test_what_was_done_meanwhile_is_not_done_again(desk: Office) -> None:
    fill = _trade(desk)
    first, second = (_propose(desk, "POST /v1/busts", event=fill) for _ in range(2))
    assert _decide(desk.second, first)["state"] == "done"
    late = _decide(desk.second, second)
    assert (late["state"], late["code"]) == ("failed", -8015)


def _decide(client: Any, proposed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/v1/decisions", number=proposed["number"], approve=True).json()
    return found


def _trade(desk: Office) -> int:
    """Trade one lot; return the event."""
    desk.issuer.post("/v1/issues", asset=SYMBOL, amount="1")
    desk.issuer.order("SELL", 1, "1")
    desk.buyer.order("BUY", 1, "1")
    fills = desk.buyer.get("/v1/fills", symbol=SYMBOL).json()["fills"]
    return int(max(fill["event"] for fill in fills))


def test_out_of_time_nobody_decides(tmp_path: Path) -> None:
    clock = Later()
    with office(tmp_path, clock=clock) as served:
        served.furnish()
        second = served.admit("second", "operate", role="operator")
        proposed = served.operator.post("/v1/proposals", act="PUT /v1/fees", body=json.dumps(FEES), seconds=60).json()
        clock.ahead_ns = 60 * 10**9
        assert _decide(second, proposed)["code"] == -8089
        assert _taker_bps(served) == 5


# what a crash leaves: the directory as it was when a document was about to be submitted


def _cash(served: Office) -> str:
    rows = served.operator.get("/v1/balances", account=2).json()["balances"]
    return next((row["total"] for row in rows if row["asset"] == "CNY"), "0")


def _cut(served: Office, before: type, copy: Path) -> None:
    """Copy the directory when a document of a kind comes, and let nothing of it happen."""
    submit = served.exchange.submit

    def cut(commands: bytes, document: bytes = b"") -> asyncio.Future[Any]:
        if before.__name__.encode() in document:
            shutil.copytree(served.directory, copy)
            raise Stopped("cut here")
        return submit(commands, document)

    served.exchange.submit = cut  # type: ignore[method-assign]


def _prepared(folder: Path, before: type, copy: Path, amount: str = "7") -> None:
    """Propose a deposit, approve it, and be cut."""
    folder.mkdir()
    with office(folder) as served:
        served.furnish()
        second = served.admit("second", "operate", "read", role="operator")
        (folder / "second.json").write_text(json.dumps([second.key, second.secret, second.account]))
        served.operator.put("/v1/four-eyes", required=True)
        proposed = _propose(served, "POST /v1/deposits", account=2, amount=amount)
        _cut(served, before, copy)
        answer = second.post("/v1/decisions", number=proposed["number"], approve=True)
        assert answer.status_code >= 500


def _second(served: Office) -> Any:
    return served.client(*json.loads((served.directory / "second.json").read_text()))


def _shown(served: Office) -> dict[str, Any]:
    (found,) = served.operator.get("/v1/proposals").json()["proposals"]
    return dict(found)


def _is_done_once(served: Office) -> None:
    done = _decide(_second(served), {"number": 1})
    assert (done["state"], _cash(served)) == ("done", "1000007.000000")
    assert _decide(_second(served), {"number": 1})["code"] == -8089
    assert _cash(served) == "1000007.000000"


def test_an_approval_that_was_cut_off_before_its_act_is_open_and_done_once(tmp_path: Path) -> None:
    _prepared(tmp_path / "a", ProposalActed, tmp_path / "b")
    with office(tmp_path / "b") as served:
        assert (_shown(served)["state"], _cash(served)) == ("open", "1000000.000000")
        _is_done_once(served)


def test_an_approval_whose_commands_did_not_reach_the_disk_is_open_and_done_once(tmp_path: Path) -> None:
    _prepared(tmp_path / "a", ProposalCarriedOut, tmp_path / "b")
    journal = max((tmp_path / "b" / "journal").glob("*.journal"))
    written = journal.read_bytes()
    journal.write_bytes(
        written.rstrip(b"\0")[:-8].ljust(len(written), b"\0")
    )  # torn in the commands behind the document
    shutil.rmtree(tmp_path / "b" / "events")
    for _ in range(2):  # opening it twice changes nothing
        with office(tmp_path / "b") as served:
            assert (_shown(served)["state"], _cash(served)) == ("open", "1000000.000000")
    with office(tmp_path / "b") as served:
        _is_done_once(served)


@pytest.mark.parametrize(
    ("amount", "state", "cash"), [("7", "done", "1000007.000000"), ("0", "failed", "1000000.000000")]
)
def test_an_act_that_was_cut_off_before_its_answer_is_shown_as_it_ended(
    tmp_path: Path, amount: str, state: str, cash: str
) -> None:
    _prepared(tmp_path / "a", ProposalCarriedOut, tmp_path / "b", amount)
    with office(tmp_path / "b") as served:
        shown = _shown(served)
        assert (shown["state"], shown["decided_by"], _cash(served)) == (state, "second", cash)
        assert (shown["code"] < 0) is (state == "failed")
        assert _decide(_second(served), {"number": 1})["code"] == -8089
