"""Metered use for the demo: a trace of real requests, or seeded ones of the same shape."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_SEED = 20_231_116
_MEDIAN_IN, _SPREAD_IN = 6.6, 1.1  # of the logarithm of tokens: a median of 735 in, 115 out, with a long tail
_MEDIAN_OUT, _SPREAD_OUT = 4.75, 1.0
_TOKENS_MAX = 32_768


class TraceError(ValueError):
    """A usage trace that cannot be read; the message says which line and what is expected."""


class Request(NamedTuple):
    """One metered request: tokens read and tokens written."""

    tokens_in: int
    tokens_out: int


def read_trace(path: Path) -> list[Request]:
    """Return the requests of a CSV with the columns TIMESTAMP, ContextTokens, GeneratedTokens.

    Raises TraceError for another header, a line that is not numbers, or no lines at all.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        wanted = {"ContextTokens", "GeneratedTokens"}
        if not wanted <= set(rows.fieldnames or ()):
            raise TraceError(f"{path}: the first line must name the columns {', '.join(sorted(wanted))}")
        requests = [_request(path, rows.line_num, row) for row in rows]
    if not requests:
        raise TraceError(f"{path}: no requests in it")
    return requests


def _request(path: Path, line: int, row: dict[str, str]) -> Request:
    texts = row["ContextTokens"], row["GeneratedTokens"]
    if not all(text and text.isascii() and text.isdigit() for text in texts):
        raise TraceError(f"{path}, line {line}: {texts} should be two whole numbers of tokens")
    return Request(int(texts[0]), int(texts[1]))


def generate(count: int) -> list[Request]:
    """Return `count` requests, the same at every call, long-tailed as production traces are."""
    chance = random.Random(_SEED)
    return [
        Request(_draw(chance, _MEDIAN_IN, _SPREAD_IN), _draw(chance, _MEDIAN_OUT, _SPREAD_OUT)) for _ in range(count)
    ]


def _draw(chance: random.Random, median: float, spread: float) -> int:
    return min(max(1, round(chance.lognormvariate(median, spread))), _TOKENS_MAX)


def batches(requests: list[Request], size: int) -> Iterator[list[tuple[str, Request]]]:
    """Yield numbered records in batches of `size`; every hundredth record is sent twice, as gateways do."""
    numbered = [(f"usage-{number}", request) for number, request in enumerate(requests)]
    repeated = [record for number, record in enumerate(numbered) for _ in range(2 if number % 100 == 99 else 1)]
    for start in range(0, len(repeated), size):
        yield repeated[start : start + size]
