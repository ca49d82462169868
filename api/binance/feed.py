"""From the batches of events to the streams that somebody reads, and the beat of those that have a pace.

An instrument nobody listens to costs one look-up per event. A channel is made for the first reader of its stream
and dropped with the last.
"""

from api.binance.channels import Channel, Sources, channel_of
from api.binance.published import Published
from api.binance.streams import FAST_MS, MANY, PUBLISHED, SLOW_MS, Kind, Stream, parse
from api.stream.hub import MILLISECOND_NS, Connection, Hub
from exchange.events import Event
from exchange.marketdata.prices import DailyPrices
from exchange.sequencer import Batch

_PHASES = frozenset({Kind.PHASE, Kind.PHASES})
ALL = 0  # the instrument number of streams about all of them


class Feed:
    """The market streams of one exchange."""

    def __init__(self, hub: Hub, sources: Sources, prices: DailyPrices) -> None:
        """Tell what the sources hold, and prices by day, to the readers of a hub."""
        self._hub = hub
        self._prices = prices
        self._sources = sources
        self._channels: dict[str, Channel] = {}
        self._watched: dict[int, dict[str, Channel]] = {}
        self._due: dict[int, dict[str, Channel]] = {FAST_MS: {}, SLOW_MS: {}}

    def parse(self, name: str, unit_ns: int = MILLISECOND_NS) -> Stream | None:
        """Return the stream of a name, its times in a unit; None if there is none."""
        return parse(name, self._sources.directory.find, unit_ns)

    def subscribe(self, connection: Connection, stream: Stream, prefix: bytes) -> None:
        """Let a connection read a stream, beginning with how things stand if the stream says such."""
        channel = self._channels.get(stream.topic) or self._open(stream)
        welcome = channel.welcome(self._hub.now_ms())  # first: it may have to tell others what led to it
        self._hub.subscribe(connection, stream.topic, prefix)
        if welcome is not None:
            connection.push(welcome, prefix)

    def reads_phases(self, instrument: int) -> bool:
        """Tell whether somebody wants to know how an instrument's auction forms."""
        names = (*self._watched.get(instrument, ()), *self._watched.get(ALL, ()))
        return any(self._channels[name].stream.kind in _PHASES for name in names)

    def close(self, name: str) -> None:
        """Forget a stream that nobody reads any more."""
        channel = self._channels.pop(name, None)
        if channel is None:
            return
        stream = channel.stream
        channels = self._watched[stream.instrument]
        del channels[name]
        if not channels:
            del self._watched[stream.instrument]
        for due in self._due.values():
            due.pop(name, None)

    def on_batch(self, batch: Batch) -> None:
        """Tell what happened to those who listen."""
        watched = self._watched
        if not watched:
            return
        touched: dict[int, list[Event]] = {}
        for event in batch.rows.about(watched):
            if event.instrument:
                touched.setdefault(event.instrument, []).append(event)
        if ALL in watched:
            touched[ALL] = batch.rows.rows
        for instrument, events in touched.items():
            for name, channel in watched[instrument].items():
                if channel.on_batch(events):
                    self._due[channel.stream.pace_ms][name] = channel

    def _open(self, stream: Stream) -> Channel:
        topic = self._hub.topic(stream.topic)
        if stream.kind in PUBLISHED:
            channel: Channel = Published(stream, topic.publish, self._prices)
        else:
            channel = channel_of(stream, topic.publish, self._sources, self._hub.now_ms())
        self._channels[stream.topic] = channel
        self._watched.setdefault(stream.instrument, {})[stream.topic] = channel
        # a candle may be open already, and will have to be closed; a day may end without an event
        if stream.interval is not None or stream.kind in PUBLISHED:
            self._due[stream.pace_ms][stream.topic] = channel
        return channel

    def beat(self, pace_ms: int) -> None:
        """Let the streams of a pace say what they gathered."""
        due, self._due[pace_ms] = self._due[pace_ms], {}
        now_ms = self._hub.now_ms()
        self._sources.tickers.begin_beat()
        for name, channel in due.items():
            if channel.on_beat(now_ms):
                is_late = channel.stream.kind in MANY  # there was no time for all that changed
                self._due[FAST_MS if is_late else pace_ms][name] = channel
