"""The sequencer: one order, nothing released before it is durable, honest refusals, a stop that answers everybody."""

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest

from exchange.config import Config
from exchange.core import commands
from exchange.core.records import COMMAND, EVENT
from exchange.core.types import CommandKind, EventKind, RejectReason, Side
from exchange.events import rows
from exchange.journal.file import FileJournal
from exchange.journal.frame import RecordKind
from exchange.sequencer import Overloaded, Stopped, entries, places, share, stamp
from tests.exchange.running import ALICE, INSTRUMENT, SMALL, Running, market, run, trading


def journaled(directory) -> list[tuple[RecordKind, bytes]]:
    """Return kinds and payloads of what is in the journal, claims left out."""
    journal = FileJournal.open(directory / "journal", SMALL.journal_segment_bytes)
    found = [(record.kind, record.payload) for record in journal.replay(0) if record.kind is not RecordKind.CLAIM]
    journal.close()
    return found


def journaled_commands(directory) -> np.ndarray:
    data = [payload for kind, payload in journaled(directory) if kind is RecordKind.COMMANDS]
    return np.frombuffer(b"".join(data), COMMAND)


def test_every_submission_is_answered_with_its_own_events(tmp_path) -> None:
    answers = run(tmp_path, lambda running: running.submit(market() + trading(10)))
    kinds = [[row.kind for row in answer] for answer in answers]
    assert kinds[:3] == [[EventKind.ASSET_CREATED], [EventKind.ACCOUNT_CREATED], [EventKind.ACCOUNT_CREATED]]
    assert kinds[8:12] == [[EventKind.ORDER_ACCEPTED], [EventKind.ORDER_ACCEPTED, EventKind.TRADED]] * 2
    assert [answer[0].sequence for answer in answers] == list(range(1, 19))
    assert all(row.sequence == answer[0].sequence for answer in answers for row in answer)


def test_several_commands_of_one_submission_share_its_answer(tmp_path) -> None:
    async def drive(running):
        await running.submit([b"".join(market())])
        return await asyncio.gather(
            running.sequencer.submit(b"".join(trading(4))),
            running.sequencer.submit_many(commands.cancel_order(ALICE, 98) * 2),
            running.sequencer.submit(commands.cancel_order(ALICE, 99)),
        )

    several, many, refused = run(tmp_path, drive)
    assert [row.sequence for row in several] == [9, 10, 10, 11, 12, 12]
    assert many.dtype == EVENT
    assert many["sequence"].tolist() == [13, 14]
    assert [(row.kind, row.reason, row.state) for row in refused] == [
        (EventKind.COMMAND_REJECTED, RejectReason.UNKNOWN_ORDER, CommandKind.CANCEL_ORDER)
    ]


def test_commands_are_stamped_with_contiguous_numbers_and_a_time_that_never_falls(tmp_path) -> None:
    async def drive(running):
        for time_ns in (5_000, 4_000, 6_000):
            running.clock.time_ns = time_ns
            await running.submit(market()[:2])

    run(tmp_path, drive)
    found = journaled_commands(tmp_path)
    assert found["sequence"].tolist() == [1, 2, 3, 4, 5, 6]
    assert found["time_ns"].tolist() == [5_000, 5_000, 5_000, 5_000, 6_000, 6_000]


def test_the_time_never_falls_over_a_restart(tmp_path) -> None:
    async def drive(running):
        running.clock.time_ns = 9_000
        await running.submit(market())

    for stop in (True, False):
        run(tmp_path, drive, stop=stop)
    run(tmp_path, lambda running: running.submit(market()[:1]))
    assert journaled_commands(tmp_path)["time_ns"].tolist() == [9_000] * 17


def test_what_waits_together_becomes_one_batch(tmp_path) -> None:
    running = Running(tmp_path)
    busy, hold = threading.Event(), threading.Event()

    def occupy(_engine) -> bool:
        busy.set()
        return hold.wait(10)

    async def drive(running):
        await running.submit(market())
        held = running.sequencer.query(occupy)
        await asyncio.to_thread(busy.wait, 10)
        waiting = [running.sequencer.submit(command) for command in trading(100)]
        hold.set()
        await asyncio.gather(held, *waiting)

    running.run(drive)
    assert len(running.batches[-1].commands) == 100


def test_a_batch_is_bounded(tmp_path) -> None:
    running = Running(tmp_path, replace(SMALL, batch_submissions_max=16))
    running.run(lambda running: running.submit(market() + trading(100)))
    assert max(len(batch.commands) for batch in running.batches) <= 16


