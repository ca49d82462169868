"""What a register entry says about a dataset, and what of it may change once it was submitted."""

import json
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from exchange.registry.licence import Right

NUMBER_DIGITS = 10
_Text = Annotated[str, msgspec.Meta(max_length=4_000)]
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Words = Annotated[tuple[_Word, ...], msgspec.Meta(max_length=32)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Scenario = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]{1,8}$")]
_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Share = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
_Gain = Annotated[int, msgspec.Meta(ge=-10_000, le=1_000_000)]


class SourceKind(StrEnum):
    """Where the data come from."""

    OWN = "own"
    LICENSED = "licensed"
    PUBLIC = "public"
    PUBLIC_SECTOR = "public sector"
    SYNTHETIC = "synthetic"


class PersonalData(StrEnum):
    """How much the data say about persons."""

    NONE = "none"
    ANONYMOUS = "anonymous"
    CONSENTED = "consented"
    SENSITIVE = "sensitive"


class Measures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quality vector in basis points; the gain is what a benchmark's score rises by."""

    completeness: _Share
    accuracy: _Share
    consistency: _Share
    diversity: _Share
    authenticity: _Share
    compliance: _Share
    benchmark_gain: _Gain


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quality vector of the data under a root, signed by an evaluator, good until a time in milliseconds."""

    evaluator: _Word
    root: _Hash
    expires: _Count
    measures: Measures
    signature: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$")]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dataset. `valid_until` is in milliseconds; `origin` the venue and number of a certificate taken over."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    root: _Hash
    size_bytes: _Count
    rights: Annotated[tuple[Right, ...], msgspec.Meta(min_length=1, max_length=3)]
    source_kind: SourceKind
    personal_data: PersonalData
    licence: _Text
    scenarios: Annotated[tuple[_Scenario, ...], msgspec.Meta(min_length=1, max_length=16)]
    valid_until: _Count
    description: _Text = ""
    publisher: _Text = ""
    tokens: _Count = 0
    tokenizer: Annotated[str, msgspec.Meta(max_length=64)] = ""
    keywords: _Words = ()
    languages: _Words = ()
    quality: Quality | None = None
    croissant: dict[str, Any] = {}
    origin: Annotated[str, msgspec.Meta(max_length=200)] | None = None


FIXED = ("root", "size_bytes", "rights", "scenarios", "tokens", "tokenizer", "origin")


def decode(text: str | bytes) -> Entry:
    """Return the entry that JSON holds. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Entry)


def encode(entry: Entry) -> str:
    """Return an entry as JSON without line breaks, its members in a fixed order."""
    return msgspec.json.encode(entry, order="sorted").decode()


def keeps_fixed(before: Entry, after: Entry) -> bool:
    """Tell whether a change leaves alone what licences were sold on."""
    return all(getattr(before, name) == getattr(after, name) for name in FIXED)


def signed_part(quality: Quality) -> bytes:
    """Return the bytes that an evaluator signs."""
    said = msgspec.to_builtins(quality)
    del said["signature"]
    return canonical(said)


def canonical(document: dict[str, Any]) -> bytes:
    """Return the bytes that are signed: JSON in ASCII, members sorted, nothing between them."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def number_text(number: int) -> str:
    """Return a registration number as it is written."""
    return str(number).zfill(NUMBER_DIGITS)
