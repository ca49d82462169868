"""Recovery: whatever a crash leaves, the state after it is that of a full replay, or the start is refused by name."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exchange.config import Config
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.state import TEST
from exchange.events import EVENT_BYTES, EventLog, EventReader, rows, segment_path
from exchange.journal.contract import JournalCorruptError, JournalTrimmedError
from exchange.journal.file import FileJournal, segments
from exchange.journal.file import segment_path as journal_path
from exchange.journal.frame import RecordKind
from exchange.recovery import RecoveryError, rebuild, recover
from exchange.sequencer import STATE_HASH
from exchange.snapshots import SUFFIX, Snapshots
from tests.exchange.running import SMALL, Documents, Running, market, run, trading

ROOT = Path(__file__).parents[2]


def truth(directory: Path) -> tuple[Engine, np.ndarray]:
    """Return the engine and the events that follow from the journal alone, one record at a time."""
    engine = Engine(TEST)
    journal = FileJournal.open(directory / "journal", SMALL.journal_segment_bytes)
    batches = [record.payload for record in journal.replay(0) if record.kind is RecordKind.COMMANDS]
    journal.close()
    events = [engine.apply(np.frombuffer(batch, COMMAND)) for batch in batches]
    return engine, np.concatenate(events)


def assert_recovers(directory: Path, config: Config = SMALL) -> Running:
    """Open what is there, and compare engine and event log with what the journal says; leave the directory as it is."""
    engine, events = truth(directory)
    running = Running(directory, config)
    running.close()
    assert running.engine.digest() == engine.digest()
    assert running.engine.event_count == running.events.count == len(events)
    assert EventReader(directory / "events").read(0, len(events) + 1).tobytes() == events.tobytes()
    return running


def fill(directory: Path, count: int = 40, *, stop: bool = True, config: Config = SMALL) -> None:
    """Open a market, if there is none, and trade in it, one command a batch."""

    async def drive(running):
        made = trading(count) if running.engine.command_sequence else market() + trading(count)
        for place, command in enumerate(made):
            await running.sequencer.submit(command, b"document %d" % place if place % 10 == 0 else b"")

    run(directory, drive, config, stop=stop)


def refused(directory: Path, config: Config = SMALL) -> str:
    with pytest.raises(RecoveryError) as caught:
        Running(directory, config)
    return str(caught.value)


def event_file(directory: Path) -> Path:
    return segment_path(directory / "events", 0)


def test_an_empty_directory_is_an_exchange_without_history(tmp_path) -> None:
    running = Running(tmp_path)
    assert (running.engine.command_sequence, running.recovered.time_ns, running.events.count) == (0, 0, 0)
    assert running.recovered[2:] == (0, 0)
    running.close()


def test_without_a_snapshot_everything_is_replayed(tmp_path) -> None:
    fill(tmp_path, stop=False)
    assert Snapshots(tmp_path / "snapshots", 2).positions == []
    running = assert_recovers(tmp_path)
    assert (running.recovered.replayed, running.recovered.snapshot_sequence) == (48, 0)
    assert running.registry.documents == [b"document %d" % place for place in range(0, 48, 10)]
    assert running.registry.kinds == [15, 16, 16, 15, 18, 21]


def test_after_a_stop_nothing_is_replayed(tmp_path) -> None:
    fill(tmp_path)
    running = assert_recovers(tmp_path)
    assert (running.recovered.replayed, running.recovered.snapshot_sequence) == (0, 48)
    assert running.registry.documents == [b"document %d" % place for place in range(0, 48, 10)]
    assert running.registry.kinds == [15, 16, 16, 15, 18, 21]


@pytest.mark.parametrize("whole", [True, False])
def test_snapshot_and_rest_give_what_a_full_replay_gives(tmp_path, whole) -> None:
    config = replace(SMALL, journal_checked_whole=whole)
    fill(tmp_path)
    fill(tmp_path, 20, stop=False)
    running = assert_recovers(tmp_path, config)
    assert (running.recovered.replayed, running.recovered.snapshot_sequence) == (20, 48)
    shutil.rmtree(tmp_path / "snapshots")
    again = assert_recovers(tmp_path, config)
    assert again.recovered.replayed == 68
    assert again.registry.snapshot() == running.registry.snapshot()
    assert again.recovered.time_ns == running.recovered.time_ns


def test_the_size_of_the_chunks_of_a_replay_changes_nothing(tmp_path) -> None:
    fill(tmp_path, stop=False)
    for limit in (1, 7, 1000):
        assert_recovers(tmp_path, replace(SMALL, replay_commands_max=limit))


def test_a_damaged_snapshot_gives_way_to_the_older_one(tmp_path) -> None:
    fill(tmp_path)
    fill(tmp_path, 10)
    newest = max((tmp_path / "snapshots").glob(f"*{SUFFIX}"))
    newest.write_bytes(newest.read_bytes()[:-1])
    assert assert_recovers(tmp_path).recovered.replayed == 10


def test_a_snapshot_of_another_version_gives_way_to_the_older_one(tmp_path) -> None:
    fill(tmp_path)
    fill(tmp_path, 10)
    snapshots = Snapshots(tmp_path / "snapshots", 2)
    newest = next(snapshots.newest_first())
    snapshots.write(newest._replace(engine=newest.engine[:-1]))
    assert assert_recovers(tmp_path).recovered.replayed == 10
    snapshots.write(newest._replace(state_hash=bytes(32)))
    assert assert_recovers(tmp_path).recovered.replayed == 10


def test_a_snapshot_of_another_journal_is_refused(tmp_path) -> None:
    fill(tmp_path / "one")
    fill(tmp_path / "other")
    snapshots = Snapshots(tmp_path / "one" / "snapshots", 2)
    newest = next(snapshots.newest_first())
    snapshots.write(newest._replace(head_hash=bytes(32)))
    assert refused(tmp_path / "one") == f"the snapshot at position {newest.position} was taken of another journal"


def test_a_snapshot_beyond_the_journal_is_refused(tmp_path) -> None:
    fill(tmp_path)
    position = Snapshots(tmp_path / "snapshots", 2).positions[0]
    path = journal_path(tmp_path / "journal", 1)
    data = path.read_bytes()
    path.write_bytes(data[: len(data.rstrip(b"\0")) - 40] + bytes(len(data)))
    assert f"snapshot at position {position}, but the journal ends at {position - 1}" in refused(tmp_path)


def test_another_capacity_than_the_snapshot_s_is_refused(tmp_path) -> None:
    fill(tmp_path)
    other = TEST._replace(accounts=65)
    assert "the exchange was made with Capacity(accounts=64" in refused(tmp_path, replace(SMALL, capacity=other))


def hashed(directory: Path, sequence: int, event_count: int, digest: bytes) -> None:
    """Put a hash of the state behind what is there."""
    journal = FileJournal.open(directory / "journal", SMALL.journal_segment_bytes)
    journal.claim()
    journal.append([(RecordKind.STATE_HASH, STATE_HASH.pack(sequence, event_count, digest))])
    journal.close()


def test_a_state_other_than_the_one_hashed_stops_the_start_with_its_position(tmp_path) -> None:
    fill(tmp_path, stop=False)
    engine, events = truth(tmp_path)
    hashed(tmp_path, 48, len(events), engine.digest())
    position = 1 + 48 + 5 + 2  # claim, commands, documents, claim and hash
    assert_recovers(tmp_path)
    hashed(tmp_path, 48, len(events), bytes(32))  # behind the claims of the recovery and of its own
    assert f"up to position {position + 3} (command 48) is not the one that was hashed there" in refused(tmp_path)


@pytest.mark.parametrize("wrong", [(47, 0), (48, 1)])
def test_a_hash_taken_elsewhere_stops_the_start(tmp_path, wrong) -> None:
    fill(tmp_path, stop=False)
    engine, events = truth(tmp_path)
    hashed(tmp_path, wrong[0], len(events) + wrong[1], engine.digest())
    assert "is not the one that was hashed there" in refused(tmp_path)


def test_commands_out_of_number_stop_the_start(tmp_path) -> None:
    fill(tmp_path, stop=False)
    journal = FileJournal.open(tmp_path / "journal", SMALL.journal_segment_bytes)
    journal.claim()
    position = journal.append([(RecordKind.COMMANDS, trading(2)[0])])
    journal.close()
    message = refused(tmp_path, replace(SMALL, replay_commands_max=1))
    assert message == f"the commands from position {position} on are not numbered from 49 on"


@pytest.mark.parametrize("count", [0, 1, 20, 47, 71])
@pytest.mark.parametrize("stop", [True, False])
def test_events_that_a_crash_kept_from_the_log_are_regenerated(tmp_path, count, stop) -> None:
    fill(tmp_path, stop=stop)
    assert event_file(tmp_path).stat().st_size == 68 * EVENT_BYTES
    os.truncate(event_file(tmp_path), min(68, count) * EVENT_BYTES + count % 5)
    assert_recovers(tmp_path)


def test_a_log_that_is_gone_is_regenerated_although_there_is_a_snapshot(tmp_path) -> None:
    fill(tmp_path)
    shutil.rmtree(tmp_path / "events")
    running = assert_recovers(tmp_path)
    assert running.recovered.replayed == 48
    assert len(running.registry.documents) == 5


def test_events_of_a_trimmed_journal_cannot_be_regenerated(tmp_path) -> None:
    config = replace(SMALL, journal_trimmed=True, journal_segment_bytes=1 << 18)
    for _ in range(3):
        run(tmp_path, lambda running: running.submit(market() + trading(1990)), config)
    shutil.rmtree(tmp_path / "events")
    with pytest.raises(JournalTrimmedError, match="was trimmed"):
        Running(tmp_path, config)


@pytest.mark.parametrize(("begin", "end"), [(0, 68), (30, 31), (50, 68)])
def test_events_that_read_as_zeros_after_a_power_cut_are_filled_in(tmp_path, begin, end) -> None:
    fill(tmp_path, stop=False)
    with event_file(tmp_path).open("r+b") as file:
        file.seek(begin * EVENT_BYTES + 3)
        file.write(bytes((end - begin) * EVENT_BYTES - 5))
    assert_recovers(tmp_path)


def test_zeros_behind_the_last_event_are_cut(tmp_path) -> None:
    fill(tmp_path, stop=False)
    with event_file(tmp_path).open("ab") as file:
        file.write(bytes(3 * EVENT_BYTES + 7))
    assert_recovers(tmp_path)
    assert event_file(tmp_path).stat().st_size == 68 * EVENT_BYTES


def test_an_event_other_than_the_journal_s_is_refused_with_its_number(tmp_path) -> None:
    fill(tmp_path, stop=False)
    with event_file(tmp_path).open("r+b") as file:
        file.seek(41 * EVENT_BYTES + 50)
        file.write(b"\x77")
    assert refused(tmp_path) == "event 42 in the event log is not the one that the journal yields"


def test_events_beyond_the_journal_prove_that_it_lost_acknowledged_records(tmp_path) -> None:
    fill(tmp_path, stop=False)
    path = journal_path(tmp_path / "journal", 1)
    data = bytearray(path.read_bytes())
    data[len(data.rstrip(b"\0")) - 60] ^= 1
    path.write_bytes(data)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert refused(tmp_path).endswith("68 events, the journal yields 66: acknowledged records are missing")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_damage_before_the_snapshot_is_found_when_the_whole_journal_is_checked(tmp_path) -> None:
    config = replace(SMALL, journal_segment_bytes=1 << 18)
    run(tmp_path, lambda running: running.submit([*market(), *trading(900)]), config)
    for _ in range(3):
        run(tmp_path, lambda running: running.submit(trading(900)), config)
    assert len(segments(tmp_path / "journal")) > 1
    path = journal_path(tmp_path / "journal", 1)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalCorruptError, match=f"{path.name} is corrupt at offset 80, position 2"):
        Running(tmp_path, config)
    Running(tmp_path, replace(config, journal_checked_whole=False)).close()


def test_views_are_rebuilt_in_chunks_and_say_how_far_they_are(tmp_path) -> None:
    fill(tmp_path)
    _, events = truth(tmp_path)
    log = EventLog.open(tmp_path / "events")
    chunks, said = [], []
    rebuild(log, chunks.append, 30, lambda *progress: said.append(progress))
    assert [len(chunk) for chunk in chunks] == [30, 30, 8]
    assert [row for chunk in chunks for row in chunk] == rows(events)
    assert said == [("rebuild", 30, 68), ("rebuild", 60, 68), ("rebuild", 68, 68)]
    rebuild(log, chunks.append, 30, lambda *_: None, after=66)
    assert list(chunks[-1]) == rows(events)[66:]
    log.close()


def test_a_replay_says_how_far_it_is(tmp_path) -> None:
    fill(tmp_path, stop=False)
    said = []
    log = EventLog.open(tmp_path / "events")
    journal = FileJournal.open(tmp_path / "journal", SMALL.journal_segment_bytes)
    snapshots = Snapshots(tmp_path / "snapshots", 2)
    recover(journal, log, snapshots, Documents(), SMALL, lambda *progress: said.append(progress))
    journal.close()
    log.close()
    assert said[0] == ("replay", 1, 54)
    assert [done for _, done, _ in said] == sorted(done for _, done, _ in said)


SERVER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from tests.exchange.running import Running, SMALL, market, trading

async def drive(running):
    if not running.engine.command_sequence:
        await running.submit([b"".join(market())])
    while True:
        for answer in await running.submit(trading(int(sys.argv[2]))):
            print(answer[-1].sequence, flush=True)

Running(Path(sys.argv[1]), replace(SMALL, snapshot_commands=300)).run(drive)
"""


def test_a_killed_exchange_keeps_every_answer_it_gave(tmp_path) -> None:
    draw = random.Random(11)
    for burst in (1, 30, 250):
        command = [sys.executable, "-c", SERVER, str(tmp_path), str(2 * burst)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            lines = []
            while not lines or not lines[-1].strip().isdigit():  # the log comes first
                lines.append(child.stdout.readline())
                assert lines[-1], child.stderr.read()
            time.sleep(draw.uniform(0, 0.3))
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        answered = max(int(line) for line in lines if line.endswith("\n") and line.strip().isdigit())
        running = assert_recovers(tmp_path)
        assert running.engine.command_sequence >= answered > 0


def test_a_stopped_exchange_goes_on_where_it_was(tmp_path) -> None:
    async def drive(running):
        answers = await running.submit(trading(4))
        await asyncio.sleep(0)
        return answers[-1][-1].sequence

    fill(tmp_path)
    assert [run(tmp_path, drive) for _ in range(3)] == [52, 56, 60]
