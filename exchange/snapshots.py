"""Snapshots on disk: the engine's and the registry's bytes at one position of the journal.

A snapshot is written beside the others, synced and renamed, so a file that bears its final name is whole; a
checksum guards against what happens to it later.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import structlog
from crc32c import crc32c

MAGIC = b"TBSNAP01"
SUFFIX = ".snapshot"
UNFINISHED = "unfinished"
# position, sequence, time, event count, length of the engine's bytes, head hash, state hash; the rest is the registry's
HEADER = Struct("<5q32s32s")
PREAMBLE = Struct("<8sI4x")  # magic, checksum of everything behind
log = structlog.get_logger()


class Snapshot(NamedTuple):
    """The state behind the record at `position` of the journal, whose hash is `head_hash`."""

    position: int
    head_hash: bytes
    sequence: int  # of the last command
    time_ns: int  # of the last command
    event_count: int
    state_hash: bytes
    engine: bytes | memoryview
    registry: bytes


class Snapshots:
    """The snapshots in a directory, the newest `kept` of them."""

    def __init__(self, directory: Path, kept: int) -> None:
        """Use a directory, made if need be."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._kept = kept

    @property
    def positions(self) -> list[int]:
        """Return the positions of all snapshots, newest first."""
        return sorted((int(path.stem) for path in self._directory.glob(f"*{SUFFIX}")), reverse=True)

    def write(self, snapshot: Snapshot) -> None:
        """Store a snapshot durably, then remove those that are too many."""
        unfinished = self._directory / UNFINISHED
        header = _header(snapshot)
        checksum = crc32c(snapshot.registry, crc32c(snapshot.engine, crc32c(header)))
        with unfinished.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)  # the registry's bytes are nobody else's
            file.writelines((PREAMBLE.pack(MAGIC, checksum), header, snapshot.engine, snapshot.registry))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._path(snapshot.position))
        self._sync()
        for old in self.positions[self._kept :]:
            self._path(old).unlink()

    def newest_first(self) -> Iterator[Snapshot]:
        """Yield the good snapshots; a bad one is reported and passed over."""
        for position in self.positions:
            path = self._path(position)
            snapshot = decode(path.read_bytes())
            if snapshot is None:
                log.warning("snapshot is damaged", file=path.name)
            else:
                yield snapshot

    def _path(self, position: int) -> Path:
        return self._directory / f"{position:020d}{SUFFIX}"

    def _sync(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def decode(data: bytes) -> Snapshot | None:
    """Return the snapshot that a file holds, None if it is damaged."""
    begin = PREAMBLE.size + HEADER.size
    if len(data) < begin:
        return None
    magic, checksum = PREAMBLE.unpack_from(data)
    if magic != MAGIC or crc32c(memoryview(data)[PREAMBLE.size :]) != checksum:
        return None
    position, sequence, time_ns, event_count, length, head_hash, state_hash = HEADER.unpack_from(data, PREAMBLE.size)
    end = begin + length
    return Snapshot(position, head_hash, sequence, time_ns, event_count, state_hash, data[begin:end], data[end:])


def _header(snapshot: Snapshot) -> bytes:
    return HEADER.pack(
        snapshot.position,
        snapshot.sequence,
        snapshot.time_ns,
        snapshot.event_count,
        len(snapshot.engine),
        snapshot.head_hash,
        snapshot.state_hash,
    )