def test_listeners_hear_every_batch_in_order_before_callers_are_answered(tmp_path) -> None:
    running = Running(tmp_path)
    heard = []

    async def drive(running):
        for command in market() + trading(20):
            answer = await running.sequencer.submit(command)
            heard.append(running.batches[-1].rows[-len(answer) :] == answer)

    running.run(drive)
    assert heard == [True] * 28
    number = 1
    for batch in running.batches:
        assert batch.first_event_number == number
        assert list(batch.rows) == rows(batch.events)
        number += len(batch.rows)
    assert running.events.count == number - 1


def test_nothing_is_released_before_it_is_in_journal_and_event_log(tmp_path) -> None:
    running = Running(tmp_path)
    seen = []
    running.sequencer.add_listener(
        lambda batch: seen.append(
            np.array_equal(running.events.read(batch.first_event_number - 1, len(batch.rows)), batch.events)
            and list(running.journal.tail(0))[-1].payload == batch.commands.tobytes()
        )
    )

    async def drive(running):
        for command in market() + trading(4):
            await running.sequencer.submit(command)

    running.run(drive)
    assert seen == [True] * 12


def test_documents_stand_in_the_journal_before_the_commands_they_came_with(tmp_path) -> None:
    first, second, third, fourth = market()[:4]

    async def drive(running):
        hold = threading.Event()
        held = running.sequencer.query(lambda _: hold.wait(10))
        waiting = [
            running.sequencer.submit(first),
            running.sequencer.submit(second, b"one"),
            running.sequencer.submit(third),
            running.sequencer.submit(b"", b"two"),
            running.sequencer.submit(fourth),
        ]
        hold.set()
        answers = await asyncio.gather(held, *waiting)
        return [len(answer) for answer in answers[1:]], running.batches[-1].documents

    assert run(tmp_path, drive, stop=False) == ([1, 1, 1, 0, 1], (b"one", b"two"))
    found = journaled(tmp_path)
    size = COMMAND.itemsize
    kinds = [(kind, len(payload) // size if kind is RecordKind.COMMANDS else payload) for kind, payload in found]
    assert kinds == [
        (RecordKind.COMMANDS, 1),
        (RecordKind.DOCUMENT, b"one"),
        (RecordKind.COMMANDS, 2),
        (RecordKind.DOCUMENT, b"two"),
        (RecordKind.COMMANDS, 1),
    ]


def test_a_document_alone_is_durable_and_heard(tmp_path) -> None:
    running = Running(tmp_path)
    assert running.run(lambda running: running.sequencer.submit(b"", b"alone")) == []
    assert journaled(tmp_path) == [(RecordKind.DOCUMENT, b"alone")]
    assert running.registry.documents == [b"alone"]


def test_a_document_that_the_registry_refuses_never_reaches_the_journal(tmp_path) -> None:
    async def drive(running):
        with pytest.raises(ValueError, match="refused"):
            running.sequencer.submit(market()[0], b"refused")
        return running.sequencer.pending

    assert run(tmp_path, drive) == 0
    assert journaled(tmp_path) == []


def test_a_query_sees_all_that_was_submitted_before(tmp_path) -> None:
    async def drive(running):
        for command in market():
            running.sequencer.submit(command)
        return await running.sequencer.query(lambda engine: (engine.command_sequence, engine.balances(ALICE)))

    assert run(tmp_path, drive) == (8, [(1, 10**12, 0)])


def test_the_error_of_a_query_is_its_answer_and_harms_nobody(tmp_path) -> None:
    async def drive(running):
        with pytest.raises(ZeroDivisionError):
            await running.sequencer.query(lambda _: 1 // 0)
        return await running.submit(market()[:1])

    assert len(run(tmp_path, drive)) == 1


def test_an_answer_that_nobody_waits_for_any_more_is_dropped(tmp_path) -> None:
    async def drive(running):
        cancelled = running.sequencer.submit(market()[0])
        query = running.sequencer.query(lambda engine: engine.event_count)
        failing = running.sequencer.query(lambda _: 1 // 0)
        for future in (cancelled, query, failing):
            future.cancel()
        return await running.submit(market()[1:2])

    assert run(tmp_path, drive)[0][0].sequence == 2


def test_a_full_queue_refuses_and_takes_again_once_it_is_answered(tmp_path) -> None:
    config = replace(SMALL, queue_commands_max=10)

    async def drive(running):
        hold = threading.Event()
        held = running.sequencer.query(lambda _: hold.wait(10))
        waiting = [running.sequencer.submit(command) for command in market()]
        waiting.append(running.sequencer.submit(b"", b"counts as one"))
        assert running.sequencer.pending == 9
        with pytest.raises(Overloaded, match="9 commands wait already"):
            running.sequencer.submit(b"".join(trading(2)))
        waiting.append(running.sequencer.submit(market()[0]))
        with pytest.raises(Overloaded):
            running.sequencer.submit(b"", b"one too many")
        hold.set()
        await asyncio.gather(held, *waiting)
        assert running.sequencer.pending == 0
        await running.sequencer.submit(b"".join(trading(10)))

    run(tmp_path, drive, config)
    assert len(journaled_commands(tmp_path)) == 19


@pytest.mark.parametrize(
    ("made", "document"),
    [
        (b"", b""),
        (b"x" * 127, b""),
        (b"x" * 129, b"document"),
        (bytes(128 * 1001), b""),
        (b"", bytes(Config().document_bytes_max + 1)),
    ],
)
def test_what_cannot_be_commands_or_is_too_large_is_refused(tmp_path, made, document) -> None:
    async def drive(running):
        with pytest.raises(ValueError, match="bytes"):
            running.sequencer.submit(made, document)
        return running.sequencer.pending

    assert run(tmp_path, drive) == 0
    assert journaled(tmp_path) == []


def test_nothing_is_accepted_before_the_start_or_after_the_stop(tmp_path) -> None:
    running = Running(tmp_path)
    with pytest.raises(Stopped, match="not started"):
        running.sequencer.submit(market()[0])
    running.run(lambda running: running.submit(market()))
    assert running.sequencer.refusal == "the exchange is stopping"
    with pytest.raises(Stopped, match="stopping"):
        running.sequencer.submit(market()[0])
    with pytest.raises(Stopped, match="stopping"):
        running.sequencer.query(lambda engine: engine.event_count)


def test_a_sequencer_that_never_started_stops(tmp_path) -> None:
    running = Running(tmp_path)
    asyncio.run(running.sequencer.stop())
    running.close()


def test_a_stop_answers_what_waits_and_leaves_a_snapshot(tmp_path) -> None:
    running = Running(tmp_path)

    async def drive(running):
        hold = threading.Event()
        running.sequencer.query(lambda _: hold.wait(10))
        waiting = [running.sequencer.submit(command) for command in market() + trading(100)]
        stopping = asyncio.ensure_future(running.sequencer.stop())
        await asyncio.sleep(0.01)
        hold.set()
        await stopping
        await running.sequencer.stop()
        return [future.result() for future in waiting]

    assert len(running.run(drive)) == 108
    [snapshot] = running.snapshots.newest_first()
    assert (snapshot.sequence, snapshot.event_count) == (108, running.engine.event_count)
    assert snapshot.state_hash == running.engine.digest()
    assert journaled(tmp_path)[-1][0] is RecordKind.STATE_HASH


def test_a_stop_without_anything_new_leaves_no_second_snapshot(tmp_path) -> None:
    run(tmp_path, lambda running: running.submit(market()))
    running = Running(tmp_path)
    positions = running.snapshots.positions
    running.run(lambda _: asyncio.sleep(0))
    assert running.snapshots.positions == positions


def test_hashes_and_snapshots_are_taken_every_so_many_commands(tmp_path) -> None:
    running = Running(tmp_path, replace(SMALL, snapshot_commands=50, batch_submissions_max=10))

    async def drive(running):
        await running.submit(market())
        for _ in range(4):
            await running.submit(trading(50))
            await asyncio.sleep(0.05)

    running.run(drive)
    assert 4 <= [kind for kind, _ in journaled(tmp_path)].count(RecordKind.STATE_HASH) <= 5
    assert len(running.snapshots.positions) == 2


def test_a_trimmed_journal_keeps_what_the_older_snapshot_needs(tmp_path) -> None:
    config = replace(SMALL, snapshot_commands=50, journal_trimmed=True, journal_segment_bytes=1 << 18)
    for _ in range(3):
        run(tmp_path, lambda running: running.submit(market() + trading(1990)), config)
    running = Running(tmp_path, config)
    first = running.journal.first_position
    assert 1 < first <= running.snapshots.positions[-1]
    assert running.run(lambda running: running.sequencer.query(lambda engine: engine.command_sequence)) == 3 * 1998


class BrokenJournal:
    """A journal whose disk fills up after so many appends."""

    def __init__(self, journal, appends):
        self._journal = journal
        self._left = appends

    def __getattr__(self, name):
        return getattr(self._journal, name)

    def append(self, group):
        if not self._left:
            raise OSError(28, "No space left on device")
        self._left -= 1
        return self._journal.append(group)


def test_a_full_disk_stops_the_sequencer_and_releases_nothing(tmp_path) -> None:
    journal = BrokenJournal(FileJournal.open(tmp_path / "journal", SMALL.journal_segment_bytes), 1)
    running = Running(tmp_path, journal=journal)

    async def drive(running):
        await running.submit([b"".join(market())])
        results = await asyncio.gather(
            *[running.sequencer.submit(command) for command in trading(50)], return_exceptions=True
        )
        assert {type(result) for result in results} == {Stopped}
        assert "No space left on device" in str(results[0])
        with pytest.raises(Stopped, match="No space left on device"):
            running.sequencer.submit(market()[0])

    running.run(drive)
    assert len(running.batches) == 1
    assert running.snapshots.positions == []
    assert len(journaled_commands(tmp_path)) == 8
    assert run(tmp_path, lambda running: running.submit(trading(2)))[1][1].kind == EventKind.TRADED


def test_a_listener_that_fails_stops_everything_after_it(tmp_path) -> None:
    running = Running(tmp_path)

    def fail(batch):
        if batch.first_event_number > 8:
            raise KeyError("view")

    running.sequencer.add_listener(fail)

    async def drive(running):
        await running.submit([b"".join(market())])
        with pytest.raises(Stopped, match="a listener failed: KeyError"):
            await running.sequencer.submit(trading(2)[0])
        with pytest.raises(Stopped, match="listener"):
            running.sequencer.submit(trading(2)[0])

    running.run(drive)
    assert running.snapshots.positions == []


def test_after_a_failed_listener_later_batches_are_not_released_either(tmp_path) -> None:
    running = Running(tmp_path, replace(SMALL, batch_submissions_max=1))
    calls = []

    def fail(batch):
        calls.append(batch)
        raise KeyError("view")

    running.sequencer.add_listener(fail)

    async def drive(running):
        results = await asyncio.gather(
            *[running.sequencer.submit(command) for command in market()], return_exceptions=True
        )
        assert {type(result) for result in results} == {Stopped}

    running.run(drive)
    assert len(calls) == 1


def test_a_snapshot_that_is_due_when_a_listener_fails_is_not_taken(tmp_path) -> None:
    running = Running(tmp_path, replace(SMALL, snapshot_commands=8))
    running.sequencer.add_listener(lambda batch: 1 // (9 - batch.first_event_number - len(batch.rows)))

    async def drive(running):
        with pytest.raises(Stopped, match="ZeroDivisionError"):
            await running.submit([b"".join(market())])

    running.run(drive)
    assert running.snapshots.positions == []


def test_a_registry_that_cannot_be_copied_is_a_failure(tmp_path) -> None:
    running = Running(tmp_path)
    running.registry.snapshot = lambda: 1 // 0
    running.run(lambda running: running.submit(market()))
    assert "ZeroDivisionError" in running.sequencer.refusal
    assert running.snapshots.positions == []


def test_a_snapshot_that_cannot_be_stored_does_not_stop_trading(tmp_path) -> None:
    running = Running(tmp_path, replace(SMALL, snapshot_commands=4))
    running.snapshots._directory = tmp_path / "nowhere"

    async def drive(running):
        return [await running.sequencer.submit(command) for command in market()]

    assert len(running.run(drive)) == 8


def test_a_snapshot_is_left_out_while_the_last_one_is_being_written(tmp_path) -> None:
    running = Running(tmp_path, replace(SMALL, snapshot_commands=4))
    hold = threading.Event()
    written = []

    def write(snapshot):
        hold.wait(10)
        written.append(snapshot.sequence)

    running.snapshots.write = write

    async def drive(running):
        for command in market() + trading(10):
            await running.sequencer.submit(command)
        hold.set()

    running.run(drive)
    assert written == [4, 18]


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_stamping_changes_sequence_and_time_alone(count) -> None:
    data = b"".join(trading(10)[:count])
    stamped = np.frombuffer(stamp(data, 7, 99), COMMAND).copy()
    assert stamped["sequence"].tolist() == list(range(7, 7 + count))
    assert stamped["time_ns"].tolist() == [99] * count
    stamped["sequence"] = stamped["time_ns"] = 0
    assert stamped.tobytes() == data


def test_a_batch_without_documents_is_one_record() -> None:
    assert entries(b"c" * 256, []) == [(RecordKind.COMMANDS, b"c" * 256)]


@pytest.mark.parametrize("each", [1, 100])  # looked for in a list, in the array
def test_rows_are_shared_out_by_sequence(each) -> None:
    size = COMMAND.itemsize
    submissions = [(None, bytes(size * count), document, None) for count, document in ((1, b""), (0, b"d"), (2, b""))]
    events = np.zeros(6 * each, "V8").view([("sequence", "<i8")])
    events["sequence"] = np.repeat([5, 5, 6, 7, 7, 7], each)
    answers = share(submissions, events, 4)
    assert (answers.ends, answers.weight) == ([2 * each, 2 * each, 6 * each], 4)
    assert places(submissions, 4) == (5,)


def test_an_order_far_from_the_market_is_answered_with_its_acceptance_alone(tmp_path) -> None:
    async def drive(running):
        await running.submit(market())
        return await running.sequencer.submit(commands.new_order(ALICE, INSTRUMENT, Side.BUY, 1, 1))

    assert [row.kind for row in run(tmp_path, drive)] == [EventKind.ORDER_ACCEPTED]
