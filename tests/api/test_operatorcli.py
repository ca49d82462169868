"""`tokenbourse operator ...` against a served exchange: what it does, what it prints, what it asks for."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from api import operatorcli
from api.ledgercli import EXIT_FAILURE
from tests.api.v1.office import SYMBOL, Office, office

app = typer.Typer()
operatorcli.register(app)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        yield served


def run(desk: Office, command: str, *words: str) -> Result:
    base = ["--data", str(desk.directory), "--url", desk.base]
    return CliRunner().invoke(app, ["operator", command, *base, *words], env={"COLUMNS": "200"})


def state(desk: Office) -> str:
    return desk.exchange.registry.instrument(SYMBOL).trading_state.name


def test_the_market_is_run_and_the_reasons_are_listed(desk: Office) -> None:
    assert json.loads(run(desk, "halt", SYMBOL, "--why", "stale").stdout) == {"halted": 1}
    assert state(desk) == "HALTED"
    assert run(desk, "resume", SYMBOL, "--why", "fresh").exit_code == 0
    assert state(desk) == "CONTINUOUS"
    assert run(desk, "halt", "--why", "all").exit_code == 0
    for phase in ("CLOSED", "PRE_OPEN", "CALL_OPEN"):
        run(desk, "phase", SYMBOL, phase, "--why", "auction")
    assert state(desk) == "CALL_OPEN"
    told = run(desk, "uncross", SYMBOL, "--why", "it is time")
    assert (told.exit_code, state(desk)) == (0, "CONTINUOUS"), told.output
    killed = run(desk, "kill", str(desk.buyer.account), "--why", "runaway")
    assert json.loads(killed.stdout) == {"ended": 0, "still_open": 0}
    assert desk.exchange.registry.account_at(desk.buyer.account).state.name == "SUSPENDED"
    fees = run(desk, "set", "fees", f"symbol={SYMBOL}", "maker_bps=-2", "taker_bps=7", "--why", "promised")
    assert json.loads(fees.stdout)["taker_bps"] == 7
    assert run(desk, "set", "venue-rules", f"symbol={SYMBOL}", "anonymous=true", "--why", "rule 9").exit_code == 0
    schedule = run(desk, "set", "fee-schedule", f"symbol={SYMBOL}", "rates=[[-2,7],[-2,6]]", "--why", "tiers")
    assert [row["taker_bps"] for row in json.loads(schedule.stdout)["rates"]][:3] == [7, 6, 6]
    tier = run(desk, "set", "account-tier", f"account={desk.buyer.account}", "tier=1", "--why", "volume")
    assert json.loads(tier.stdout)["tier"] == 1
    assert run(desk, "set", "fee-schedule", f"symbol={SYMBOL}", "rates=[[", "--why", "x").exit_code == 2
    run(desk, "set", "venue-rules", f"symbol={SYMBOL}", "anonymous=true", "--why", "rule 9")
    listed = run(desk, "acts")
    assert [word for word in ("stale", "fresh", "runaway", "promised", "rule 9") if word not in listed.stdout] == []
    acts = json.loads(run(desk, "acts", "--json").stdout)
    done = {"POST /v1/halt", "PUT /v1/trading-state", "POST /v1/uncross", "POST /v1/kill-switch", "PUT /v1/fees"}
    assert done | {"PUT /v1/fee-schedule", "PUT /v1/account-tier"} <= {row["act"] for row in acts if row["why"]}
    assert acts[-1]["act"] == "PUT /v1/venue-rules"
    assert json.loads(run(desk, "acts", "--after", str(acts[-2]["number"]), "--json").stdout) == acts[-1:]


def test_two_operators_decide(desk: Office, tmp_path: Path) -> None:
    second = desk.admit("second", "operate", "read", role="operator")
    key = {"key": second.key, "secret": second.secret, "account": second.account}
    (tmp_path / "operator.json").write_text(json.dumps(key))
    base = ["--url", desk.base, "--data", str(tmp_path)]
    for word, state, taker in (("decline", "refused", 7), ("approve", "done", 9)):
        terms = (f"symbol={SYMBOL}", "maker_bps=0", "taker_bps=9")
        made = json.loads(run(desk, "propose", "PUT /v1/fees", *terms, "--why", "promised").stdout)
        assert run(desk, word, str(made["number"]), "--why", "mine").exit_code == EXIT_FAILURE
        told = CliRunner().invoke(app, ["operator", word, str(made["number"]), "--why", "agreed", *base])
        assert json.loads(told.stdout)["state"] == state
        assert desk.exchange.registry.instrument(SYMBOL).taker_bps == taker
    listed = json.loads(run(desk, "proposals", "--json").stdout)
    assert [(row["state"], row["why"]) for row in listed] == [("refused", "promised"), ("done", "promised")]


def test_alerts_and_cases_are_listed(desk: Office) -> None:
    assert json.loads(run(desk, "alerts", "--json").stdout) == []
    assert json.loads(run(desk, "cases", "--json").stdout) == []
    assert "No alert makes such a case" in run(desk, "decide", "none", "REVIEW", "--why", "x").output


def test_what_is_refused_or_missing_is_said(desk: Office) -> None:
    assert run(desk, "bust", "1", "--why", "wrong").exit_code == EXIT_FAILURE
    assert "refused" in run(desk, "resume", "TA.NONE", "--why", "x").output
    assert run(desk, "halt").exit_code == 2
    assert run(desk, "halt", "--why", " ").exit_code == 2
    assert run(desk, "set", "weather", "a=b", "--why", "x").exit_code == 2
    assert run(desk, "set", "fees", "a", "--why", "x").exit_code == 2
    alone = CliRunner().invoke(app, ["operator", "acts", "--data", str(desk.directory), "--url", "http://127.0.0.1:1"])
    assert alone.exit_code == EXIT_FAILURE


def test_reasons_and_addresses_may_hold_brackets(desk: Office) -> None:
    assert run(desk, "halt", "--why", "why [/not]").exit_code == 0
    assert "why [/not]" in run(desk, "acts").stdout
    assert "http://127.0.0.1:1/[/x]" in run(desk, "acts", "--url", "http://127.0.0.1:1/[/x]").output


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "http://127.0.0.1:99999"])
def test_what_is_no_address_is_said(desk: Office, url: str) -> None:
    told = run(desk, "acts", "--url", url)
    assert (told.exit_code, "no address of an exchange" in told.output) == (EXIT_FAILURE, True)


@pytest.mark.parametrize("content", ["{", "[]", '{"key": "k"}', '{"key": "k", "secret": "s", "account": "none"}'])
def test_a_key_file_that_holds_no_key_is_named(desk: Office, tmp_path: Path, content: str) -> None:
    (tmp_path / "operator.json").write_text(content)
    told = run(desk, "acts", "--data", str(tmp_path))
    assert (told.exit_code, str(tmp_path / "operator.json") in told.output) == (EXIT_FAILURE, True)


def test_what_answers_and_is_no_exchange_is_said(desk: Office) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        told = run(desk, "acts", "--url", f"http://127.0.0.1:{other.server_port}")
        other.shutdown()
    assert (told.exit_code, "no exchange that this program knows" in told.output) == (EXIT_FAILURE, True)


def test_an_act_without_an_answer_may_have_been_done(desk: Office) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:

        def hang_up() -> None:
            mute.accept()[0].close()

        caller = threading.Thread(target=hang_up)
        caller.start()
        told = run(desk, "halt", "--why", "x", "--url", f"http://127.0.0.1:{mute.getsockname()[1]}")
        caller.join()
    assert (told.exit_code, "may have been done" in told.output) == (EXIT_FAILURE, True)
