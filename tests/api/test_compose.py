"""The whole exchange in one tree of processes: started, watched, and taken down in order."""

import asyncio
import json
import os
import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from api import compose
from api.compose import ExchangeFailedError, Observer, Options, Started, Tls, run
from exchange.config import Config
from exchange.core.state import TEST
from exchange.journal.contract import JournalLockedError
from exchange.journal.file import FileJournal
from exchange.server import Exchange
from tests.api.certificates import certificate

SMALL = Config(capacity=TEST, journal_segment_bytes=1 << 20)


def _run(
    directory: Path, use: Callable[[Started], None], *, is_demo: bool = False, gateways: int = 0, tls: Tls | None = None
) -> list[str]:
    """Serve until `use`, which gets a thread of its own, is through; return the steps of the start."""
    steps: list[str] = []
    failures: list[BaseException] = []

    def drive(started: Started) -> None:
        try:
            use(started)
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread of the test
            failures.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def begin(started: Started) -> None:
        threading.Thread(target=drive, args=(started,)).start()

    options = Options(directory, "127.0.0.1", 0, None, is_demo, SMALL, gateways=gateways, tls=tls)
    run(options, Observer(steps.append, begin))
    for failure in failures:
        raise failure
    return steps


def test_a_start_tells_its_steps_and_serves_all_dialects(tmp_path: Path) -> None:
    def use(started: Started) -> None:
        assert started.operator_file == tmp_path / "operator.json"
        assert (started.instruments, started.events) == (0, 1)
        with httpx.Client(base_url=started.url, timeout=60) as http:
            assert http.get("/v1/health").json()["ledger"]["connected"] is True
            assert http.get("/api/v3/ping").json() == {}
            paths = http.get("/openapi.json").json()["paths"]
            assert {"/api/v3/order", "/v1/usage"} <= set(paths)

    steps = _run(tmp_path, use)
    assert [step.split(" ")[0] for step in steps if not step.startswith("compiling")] == ["reading", "starting"]
    tls = certificate(tmp_path)

    def use_again(started: Started) -> None:
        assert started.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(tls.certificate))
        with httpx.Client(base_url=started.url, verify=trusted, timeout=60) as http:
            assert http.get("/v1/health").json()["ledger"]["connected"] is True
            assert http.get("/api/v3/ping").json() == {}
        with connect(started.url.replace("https", "wss") + "/ws-api/v3", ssl=trusted) as line:
            line.send('{"id":1,"method":"ping"}')
            assert json.loads(line.recv())["status"] == 200
            assert line.socket.version() == "TLSv1.3"
            assert not line.socket.session.has_ticket  # which may cost a client of two threads its request

    again = _run(tmp_path, use_again, gateways=1, tls=tls)
    assert [step for step in again if step.startswith("rebuilding the views")] == ["rebuilding the views: 1 of 1"]


def test_an_exchange_that_fails_ends_the_service_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    made: list[Exchange] = []
    open_exchange = Exchange.open

    def remember(*arguments: object, **named: object) -> Exchange:
        made.append(open_exchange(*arguments, **named))
        return made[0]

    monkeypatch.setattr(Exchange, "open", remember)

    def begin(_: Started) -> None:
        monkeypatch.setattr(FileJournal, "append", fail)
        made[0].submit(bytes(128)).add_done_callback(lambda future: future.exception())

    with pytest.raises(ExchangeFailedError, match="No space left"):
        run(Options(tmp_path, "127.0.0.1", 0, config=SMALL), Observer(lambda _: None, begin))


def test_what_cannot_start_leaves_nothing_running(tmp_path: Path) -> None:
    before = threading.enumerate()
    holder = FileJournal.open(tmp_path / "journal", SMALL.journal_segment_bytes)
    with pytest.raises(JournalLockedError):
        run(Options(tmp_path, "127.0.0.1", 0, config=SMALL), Observer(lambda _: None, lambda _: None))
    holder.close()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


@pytest.mark.parametrize("fails", [False, True])
def test_the_demo_trades_beside_and_cannot_end_the_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    called = threading.Event()

    async def keep_market(url: str, directory: Path, stop: asyncio.Event) -> None:
        assert url.startswith("http://127.0.0.1:")
        assert directory == tmp_path
        called.set()
        if fails:
            raise ValueError("no market makers")
        await stop.wait()

    monkeypatch.setattr(compose, "keep_market", keep_market)

    def use(started: Started) -> None:
        assert called.wait(10)
        assert httpx.get(f"{started.url}/api/v3/ping").status_code == 200

    _run(tmp_path, use, is_demo=True)
