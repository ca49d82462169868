"""Symbols complete on the command line: from the exchange, from what is kept, and never with a word or a wait."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from api import cli, completion
from tests.api.v1.office import SYMBOL, Office, office

OTHER, THIRD = "TA.OTHER", "DL.THIRD"
TAKERS = ("book", "tape", "buy", "sell", "cancel", "orders")
SHELL = "import sys; from api.commandline import main; sys.argv = ['tokenbourse']; main()"
OPERATORS = ("halt", "resume", "phase", "uncross")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("completion")) as open_office:
        issuer, _ = open_office.furnish()
        for symbol in (OTHER, THIRD):
            open_office.list(symbol, issuer.account)
        yield open_office


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(completion.URL_VARIABLE, raising=False)
    monkeypatch.setattr(completion, "ASK_S", 10.0)  # the machine may be busy
    return tmp_path


def completed(incomplete: str, url: str) -> list[str]:
    context = SimpleNamespace(params={"url": url})
    return completion.symbols(context, incomplete)  # type: ignore[arg-type]  # all that is asked of a context


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_symbols_come_from_the_exchange_and_are_kept(served: Office) -> None:
    assert completed("TA.", served.base) == [SYMBOL, OTHER]
    file = completion.cache_file(served.base)
    assert file.read_text().split() == [SYMBOL, OTHER, THIRD]
    assert completed("DL", served.base) == [THIRD]
    assert completed("nothing", served.base) == []


def test_only_what_was_listed_since_is_asked_for(served: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "PAGE", 1)
    assert completed("", served.base) == [SYMBOL, OTHER, THIRD]
    file = completion.cache_file(served.base)
    file.write_text(f"TA.KEPT\n{OTHER}")
    assert completed("", served.base) == ["TA.KEPT", OTHER, THIRD]


def test_what_another_exchange_had_listed_is_forgotten(served: Office) -> None:
    file = completion.cache_file(served.base)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("TA.OF.ANOTHER")
    assert completed("", served.base) == []
    assert completed("", served.base) == [SYMBOL, OTHER, THIRD]


@pytest.mark.parametrize("cached", ["TA.KEPT", "\x00\xff", None])
def test_an_exchange_that_is_away_takes_nothing_away(cached: str | None, capfd: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    if cached is not None:
        file = completion.cache_file(url)
        file.parent.mkdir(parents=True)
        file.write_bytes(cached.encode("latin-1"))
    assert completed("TA", url) == (["TA.KEPT"] if cached == "TA.KEPT" else [])
    assert completed("", "no address") == completed("", "http://127.0.0.1:80a") == []
    assert capfd.readouterr() == ("", "")


def test_an_exchange_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "ASK_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        begun = time.monotonic()
        assert completed("", f"http://127.0.0.1:{mute.getsockname()[1]}") == []
        assert time.monotonic() - begun < completion.ASK_S + 20  # the machine may be busy, but nobody is asked again


def test_a_cache_that_cannot_be_written_is_done_without(served: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert completed("DL", served.base) == [THIRD]


def test_every_command_that_takes_an_instrument_completes_it() -> None:
    wanted = {*TAKERS, *(f"operator {name}" for name in OPERATORS)}
    assert set(completing(typer.main.get_command(cli.app))) == wanted


def completing(command: Any, path: str = "") -> Iterator[str]:
    """Yield the commands that take symbols."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from completing(inner, f"{path} {name}".strip())
    for parameter in command.params:
        if parameter.name in {"symbol", "symbols"}:
            assert parameter._custom_shell_complete is not None, path
            yield path


def test_the_shell_gets_them(served: Office) -> None:
    words = f"tokenbourse buy --url {served.base} TA.C"
    environment = {**os.environ, "_TOKENBOURSE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "4"}
    asked = subprocess.run([sys.executable, "-c", SHELL], env=environment, capture_output=True, check=False)
    assert (asked.stdout.decode().split(), asked.stderr) == ([SYMBOL], b"")
