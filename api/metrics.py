"""What a monitor sees at /metrics, in the text format of Prometheus: the exchange, its journal, how far the ledger is.

Counts only go up, also over a restart where they are numbers of commands, events and batches: rates are the monitor's.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from exchange.server import Exchange
from settlement.connect import PASSING_ERRORS
from settlement.ledger import Ledger, Status

SECOND_NS = 1_000_000_000


class Deaths(Protocol):
    """Who keeps the ledger's processes alive."""

    poster_deaths: int
    postgres_deaths: int


class Gauges:
    """Reads the parts when asked, and keeps nothing but the number of questions that the ledger did not answer."""

    def __init__(self, exchange: Exchange, ledger: Ledger | None, keeper: Deaths | None = None) -> None:
        """Prepare to read; a ledger that is not there counts as one that does not answer."""
        self.connections: Callable[[], int] = int
        self._exchange = exchange
        self._ledger = ledger
        self._keeper = keeper
        self._failures = 0

    async def text(self) -> bytes:
        """Return all metrics as they are now."""
        status = await self._status()
        return generate_latest(_Collected([*self._exchange_metrics(), *self._ledger_metrics(status)]))

    async def _status(self) -> Status | None:
        if self._ledger is None:
            return None
        try:
            return await self._ledger.status(self._exchange.events.count)
        except PASSING_ERRORS:
            self._failures += 1
            return None

    def _exchange_metrics(self) -> Iterator[Metric]:
        exchange = self._exchange
        sequencer = exchange.sequencer
        spent = sequencer.journal_time
        yield _gauge("exchange_ready", "1 while commands are accepted", not sequencer.refusal)
        yield _counter("exchange_commands", "Commands made durable since the first one", sequencer.sequence)
        yield _counter("exchange_events", "Events written since the first one", exchange.events.count)
        yield _gauge("exchange_pending_commands", "Commands that wait for their answer", sequencer.pending)
        yield _gauge("exchange_pending_commands_max", "How many may wait", float(exchange.config.queue_commands_max))
        behind = exchange.follower.behind
        yield _gauge("exchange_surveillance_behind_events", "Events that surveillance has yet to look at", behind)
        yield _gauge("exchange_journal_position", "The journal's last record", exchange.journal.position)
        yield SummaryMetricFamily(
            "tokenbourse_exchange_journal_sync_seconds",
            "Groups of commands made durable since the start, and the time that took",
            count_value=spent.groups,
            sum_value=spent.busy_ns / SECOND_NS,
        )
        yield _gauge("exchange_connections", "Open connections, websockets not included", self.connections())

    def _ledger_metrics(self, status: Status | None) -> Iterator[Metric]:
        count = self._exchange.events.count
        known = self._ledger.known_seq if self._ledger is not None else 0
        yield _gauge("ledger_up", "1 if the ledger has answered just now", status is not None)
        yield _gauge(
            "ledger_waiting_events", "Events that are not posted yet, as far as is known", max(0, count - known)
        )
        yield _counter("ledger_posted_events", "The last event that is posted, as far as is known", known)
        if status is not None:
            yield _counter("ledger_batches", "Transactions that posted events", status.batch)
            yield _gauge("ledger_epoch", "How often a poster has taken over", status.epoch)
            yield _gauge(
                "ledger_command_sequence", "The last command all of whose events are posted", status.command_sequence
            )
        yield _counter("ledger_failures", "Questions that the ledger did not answer, since the start", self._failures)
        if self._keeper is not None:
            yield _counter(
                "ledger_poster_deaths", "Posters that ended by themselves, since the start", self._keeper.poster_deaths
            )
            yield _counter(
                "ledger_postgres_deaths", "Times Postgres had to be started again", self._keeper.postgres_deaths
            )


class _Collected:
    """Metrics in the shape in which the library wants to be handed them."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def metrics_route(gauges: Gauges) -> APIRouter:
    """Return the route of the metrics, open to everybody like the health of the exchange."""
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Return the exchange's gauges and counters as text for Prometheus."""
        return Response(await gauges.text(), media_type=CONTENT_TYPE_LATEST)

    return router


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"tokenbourse_{name}", meaning, value=float(value))


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"tokenbourse_{name}", meaning, value=float(value))
