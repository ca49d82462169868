"""Usage records in files: Parquet, CSV or a JSON object a line, in batches ready to be sent."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from pyarrow import ArrowException, parquet

from api.v1.metering import RECORDS_MAX, Record

_TEXTS = ("id", "key", "model", "symbol")
_FIELDS = frozenset(Record.__struct_fields__)
PARQUET, LINES, TABLE = (".parquet",), (".ndjson", ".jsonl"), (".csv",)


class UsageFileError(ValueError):
    """A file that holds no usage records; the message says where and why."""


def count(path: Path) -> int:
    """Return how many records a file holds."""
    if path.suffix in PARQUET:
        try:
            return int(parquet.ParquetFile(path).metadata.num_rows)
        except ArrowException as error:
            raise UsageFileError(f"{path}: {error}") from None
    with path.open("rb") as lines:
        return max(0, sum(1 for _ in lines) - (path.suffix in TABLE))


def batches(path: Path, key: str = "", size: int = RECORDS_MAX) -> Iterator[list[Record]]:
    """Yield the records of a file; `key` is of those that name none. Raises UsageFileError."""
    rows = _rows(path)
    number = 0
    while part := list(islice(rows, size)):
        yield [_record(path, number + place, row, key) for place, row in enumerate(part, 1)]
        number += len(part)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix in PARQUET:
        return _parquet_rows(path)
    if path.suffix in LINES:
        return _line_rows(path)
    if path.suffix in TABLE:
        return _table_rows(path)
    raise UsageFileError(f"{path}: name it {', '.join((*PARQUET, *LINES, *TABLE))} by what it is")


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for part in parquet.ParquetFile(path).iter_batches(RECORDS_MAX):
            yield from part.to_pylist()
    except ArrowException as error:
        raise UsageFileError(f"{path}: {error}") from None


def _line_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = msgspec.json.decode(line)
            except msgspec.DecodeError as error:
                raise UsageFileError(f"{path}, record {number}: {error}") from None
            yield row if isinstance(row, dict) else {}


def _table_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            yield {name: text if name in _TEXTS else _number(text) for name, text in row.items() if text}


def _number(text: str) -> Any:  # noqa: ANN401 - what is no number is refused with its place
    return int(text) if text.isdecimal() else text


def _record(path: Path, number: int, row: dict[str, Any], key: str) -> Record:
    known = {name: value for name, value in row.items() if name in _FIELDS and value is not None}
    time = known.get("time")
    if isinstance(time, datetime):
        known["time"] = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    if key:
        known.setdefault("key", key)
    try:
        return msgspec.convert(known, Record)
    except msgspec.ValidationError as error:
        raise UsageFileError(f"{path}, record {number}: {error}") from None
