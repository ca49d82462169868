"""What people type to trade, against a served exchange."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api import cli, tradecli, watching
from api.client.rest import Client
from tests.api.v1.office import SYMBOL, Office, office

FILES: dict[str, Path] = {}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("trade")
    directory = folder / "exchange"
    directory.mkdir()
    with office(directory) as served:
        issuer, buyer = served.furnish()
        issued = issuer.post("/v1/issues", asset=SYMBOL, amount="1000")
        assert issued.status_code == 200, issued.text
        for name, client in (("issuer", issuer), ("buyer", buyer)):
            FILES[name] = folder / f"{name}.json"
            FILES[name].write_text(json.dumps({"key": client.key, "secret": client.secret}))
        yield served


@pytest.fixture
def typed(house: Office, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what types a command, as the buyer unless somebody else is named."""
    for name in ("TOKENBOURSE_KEY_FILE", "TOKENBOURSE_API_KEY", "TOKENBOURSE_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    runner = CliRunner(env={"COLUMNS": "200", "TOKENBOURSE_URL": house.base})

    def type_in(*words: object, key: str | None = "buyer") -> Result:
        file = [] if key is None else ["--key-file", str(FILES[key])]
        return runner.invoke(cli.app, [*map(str, words), *file])

    return type_in


def answer(result: Result) -> Any:
    """Return the JSON that a command printed."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_order_is_placed_seen_and_cancelled(typed: Any) -> None:
    placed = answer(typed("buy", SYMBOL, 5, "0.2", "--name", "mine-1", "--json"))
    assert (placed["status"], placed["clientOrderId"], placed["price"]) == ("NEW", "mine-1", "0.2000")
    assert answer(typed("buy", SYMBOL, 5, "0.2", "--name", "mine-1", "--json"))["orderId"] == placed["orderId"]
    assert [one["orderId"] for one in answer(typed("orders", "--json"))] == [placed["orderId"]]
    assert "mine-1" not in typed("orders").stdout
    assert str(placed["orderId"]) in typed("orders", SYMBOL).stdout
    ladder = answer(typed("book", SYMBOL, "--json", key=None))
    assert ladder["bids"] == [["0.2000", "5"]]
    ended = typed("cancel", SYMBOL, placed["orderId"])
    assert (ended.exit_code, f"order {placed['orderId']}: CANCELED, 0 of 5 filled" in ended.stdout) == (0, True)
    assert [one["status"] for one in answer(typed("orders", SYMBOL, "--all", "--json"))][-1] == "CANCELED"


def test_a_trade_is_told_in_words_and_tables(typed: Any) -> None:
    assert "NEW, 0 of 3 filled" in typed("sell", SYMBOL, 3, "0.3", "--post-only", key="issuer").stdout
    bought = typed("buy", SYMBOL, 2).stdout
    assert "FILLED, 2 of 2 filled at 0.3 on average, fee 0.0003 CNY" in bought
    tape = typed("tape", SYMBOL, key=None).stdout
    assert "BUY" in tape
    assert "0.3000" in tape
    assert answer(typed("tape", SYMBOL, "--json", key=None))[-1]["qty"] == "2"
    shown = typed("markets", "ctel", key=None).stdout
    assert SYMBOL in shown
    assert "CONTINUOUS" in shown
    assert answer(typed("markets", "nothing-like-it", "--json", key=None)) == []
    held = {one["asset"]: one for one in answer(typed("balance", "--json"))["balances"]}
    assert held[SYMBOL]["available"].startswith("2.")
    assert SYMBOL in typed("balance").stdout
    assert [one["status"] for one in answer(typed("cancel", SYMBOL, "--all", "--json", key="issuer"))] == ["CANCELED"]


def test_refused_and_not_reached_and_badly_asked_differ(typed: Any) -> None:
    refused = typed("buy", SYMBOL, 1, "0.33333")
    assert (refused.exit_code, "PRICE_FILTER" in refused.stderr) == (tradecli.EXIT_REFUSED, True)
    assert typed("cancel", SYMBOL, 12345).exit_code == tradecli.EXIT_REFUSED
    assert typed("book", "NO.SUCH", key=None).exit_code == tradecli.EXIT_REFUSED
    assert typed("cancel", SYMBOL).exit_code == tradecli.EXIT_FAILURE
    assert typed("orders", "--all").exit_code == tradecli.EXIT_FAILURE
    nobody = typed("book", SYMBOL, "--url", "http://127.0.0.1:1", key=None)
    assert (nobody.exit_code, "127.0.0.1:1" in nobody.stderr) == (tradecli.EXIT_FAILURE, True)
    mistyped = typed("book", SYMBOL, "--url", "http://127.0.0.1:80a", key=None)
    assert (mistyped.exit_code, "no address" in mistyped.stderr) == (tradecli.EXIT_FAILURE, True)
    assert "'^[a-zA-Z0-9-_.:/]{1,36}$'" in typed("buy", SYMBOL, 1, "0.2", "--name", "a b").stderr.replace("\n", "")
    missing = typed("balance", "--key-file", "[/x].json", key=None)
    assert (missing.exit_code, "[/x].json" in missing.stderr) == (tradecli.EXIT_FAILURE, True)


def test_a_key_is_needed_and_never_shown(typed: Any, tmp_path: Path) -> None:
    without = typed("balance", key=None)
    assert (without.exit_code, "--key-file" in without.stderr) == (tradecli.EXIT_FAILURE, True)
    bad = tmp_path / "bad.json"
    bad.write_text('{"key": "k", "secrets": "hush"}')
    wrong = typed("balance", "--key-file", bad, key=None)
    assert (wrong.exit_code, "hush" in wrong.output) == (tradecli.EXIT_FAILURE, False)
    bad.write_text('{"key": "k", "secret": "hush"}')
    wrong = typed("balance", "--key-file", bad, key=None)
    assert (wrong.exit_code, "hush" in wrong.output) == (tradecli.EXIT_REFUSED, False)


def test_the_environment_may_hold_the_key(typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = json.loads(FILES["buyer"].read_text())
    monkeypatch.setenv("TOKENBOURSE_API_KEY", held["key"])
    monkeypatch.setenv("TOKENBOURSE_API_SECRET", held["secret"])
    assert typed("balance", key=None).exit_code == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_a_live_view_ends_when_interrupted(typed: Any, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    seen: list[Any] = []

    async def watch(view: Any, client: Any, *consoles: Any, as_json: bool) -> None:
        seen.append(((await watching.once(view, client)).value, as_json))
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch", watch)
    result = typed("book", SYMBOL, "--watch", *(["--json"] if as_json else []), key=None)
    assert result.exit_code == 0
    assert [told for _, told in seen] == [as_json]


def test_an_order_nobody_knows_of_can_be_asked_for_again(typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: Any, **__: Any) -> Any:
        raise tradecli.OutcomeUnknownError("no answer came")

    monkeypatch.setattr(Client, "buy", lose)
    lost = typed("buy", SYMBOL, 1, "0.2", "--name", "mine-2")
    assert (lost.exit_code, "repeat with --name mine-2" in lost.stderr) == (tradecli.EXIT_FAILURE, True)


def test_an_order_that_is_interrupted_is_not_said_to_be_done(typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "buy", interrupt)
    cut = typed("buy", SYMBOL, 1, "0.2", "--name", "mine-3")
    assert (cut.exit_code, "repeat with --name mine-3" in cut.stderr) == (tradecli.EXIT_INTERRUPTED, True)


@pytest.mark.parametrize("name", ["markets", "book", "tape", "buy", "sell", "cancel", "orders", "balance"])
def test_every_command_has_an_example_and_prints_json(typed: Any, name: str) -> None:
    told = typed(name, "--help", key=None).stdout
    assert f"tokenbourse {name}" in told
    assert {"--json", "--url"} <= set(told.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_the_commands(shell: str) -> None:
    variable = "_TOKENBOURSE_COMPLETE"
    runner = CliRunner(env={variable: f"complete_{shell}", "COMP_WORDS": "tokenbourse ma", "COMP_CWORD": "1"})
    told = runner.invoke(
        cli.app,
        [],
        prog_name="tokenbourse",
        env={"_TYPER_COMPLETE_ARGS": "tokenbourse ma", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    )
    assert "markets" in told.stdout
