"""A whole exchange served on a free port of this machine, in a thread of its own, and clients that sign."""

import asyncio
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import uvloop

from api.app import Application, create_app
from api.door import Services
from api.limits import Limits
from api.origins import Origins
from api.serve import serve
from api.stream.config import StreamConfig
from api.stream.server import WebsocketApp, server_settings, websocket_app
from api.vault import Vault
from exchange.config import Config
from exchange.core import commands
from exchange.core.state import TEST
from exchange.core.types import AccountState, AssetKind, TradingState
from exchange.events import Event
from exchange.registry.documents import (
    AccountNamed,
    AssetNamed,
    Document,
    InstrumentNamed,
    KeyCreated,
    ParticipantCreated,
    Role,
    Scope,
    commands_of,
    encode,
)
from exchange.server import Exchange

T = TypeVar("T")
SMALL = Config(capacity=TEST, journal_segment_bytes=1 << 20)
OPENS_S = 240  # on a busy machine that compiles the kernel for it
ALICE, BOB, CAROL = 1, 2, 3  # alice has cash, bob issues, carol has nothing
CNY, ALLOWANCE, LICENCE, OLD = 1, 2, 3, 4
TOKENS, DATASET, HALTED = 1, 2, 3  # instruments
SYMBOL, OTHER, CLOSED = "TA.CTEL.Q3.OUT.GZ.M2701.G80A", "DL.0000123456.FT.Y1S5", "TA.OLD"
LOT = 1_000_000
KEYS = {
    "alice": ("alice0000000000000000000000000000", ALICE, (Scope.READ, Scope.TRADE), {}),
    "bob": ("bob000000000000000000000000000000", BOB, (Scope.READ, Scope.TRADE), {}),
    "carol": ("carol0000000000000000000000000000", CAROL, (Scope.READ, Scope.TRADE), {}),
    "reader": ("reader000000000000000000000000000", ALICE, (Scope.READ,), {}),
    "expired": ("expired00000000000000000000000000", ALICE, (Scope.READ, Scope.TRADE), {"expires_ns": 1}),
    "elsewhere": ("elsewhere0000000000000000000000000", ALICE, (Scope.READ,), {"ip_allow": ("10.0.0.0/8",)}),
}


def secret(name: str) -> str:
    """Return the secret of a key."""
    return f"secret of {name}"


def listing(index: int, symbol: str, base: int, tick_value: int, price_decimals: int, lot_units: int) -> Document:
    return InstrumentNamed(
        index=index,
        symbol=symbol,
        base=base,
        quote=CNY,
        tick_value=tick_value,
        lot_units=lot_units,
        price_decimals=price_decimals,
        quantity_decimals=0,
        quantity_min=1,
        quantity_max=10_000,
        band_low_ticks=10,
        band_high_ticks=10_000_000,
        maker_bps=-1,
        taker_bps=5,
    )


def documents(vault: Vault) -> list[Document]:
    """Return who and what there is."""
    named: list[Document] = [
        ParticipantCreated("house", Role.TRADER),
        AccountNamed(ALICE, "alice", "house", Role.TRADER),
        AccountNamed(BOB, "bob", "house", Role.ISSUER),
        AccountNamed(CAROL, "carol", "house", Role.TRADER),
        AssetNamed(CNY, "CNY", AssetKind.CASH, 6),
        AssetNamed(ALLOWANCE, SYMBOL, AssetKind.ALLOWANCE, 6, BOB),
        AssetNamed(LICENCE, OTHER, AssetKind.LICENCE, 0, BOB),
        AssetNamed(OLD, CLOSED, AssetKind.ALLOWANCE, 6, BOB),
        listing(TOKENS, SYMBOL, ALLOWANCE, 100, 4, LOT),
        listing(DATASET, OTHER, LICENCE, 10_000, 2, 1),
        listing(HALTED, CLOSED, OLD, 100, 4, LOT),
    ]
    for name, (key, account, scopes, terms) in KEYS.items():
        named.append(KeyCreated(key, vault.encrypt(secret(name).encode()), account, scopes, name, **terms))
    return named


async def furnish(exchange: Exchange, vault: Vault) -> None:
    """Give the exchange its names, its markets and its money."""
    for document in documents(vault):
        await exchange.submit(commands_of(document), encode(document))
    await exchange.submit(
        commands.set_trading_state(TOKENS, TradingState.CONTINUOUS)
        + commands.set_trading_state(DATASET, TradingState.CONTINUOUS)
        + commands.deposit(ALICE, CNY, 1_000_000 * 10**6)
        + commands.issue(BOB, ALLOWANCE, 1_000_000 * LOT)
        + commands.issue(BOB, LICENCE, 1_000)
    )


