"""Every limit and size of the exchange, by name: what may be chosen at a start is a field of Config."""

from dataclasses import dataclass

from exchange.core.state import PRODUCTION, Capacity

MEBIBYTE = 1 << 20

# what stands where in a data directory
JOURNAL_FOLDER = "journal"
SNAPSHOT_FOLDER = "snapshots"
EVENT_FOLDER = "events"
EVENT_SEGMENT_EVENTS = 1 << 20  # a constant: it shapes files that other processes read


@dataclass(frozen=True, slots=True)
class Config:
    """The limits of one exchange."""

    # the core
    capacity: Capacity = PRODUCTION  # rows of the engine's tables: the same for the life of a data directory

    # the sequencer
    queue_commands_max: int = 65_536  # accepted but not yet answered; beyond that the exchange is overloaded
    batch_submissions_max: int = 4_096  # written with one sync and applied with one call
    submission_commands_max: int = 32_768  # of one caller at once: a batch of metered use is one submission
    document_bytes_max: int = 262_144  # of one document of the registry
    thread_switch_us: int = 200  # how long one thread may keep the others of the process waiting
    collector_objects: int = 20_000  # new ones between two runs of the cyclic collector over the youngest

    # timers
    timer_ms: int = 50  # between two looks at what is due
    timed_commands_max: int = 256  # submitted at once
    day_end_delay_s: int = 60  # until the prices of a day are published though nothing happens any more

    # the journal
    journal_segment_bytes: int = 64 * MEBIBYTE  # preallocated and filled with zeros
    journal_trimmed: bool = False  # forget what lies below the older snapshot; otherwise all history is kept
    journal_checked_whole: bool = True  # at a start, not only from the newest snapshot on: about a second per GB

    # snapshots
    snapshot_commands: int = 1_000_000  # between two of them, and between two hashes of the state
    snapshots_kept: int = 2

    # surveillance, which follows the event log at its own pace
    watched_events_max: int = 256  # looked at without a pause
    watch_share_percent: int = 20  # of the event loop's time, while it is behind
    watch_idle_ms: int = 20  # between two looks at whether there is something new

    # recovery
    replay_commands_max: int = 65_536  # applied with one call
    rebuild_events_max: int = 16_384  # given to the views at once

    # the views
    closed_orders_max: int = 10_000  # kept per account
    fills_max: int = 10_000  # kept per account
    order_fills_max: int = 1_000  # kept with an order
    trades_max: int = 10_000  # kept per instrument
    candles_max: int = 10_000  # kept per instrument and interval
    notices_max: int = 10_000  # kept of all instruments together
    asked_orders_max: int = 65_536  # whose commands were looked up in the journal
