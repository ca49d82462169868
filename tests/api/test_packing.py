"""Parts that were compressed apart are one gzip stream, for readers that take it whole or piece by piece."""

import asyncio
import gzip
import zlib

import pytest

from api import packing
from api.packing import Part, gzipped, takes_gzip

TEXTS = [b'{"symbols":[', b'{"a":1}' * 3_000, b",", b'{"a":1}' * 3_000, b"", b"]}"]


def test_parts_are_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PARTS_PER_TURN", 2)
    parts = [Part(text) for text in TEXTS]
    packed = asyncio.run(gzipped(parts))
    assert gzip.decompress(packed) == b"".join(TEXTS)
    assert len(packed) < len(b"".join(TEXTS)) / 30
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    assert b"".join(reader.decompress(packed[n : n + 7]) for n in range(0, len(packed), 7)) == b"".join(TEXTS)
    assert (reader.eof, reader.unused_data) == (True, b"")


def test_a_part_is_compressed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(b"x" * 1_000)
    first = asyncio.run(gzipped([part]))
    monkeypatch.setattr(packing.zlib, "compressobj", None)
    assert asyncio.run(gzipped([part])) == first


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        (b"gzip, deflate, br", True),
        (b"deflate, GZIP;q=0.5", True),
        (b"*", True),
        (b"identity", False),
        (b"", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.0, *", False),
        (b"x-gzip2", False),
    ],
)
def test_gzip_is_for_those_who_take_it(header: bytes, takes: bool) -> None:
    assert takes_gzip(header) is takes
