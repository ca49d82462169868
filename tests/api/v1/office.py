"""A fresh exchange served with our own dialect on a free port, in a thread of its own, and clients that sign."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import uvloop

from api.app import Application, create_app
from api.bootstrap import prepare
from api.clerk import Clerk, at_work
from api.door import Services
from api.limits import Limits
from api.metrics import Gauges, metrics_route
from api.serve import serve
from api.stream.server import WebsocketApp, server_settings, websocket_app
from api.titles import open_titles
from api.v1.desk import Desk
from api.v1.grave import REASONED_ACTS
from api.v1.router import routes
from api.vault import Vault
from exchange.clock import Clock, SystemClock
from exchange.config import Config
from exchange.core.state import TEST
from exchange.server import Exchange
from settlement.ledger import Ledger

T = TypeVar("T")
SMALL = Config(capacity=TEST, journal_segment_bytes=1 << 20)
OPENS_S = 240  # on a busy machine that compiles the kernel for it
SYMBOL = "TA.CTEL.Q3.BLEND.GZ.M2701.G80A"
LICENCE = "DL.0000123456.FT.Y1S5"


class Later(SystemClock):
    """A clock that goes ahead when told."""

    ahead_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.ahead_ns


class Client:
    """One key's way in: signs, sends, and hands back what the exchange says."""

    def __init__(self, base: str, key: str, secret: str, account: int, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.key = key
        self.secret = secret
        self.account = account
        self.http = httpx.Client(base_url=base, timeout=60)

    def query(self, body: bytes = b"", **parameters: Any) -> str:
        """Return a signed query string."""
        text = urlencode({"timestamp": self.clock.now_ns() // 1000, "recvWindow": 30_000} | parameters)
        return f"{text}&signature={self.sign(text.encode() + body)}"

    def sign(self, payload: bytes) -> str:
        return hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()

    def send(self, method: str, path: str, body: bytes, content_type: str, **parameters: Any) -> httpx.Response:
        if f"{method} {path}" in REASONED_ACTS:
            parameters = {"reason": "a test"} | parameters
        headers = {"X-MBX-APIKEY": self.key, "Content-Type": content_type}
        return self.http.request(method, f"{path}?{self.query(body, **parameters)}", content=body, headers=headers)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.send("POST", path, json.dumps(body).encode(), "application/json")

    def put(self, path: str, **body: Any) -> httpx.Response:
        return self.send("PUT", path, json.dumps(body).encode(), "application/json")

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.get(f"{path}?{self.query(**parameters)}", headers={"X-MBX-APIKEY": self.key})

    def delete(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.delete(f"{path}?{self.query(**parameters)}", headers={"X-MBX-APIKEY": self.key})

    def nominate(self, amount: str, key: str = "", asset: str = SYMBOL) -> dict[str, Any]:
        """Set units aside for a key, by default this one."""
        made = self.post("/v1/nominations", key=key or self.key, asset=asset, amount=amount)
        assert made.status_code == 200, made.text
        return made.json()

    def order(self, side: str, quantity: int, price: str, symbol: str = SYMBOL, lives: str = "GTC") -> dict[str, Any]:
        """Place a limit order through the compatible dialect."""
        terms = {"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": lives}
        query = self.query(**terms, quantity=quantity, price=price)
        answer = self.http.post(f"/api/v3/order?{query}", headers={"X-MBX-APIKEY": self.key})
        assert answer.status_code == 200, answer.text
        return answer.json()


class Office:
    """A served exchange, its operator, and whom the operator lets in."""

    def __init__(self, directory: Path, config: Config, limits: Limits, dsn: str | None, clock: Clock) -> None:
        self.clock = clock
        self.directory = directory
        self.config = config
        self.limits = limits
        self.dsn = dsn
        self.keeper = SimpleNamespace(poster_deaths=0, postgres_deaths=0)  # of one that is not there
        self.exchange: Exchange
        self.application: Application
        self.desk: Desk
        self.websockets: WebsocketApp
        self.clerk: Clerk
        self._clients: list[Client] = []
        self._port = 0
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()))

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(OPENS_S), "the exchange takes too long to open"
        if self._failure is not None:
            raise self._failure
        written = json.loads((self.directory / "operator.json").read_text())
        self.operator = self.client(written["key"], written["secret"], written["account"])

    def stop(self) -> None:
        for client in self._clients:
            client.http.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def client(self, key: str, secret: str, account: int = 0) -> Client:
        client = Client(self.base, key, secret, account, self.clock)
        self._clients.append(client)
        return client

    def admit(self, name: str, *scopes: str, role: str = "trader") -> Client:
        """Create a participant with an account and a key."""
        made = self.operator.post("/v1/participants", name=name, role=role)
        assert made.status_code == 200, made.text
        return self.key(made.json()["accounts"][0]["account"], *scopes)

    def key(self, account: int, *scopes: str) -> Client:
        made = self.operator.post("/v1/keys", account=account, scopes=scopes)
        assert made.status_code == 200, made.text
        return self.client(made.json()["key"], made.json()["secret"], account)

    def furnish(self, symbol: str = SYMBOL) -> tuple[Client, Client]:
        """List an allowance; return its issuer and a buyer with a million yuan."""
        issuer = self.admit("ctel", "read", "trade", "issue", "meter", role="issuer")
        buyer = self.admit("alice", "read", "trade")
        self.list(symbol, issuer.account)
        assert self.operator.post("/v1/deposits", account=buyer.account, amount="1000000").status_code == 200
        return issuer, buyer

    def list(self, symbol: str, issuer: int, **terms: Any) -> dict[str, Any]:
        terms = {"kind": "ALLOWANCE", "price_high": "9.0", "maker_bps": -1, "taker_bps": 5} | terms
        made = self.operator.post("/v1/instruments", symbol=symbol, issuer=issuer, **terms)
        assert made.status_code == 200, made.text
        return made.json()

    def run(self, action: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do something on the server's loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(action(), self._loop)
        return future.result(30)

    async def _serve(self) -> None:
        try:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            vault = Vault.open(self.directory)
            self.exchange = Exchange.open(self.directory, self.config, self.clock)
            self.exchange.start(self._loop)
            await prepare(self.exchange, vault, self.directory)
            ledger = None if self.dsn is None else await Ledger.open(self.dsn)
            services = Services.of(self.exchange, vault, self.limits)
            self.desk = Desk.of(self.exchange, ledger, services.keys, vault, services.limiter)
            gauges = Gauges(self.exchange, ledger, self.keeper)
            async with AsyncExitStack() as stack:
                if self.dsn is not None:
                    titles = await stack.enter_async_context(open_titles(self.dsn, self.exchange.registry, vault))
                    self.clerk = await stack.enter_async_context(at_work(self.exchange, titles))
                    self.desk = self.desk._replace(titles=titles)
                sockets = self.websockets = websocket_app(services)
                application = create_app(services, [routes(self.desk), metrics_route(gauges)], sockets)
                self.application = application
                gauges.connections = lambda: len(application.connections)
                settings = server_settings(sockets.hub.config)
                await serve(application, "127.0.0.1", 0, stop=self._stop, ready=self._is_ready, **settings)
            if ledger is not None:
                await ledger.close()
        except BaseException as error:
            self._failure = error
            self._ready.set()
            raise

    def _is_ready(self, port: int) -> None:
        self._port = port
        self._ready.set()


@contextmanager
def office(
    directory: Path,
    config: Config = SMALL,
    limits: Limits | None = None,
    dsn: str | None = None,
    clock: Clock | None = None,
) -> Iterator[Office]:
    """Serve an exchange as long as the block lasts."""
    served = Office(directory, config, limits or Limits(), dsn, clock or SystemClock())
    served.start()
    try:
        yield served
    finally:
        served.stop()
