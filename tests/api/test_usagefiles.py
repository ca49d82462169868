"""Usage records in files of three kinds are the same records."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from api.usagefiles import UsageFileError, batches, count
from api.v1.metering import Record

AT = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
WANTED = [Record(f"r{n}", "mine", AT_MS, tokens_in=n, tokens_out=2, model="Q3") for n in range(5)]


def _write(path: Path) -> Path:
    if path.suffix == ".parquet":
        columns = {"id": [one.id for one in WANTED], "time": [AT] * 5, "tokens_in": list(range(5))}
        parquet.write_table(pa.table(columns | {"tokens_out": [2] * 5, "model": ["Q3"] * 5, "other": [1] * 5}), path)
    elif path.suffix == ".ndjson":
        path.write_text("".join(
            f'{{"id":"{one.id}","time":{AT_MS},"tokens_in":{one.tokens_in},"tokens_out":2,"model":"Q3"}}\n'
            for one in WANTED
        ))  # fmt: skip
    else:
        rows = [f"{one.id},{AT_MS},{one.tokens_in},2,Q3,\n" for one in WANTED]
        path.write_text("id,time,tokens_in,tokens_out,model,symbol\n" + "".join(rows))
    return path


@pytest.mark.parametrize("name", ["use.parquet", "use.ndjson", "use.csv"])
def test_each_kind_of_file_holds_the_records(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / name)
    assert count(path) == 5
    parts = list(batches(path, "mine", 2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert [record for part in parts for record in part] == WANTED


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("use.txt", "", "name it"),
        ("use.parquet", "no parquet", "parquet"),
        ("use.ndjson", "{", "record 1"),
        ("use.ndjson", "[]", "missing required field `id`"),
        ("use.csv", "id,key,time\na,k,yesterday\n", "record 1: Expected `int`"),
        ("use.csv", "id,time\na,5\n", "missing required field `key`"),
    ],
)
def test_what_holds_none_is_refused_with_its_place(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageFileError, match=words):
        list(batches(path))
