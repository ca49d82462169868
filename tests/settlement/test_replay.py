"""Replaying a journal beside its event log: equal, or the first difference by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from exchange.journal import frame
from exchange.journal.frame import RecordKind
from settlement.differences import Difference
from settlement.replay import Replay
from tests.exchange.running import Running
from tests.settlement.exchanges import CONFIG, activity, event_file, flip, journal_file, read, write


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("exchange")
    write(data_dir, activity())
    return data_dir


@pytest.fixture
def data_dir(original: Path, tmp_path: Path) -> Path:
    """Return a copy that may be damaged."""
    return Path(shutil.copytree(original, tmp_path / "data"))


def _replayed(data_dir: Path) -> np.ndarray:
    return np.concatenate(list(Replay(data_dir, CONFIG).events()))


def _records(data_dir: Path) -> list[tuple[int, frame.Record]]:
    """Return each record of the journal with its offset."""
    data, offset, found = journal_file(data_dir).read_bytes(), 0, []
    while (record := frame.decode(data, offset)) is not None:
        found.append((offset, record))
        offset += frame.size(len(record.payload))
    return found


def test_the_journal_makes_the_event_log(data_dir: Path) -> None:
    replay = Replay(data_dir, CONFIG)
    events = np.concatenate(list(replay.events()))
    assert events.tobytes() == read(data_dir).tobytes()
    assert replay.record_count == len(_records(data_dir))
    assert replay.head_hash == _records(data_dir)[-1][1].hash
    assert replay.engine.event_count == replay.log_count == len(events)


def test_it_checks_the_hashes_of_the_state_on_the_way(data_dir: Path) -> None:
    assert RecordKind.STATE_HASH in {record.kind for _, record in _records(data_dir)}


def test_it_works_beside_a_running_exchange(data_dir: Path) -> None:
    before = len(read(data_dir))

    async def look(_running: Running) -> np.ndarray:
        return _replayed(data_dir)

    events = Running(data_dir, CONFIG).run(look)
    assert len(events) == before


def test_a_log_that_is_behind_is_no_difference(data_dir: Path) -> None:
    whole = len(read(data_dir))
    event_file(data_dir).write_bytes(event_file(data_dir).read_bytes()[: 112 * 20 + 5])
    replay = Replay(data_dir, CONFIG)
    assert sum(map(len, replay.events())) == whole
    assert replay.log_count == 20


def test_a_changed_event_is_named(data_dir: Path) -> None:
    flip(event_file(data_dir), 112 * 40 + np.dtype(read(data_dir).dtype).fields["price_ticks"][1])  # type: ignore[index]
    with pytest.raises(Difference, match=r"^event 41: price_ticks is \d+ in the event log, but the journal makes it"):
        _replayed(data_dir)


def test_a_changed_byte_in_the_journal_is_found(data_dir: Path) -> None:
    offset, record = _records(data_dir)[4]
    flip(journal_file(data_dir), offset + frame.HEADER.size + 3)
    with pytest.raises(Difference, match=rf"corrupt at offset {offset}, position {record.position}"):
        _replayed(data_dir)


def test_a_lost_end_of_the_journal_is_found(data_dir: Path) -> None:
    records = _records(data_dir)
    cut = next(offset for offset, record in reversed(records) if record.kind is RecordKind.COMMANDS)
    data = journal_file(data_dir).read_bytes()
    journal_file(data_dir).write_bytes(data[:cut].ljust(len(data), b"\0"))
    with pytest.raises(Difference, match=r"the journal's end is missing"):
        _replayed(data_dir)


def test_a_removed_record_is_found(data_dir: Path) -> None:
    records = _records(data_dir)
    data = journal_file(data_dir).read_bytes()
    journal_file(data_dir).write_bytes(data[: records[3][0]] + data[records[4][0] :])
    with pytest.raises(Difference, match="corrupt"):
        _replayed(data_dir)


def test_a_forged_journal_with_a_good_chain_is_found_by_its_hash_of_the_state(data_dir: Path) -> None:
    """Somebody changes an amount and makes every checksum anew: the recorded hash of the state gives him away."""
    amount, forged = ((10**12 + more).to_bytes(8, "little") for more in (0, 1))
    records = [record for _, record in _records(data_dir)]
    changed = next(record.position for record in records if amount in record.payload)  # as commands were grouped
    head, parts = frame.GENESIS, []
    for record in records:
        payload = record.payload.replace(amount, forged, 1) if record.position == changed else record.payload
        data, head = frame.encode(head, record.kind, payload, record.durable, has_more=record.has_more)
        parts.append(data)
    size = journal_file(data_dir).stat().st_size
    journal_file(data_dir).write_bytes(b"".join(parts).ljust(size, b"\0"))
    event_file(data_dir).unlink()
    with pytest.raises(Difference, match="comes to another state"):
        _replayed(data_dir)


def test_a_journal_that_begins_late_is_refused(data_dir: Path) -> None:
    file = journal_file(data_dir)
    offset, record = _records(data_dir)[2]
    data = file.read_bytes()
    file.unlink()
    file.with_name(f"{record.position:020d}.journal").write_bytes(data[offset:] + bytes(offset))
    with pytest.raises(Difference, match="was trimmed"):
        _replayed(data_dir)


def test_no_journal_is_a_difference(tmp_path: Path) -> None:
    with pytest.raises(Difference, match="there is no journal"):
        _replayed(tmp_path)
    assert list(tmp_path.iterdir()) == []
