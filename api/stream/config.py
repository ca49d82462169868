"""Every limit of the websockets, by name."""

from dataclasses import dataclass

KIBIBYTE = 1 << 10


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """What one connection may do and cost; the defaults bound 10,000 stalled readers to what a small machine has."""

    connections_max: int = 10_000
    subscriptions_max: int = 1_024  # of one connection
    wide_subscriptions_max: int = 32  # of these, streams of many instruments: each hears everything that happens
    message_bytes_max: int = 256 * KIBIBYTE  # of one message from a client
    messages_per_second: int = 10  # from one client, in the long run
    messages_burst: int = 100  # from one client, at once
    requests_in_flight_max: int = 1_024  # of one connection: received, not yet answered

    backlog_messages_max: int = 4_096  # for a reader that is slower than its streams
    backlog_bytes_max: int = 1_024 * KIBIBYTE
    send_buffer_bytes: int = 256 * KIBIBYTE  # of the system, before the backlog begins
    stall_s: float = 3.0  # how long a reader may keep unread what must not be merged
    farewell_s: float = 1.5  # how long a reader that is cut may take to read why

    ping_interval_s: float = 20.0
    ping_timeout_s: float = 60.0
    lifetime_s: float = 86_400.0  # of one connection

    tick_ms: int = 100  # the faster of the two paces of streams
    slow_ticks: int = 10  # the slower pace, in ticks
