"""A data directory with a real journal and event log, and how to damage it."""

from pathlib import Path

import numpy as np

from exchange.config import EVENT_FOLDER, JOURNAL_FOLDER
from exchange.core import commands
from exchange.core.types import Side
from exchange.events import EventReader, segment_path
from tests.exchange.running import ALICE, BASE, BOB, CASH, INSTRUMENT, SMALL, Running, market, trading

CONFIG = SMALL


def activity() -> list[bytes]:
    """Return commands that make every kind of ledger row, and leave orders resting."""
    return [
        *market(),
        commands.set_fees(INSTRUMENT, -1, 5),
        *trading(60),
        commands.withdraw(ALICE, CASH, 77),
        commands.redeem(ALICE, BASE, 500, b"usage id no. 1.."),
        commands.set_fees(INSTRUMENT, -2, 3, 2),
        commands.set_account_tier(ALICE, 4),
        *trading(40),
        commands.new_order(BOB, INSTRUMENT, Side.SELL, 500, 9),
        commands.new_order(ALICE, INSTRUMENT, Side.BUY, 50, 9),
    ]


def write(data_dir: Path, made: list[bytes]) -> np.ndarray:
    """Run commands through an exchange of this directory, and return all events there are now."""

    async def drive(running: Running) -> None:
        for start in range(0, len(made), 10):  # several journal records
            await running.submit(made[start : start + 10])

    Running(data_dir, CONFIG).run(drive)
    return read(data_dir)


def read(data_dir: Path) -> np.ndarray:
    """Return the event log."""
    reader = EventReader(data_dir / EVENT_FOLDER)
    events = reader.read(0, reader.count)
    reader.close()
    return events


def journal_file(data_dir: Path) -> Path:
    """Return the journal's only segment."""
    (file,) = (data_dir / JOURNAL_FOLDER).glob("*.journal")
    return file


def event_file(data_dir: Path) -> Path:
    """Return the event log's only segment."""
    (file,) = (data_dir / EVENT_FOLDER).glob("*.events")
    return file


def split(data_dir: Path, segment_events: int) -> list[Path]:
    """Put the event log into segments of so many events, as a long history has several; return their files."""
    events = read(data_dir)
    event_file(data_dir).unlink()
    files = []
    for segment, after in enumerate(range(0, len(events), segment_events)):
        files.append(segment_path(data_dir / EVENT_FOLDER, segment, segment_events))
        files[-1].write_bytes(events[after : after + segment_events].tobytes())
    return files


def flip(file: Path, offset: int) -> None:
    """Change one bit."""
    data = bytearray(file.read_bytes())
    data[offset] ^= 1
    file.write_bytes(data)
