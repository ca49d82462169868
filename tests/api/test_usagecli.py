"""A file of usage is sent in batches, and sent again it counts nothing twice."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from api import usagecli
from api.cli import app
from api.client.faults import Unavailable
from api.client.rest import Client
from api.client.signing import Key
from api.messages.allowances import AllowancesChanged, RemainingChanged
from tests.api.v1.office import SYMBOL, office

OWN = Key.of("key", "secret")
QUICK = usagecli.PATIENCE._replace(first_s=0.0)


def test_a_file_is_sent_in_batches_and_again_counts_nothing(tmp_path: Path) -> None:
    with office(tmp_path) as desk:
        issuer, buyer = desk.furnish()
        issuer.post("/v1/issues", asset=SYMBOL, amount="1")
        issuer.order("SELL", 1, "1")
        buyer.order("BUY", 1, "1")
        buyer.nominate("1")
        now_ms = desk.exchange.clock.now_ns() // 10**6
        file, key_file = tmp_path / "use.csv", tmp_path / "key.json"
        file.write_text("id,time,tokens_in\n" + "".join(f"r{n},{now_ms},10\n" for n in range(25)))
        key_file.write_text(json.dumps({"key": issuer.key, "secret": issuer.secret}))
        line = ["usage", "send", str(file), "--url", desk.base, "--key-file", str(key_file), "--batch", "10", "--json"]
        for applied in (25, 0):
            told = CliRunner().invoke(app, [*line, "--key", buyer.key])
            assert told.exit_code == 0, told.output
            sent = json.loads(told.stdout)
            assert (sent["records"], sent["applied"], sent["duplicates"]) == (25, applied, 25 - applied)
        assert issuer.get("/v1/usage-batch").json() == {"batch": 7}
        refused = CliRunner().invoke(app, [*line, "--key", "k" * 64])
        assert json.loads(refused.stdout)["duplicates"] == 25
        file.write_text(f"id,time,tokens_in\nnew,{now_ms},10\n")
        assert CliRunner().invoke(app, [*line, "--key", "k" * 64]).exit_code == 1
        _watch(desk.base, key_file, buyer.key)


def _watch(url: str, key_file: Path, key: str) -> None:
    """See what is left behind a key, as its issuer does."""
    line = ["usage", "watch", key, "--url", url, "--key-file", str(key_file), "--once"]
    told = CliRunner().invoke(app, line)
    assert told.exit_code == 0, told.output
    assert told.stdout.split() == [key, SYMBOL, "0.999750"]
    told = json.loads(CliRunner().invoke(app, [*line, "--json"]).stdout)
    assert [(row["key"], row["available"]) for row in told["rows"]] == [(key, "0.999750")]
    key_file.write_text(json.dumps({"key": "no key", "secret": "at all"}))
    assert CliRunner().invoke(app, line).exit_code == 2


def test_a_change_is_shown_with_its_causes(capsys: pytest.CaptureFixture[str]) -> None:
    row = RemainingChanged("k1", SYMBOL, Decimal("0.5"), 0, {"USED": Decimal("-0.2"), "ROLLED_OVER": Decimal("0.1")})
    usagecli._tell(AllowancesChanged(1, 2, 3, [row]), as_json=True)
    assert json.loads(capsys.readouterr().out)["rows"][0]["changes"] == {"USED": "-0.2", "ROLLED_OVER": "0.1"}
    usagecli._tell(AllowancesChanged(1, 2, 3, [row]), as_json=False)
    assert "0.5  (used -0.2, rolled over 0.1)" in " ".join(capsys.readouterr().out.split("\n"))


def _run(answer: Callable[[httpx.Request], httpx.Response]) -> Any:
    with Client("http://test", OWN, patience=QUICK, transport=httpx.MockTransport(answer)) as client:
        return client.run(usagecli.report(1, []))


def test_a_batch_is_sent_until_it_is_answered() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        if len(asked) == 1:
            raise httpx.ReadTimeout("late")
        counted = {"applied": 1, "duplicates": 2, "refused": 3, "tokens": 4, "overrun": 5}
        return httpx.Response(503 if len(asked) == 2 else 200, json=counted)

    assert msgspec.structs.astuple(_run(answer)) == (1, 2, 3, 4, 5)
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_nobody_waits_for_days() -> None:
    body = {"code": -8095, "msg": "full"}
    with pytest.raises(Unavailable, match="full"):
        _run(lambda _: httpx.Response(503, json=body, headers={"retry-after": "86400"}))


@pytest.mark.parametrize(
    ("command", "url", "words"),
    [
        ("send", "http://127.0.0.1:1", "send the file again, nothing counts twice"),
        ("send", "127.0.0.1:8080", "no address of an exchange"),
        ("watch", "127.0.0.1:8080", "no address of an exchange"),
    ],
)
def test_an_exchange_that_is_not_there_is_told(
    command: str, url: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usagecli, "PATIENCE", QUICK)
    key_file, file = tmp_path / "key.json", tmp_path / "use.csv"
    key_file.write_text(json.dumps({"key": OWN.key, "secret": "s"}))
    file.write_text("id,time,tokens_in\nr,1,10\n")
    line = ["usage", command, "--url", url, "--key-file", str(key_file), *([str(file)] if command == "send" else [])]
    told = CliRunner().invoke(app, line)
    assert told.exit_code == 2
    assert words in " ".join(told.output.split())
