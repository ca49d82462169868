"""The whole exchange in one tree of processes: what `tokenbourse serve` builds, runs and takes down again.

The only place where the parts are put together. The ledger starts beside the recovery; nothing is served before both
are there; at the end the door closes first, then the exchange, and the poster posts what is left.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import structlog
import uvloop

from api.app import Application, create_app
from api.bootstrap import prepare
from api.clerk import at_work
from api.demo.day import keep_market
from api.door import Services
from api.gateways.fleet import serve_behind
from api.gateways.process import GatewayOptions
from api.keeper import Keeper
from api.kernel import compile_apart, is_compiled
from api.limits import Limits
from api.metrics import Gauges, metrics_route
from api.origins import Origins
from api.serve import serve, stop_on_signals, stoppable
from api.stream.config import StreamConfig
from api.stream.server import server_settings, websocket_app
from api.titles import Titles, open_titles
from api.v1.desk import Desk
from api.v1.router import routes
from api.vault import Vault
from exchange.config import Config
from exchange.server import Exchange
from settlement.ledger import Ledger
from settlement.publications import publish

WATCH_S = 0.5  # between two looks at whether the exchange still takes commands
log = structlog.get_logger()


class Tls(NamedTuple):
    """Files in PEM, for serving over TLS."""

    certificate: Path  # with the chain behind it
    key: Path


class Options(NamedTuple):
    """How to serve."""

    directory: Path
    host: str
    port: int
    dsn: str | None = None  # None: a Postgres of our own
    is_demo: bool = False
    config: Config = Config()
    limits: Limits = Limits()
    gateways: int = 0  # processes in front of this one; 0: it serves its clients itself
    tls: Tls | None = None
    origins: tuple[str, ...] = ()  # whose pages may use it, besides its own


class Started(NamedTuple):
    """Where everything is once it serves."""

    url: str
    operator_file: Path
    instruments: int
    events: int


class Observer(NamedTuple):
    """Who hears how a start goes on."""

    step: Callable[[str], None]
    started: Callable[[Started], None]


class ExchangeFailedError(Exception):
    """The exchange stopped taking commands by itself; the message says why. A restart recovers from the journal."""


def run(options: Options, observer: Observer) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises JournalError, RecoveryError, PostgresError, MigrationError, UnsafeServerError or OSError when it cannot
    start, ExchangeFailedError when it fails later.
    """
    options.directory.mkdir(parents=True, exist_ok=True)
    with stoppable():
        keeper = Keeper(options.directory, options.dsn)
        if not is_compiled(options.config.capacity):
            observer.step("compiling the matching kernel, which the first start on a machine does once")
            compile_apart(options.config.capacity)
        observer.step("reading the journal")
        exchange = Exchange.open(options.directory, options.config, progress=_progress(observer))
        keeper.start()
        try:
            uvloop.run(_serve(options, observer, exchange, keeper))
        finally:
            keeper.stop()


async def _serve(options: Options, observer: Observer, exchange: Exchange, keeper: Keeper) -> None:
    stop = asyncio.Event()
    stop_on_signals(asyncio.get_running_loop(), stop)
    try:
        exchange.start(asyncio.get_running_loop())
        vault = Vault.open(options.directory)
        operator_file = await prepare(exchange, vault, options.directory)
        observer.step("starting the ledger")
        dsn = await asyncio.to_thread(keeper.dsn)
        titled = open_titles(dsn, exchange.registry, vault)
        async with (
            _ledger(dsn) as ledger,
            titled as titles,
            at_work(exchange, titles),
            _publishing(exchange, dsn),
        ):
            application = _application(options, exchange, vault, ledger, titles, keeper)
            await _serve_application(options, observer, application, operator_file, stop)
    finally:
        await exchange.stop()


@asynccontextmanager
async def _ledger(dsn: str) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(dsn)
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def _publishing(exchange: Exchange, dsn: str) -> AsyncIterator[None]:
    """Store the prices of each day as they are published."""
    publishing = asyncio.create_task(publish(exchange.prices, dsn))
    try:
        yield
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


def _application(
    options: Options, exchange: Exchange, vault: Vault, ledger: Ledger, titles: Titles, keeper: Keeper
) -> Application:
    services = Services.of(exchange, vault, options.limits, Origins(options.origins))
    desk = Desk.of(exchange, ledger, services.keys, vault, services.limiter)._replace(titles=titles)
    gauges = Gauges(exchange, ledger, keeper)
    application = create_app(services, [routes(desk), metrics_route(gauges)], websocket_app(services, StreamConfig()))
    gauges.connections = lambda: len(application.connections)
    return application


async def _serve_application(
    options: Options, observer: Observer, application: Application, operator_file: Path, stop: asyncio.Event
) -> None:
    exchange = application.services.exchange
    beside: list[asyncio.Task[None]] = [asyncio.create_task(_watch(exchange, stop))]

    def started(port: int) -> None:
        host = f"[{options.host}]" if ":" in options.host else options.host
        url = f"{'http' if options.tls is None else 'https'}://{host}:{port}"
        observer.started(Started(url, operator_file, len(exchange.registry.instruments), exchange.events.count))
        if options.is_demo:
            beside.append(asyncio.create_task(_enliven(url, options.directory, stop)))

    settings = server_settings(StreamConfig())
    tls = {} if options.tls is None else {"ssl_certfile": str(options.tls[0]), "ssl_keyfile": str(options.tls[1])}
    if options.gateways:
        place = GatewayOptions(
            str(options.directory), options.host, options.port, options.limits, tls, origins=options.origins
        )
        await serve_behind(application, place, options.gateways, stop=stop, ready=started, settings=settings)
    else:
        await serve(application, options.host, options.port, stop=stop, ready=started, **settings, **tls)
    for task in beside[1:]:
        task.cancel()
    failure = await _ended(beside[0])
    if failure is not None:
        raise failure


async def _watch(exchange: Exchange, stop: asyncio.Event) -> None:
    """End the service when the exchange takes no more commands: a restart recovers, waiting does not."""
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), WATCH_S)
            return
        if exchange.sequencer.refusal:
            stop.set()
            raise ExchangeFailedError(exchange.sequencer.refusal)


async def _enliven(url: str, directory: Path, stop: asyncio.Event) -> None:
    try:
        await keep_market(url, directory, stop)
    except Exception:
        log.exception("the demo's market makers ended; the exchange goes on")


async def _ended(task: asyncio.Task[None]) -> BaseException | None:
    await asyncio.wait([task])
    return task.exception()


def _progress(observer: Observer) -> Callable[[str, int, int], None]:
    words = {"replay": "replaying the journal", "rebuild": "rebuilding the views"}

    def report(what: str, done: int, total: int) -> None:
        observer.step(f"{words.get(what, what)}: {done:,} of {total:,}")

    return report