class Client:
    """One key's way in: signs, sends, and hands back status, body and headers."""

    def __init__(self, base: str, name: str) -> None:
        self.key = KEYS[name][0]
        self.secret = secret(name)
        self._http = httpx.Client(base_url=base, timeout=60)

    def signed(self, method: str, path: str, /, **parameters: Any) -> httpx.Response:
        """Send a signed request, as a form where the method has a body."""
        return self.send(method, path, self.sign(parameters))

    def sign(self, parameters: dict[str, Any]) -> str:
        parameters = {"timestamp": time.time_ns() // 1000} | parameters
        text = urlencode({name: value for name, value in parameters.items() if value is not None})
        return f"{text}&signature={hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"

    def send(self, method: str, path: str, text: str, **headers: str) -> httpx.Response:
        """Send a text as it is."""
        headers = {"X-MBX-APIKEY": self.key} | headers
        if method in ("POST", "PUT"):
            headers |= {"Content-Type": "application/x-www-form-urlencoded"} | headers
            return self._http.request(method, path, content=text, headers=headers)
        return self._http.request(method, f"{path}?{text}", headers=headers)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Send a plain request."""
        return self._http.get(path, params=parameters)

    def order(self, side: str, quantity: object, price: object = None, /, **more: Any) -> httpx.Response:
        """Place an order: a limit order unless something else is said."""
        terms = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "quantity": quantity, "price": price}
        terms["timeInForce"] = "GTC" if more.get("type", "LIMIT") == "LIMIT" else None
        return self.signed("POST", "/api/v3/order", **(terms | more))

    def close(self) -> None:
        self._http.close()


class Venue:
    """A served exchange: its address, its clients, and the way to its inside."""

    def __init__(
        self,
        directory: Path,
        limits: Limits | None = None,
        config: Config = SMALL,
        streams: StreamConfig | None = None,
        origins: tuple[str, ...] = (),
    ) -> None:
        self.directory = directory
        self.origins = origins
        self.streams = streams or StreamConfig()
        self.limits = limits or Limits()
        self.config = config
        self.port = 0
        self.services: Services
        self.websockets: WebsocketApp
        self.application: Application
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._clients: dict[str, Client] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()))
        self._failure: BaseException | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def exchange(self) -> Exchange:
        return self.services.exchange

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(OPENS_S), "the exchange takes too long to open"
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def client(self, name: str) -> Client:
        if name not in self._clients:
            self._clients[name] = Client(self.base, name)
        return self._clients[name]

    def submit(self, *made: bytes) -> list[Event]:
        """Put commands into the exchange behind the API's back."""

        async def act() -> list[Event]:
            return await self.exchange.submit(b"".join(made))

        return self.run(act)

    def run(self, action: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do something on the server's loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(action(), self._loop)
        return future.result(30)

    def reset(self) -> None:
        """End every open order."""
        for account in (ALICE, BOB, CAROL):
            self.submit(commands.set_account_state(account, AccountState.ACTIVE), commands.mass_cancel(account))

    async def _serve(self) -> None:
        try:
            vault = Vault.open(self.directory)
            exchange = Exchange.open(self.directory, self.config)
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            exchange.start(self._loop)
            if not exchange.registry.instruments:
                await furnish(exchange, vault)
            self.services = Services.of(exchange, vault, self.limits, Origins(self.origins))
            self.websockets = websocket_app(self.services, self.streams)
            self.application = create_app(self.services, websocket=self.websockets)
            await self._listen(self.application, server_settings(self.streams))
        except BaseException as error:
            self._failure = error
            self._ready.set()
            raise

    async def _listen(self, application: Application, settings: dict[str, Any]) -> None:
        await serve(application, "127.0.0.1", 0, stop=self._stop, ready=self._is_ready, **settings)

    def _is_ready(self, port: int) -> None:
        self.port = port
        self._ready.set()


@contextmanager
def venue(
    directory: Path,
    limits: Limits | None = None,
    config: Config = SMALL,
    streams: StreamConfig | None = None,
    origins: tuple[str, ...] = (),
) -> Iterator[Venue]:
    """Serve an exchange as long as the block lasts."""
    served = Venue(directory, limits, config, streams, origins)
    served.start()
    try:
        yield served
    finally:
        served.stop()
