"""What a register entry may say, as JSON and back, and what stays as it is."""

import msgspec
import pytest

from exchange.registry.entry import (
    FIXED,
    Entry,
    Measures,
    Quality,
    decode,
    encode,
    keeps_fixed,
    number_text,
    signed_part,
)
from tests.settlement.registers import ENTRY, entry

QUALITY = Quality("lab", "ab" * 32, 9, Measures(1, 2, 3, 4, 5, 6, -7), "cd" * 64)


def test_an_entry_goes_to_json_and_back_in_one_order() -> None:
    full = entry(quality=QUALITY, croissant={"b": 1, "a": ["x\ny"]})
    text = encode(full)
    assert decode(text) == full
    assert "\n" not in text
    assert text == encode(decode(msgspec.json.encode(full)))


@pytest.mark.parametrize(
    "changed",
    [
        {"title": ""},
        {"root": "AB" * 32},
        {"size_bytes": -1},
        {"rights": ()},
        {"rights": ("OWN",)},
        {"scenarios": ("ft",)},
        {"scenarios": ()},
        {"personal_data": "some"},
        {"surprise": 1},
        {"quality": {"evaluator": "lab"}},
    ],
)
def test_an_entry_that_is_wrong_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(msgspec.json.encode(msgspec.to_builtins(ENTRY) | changed))


def test_what_licences_are_sold_on_stays() -> None:
    assert keeps_fixed(ENTRY, entry(title="Other", quality=QUALITY, valid_until=1))
    assert not any(keeps_fixed(ENTRY, entry(**{name: None})) for name in FIXED if getattr(ENTRY, name) is not None)
    assert set(FIXED) < set(Entry.__struct_fields__)


def test_an_evaluator_signs_everything_but_the_signature() -> None:
    said = signed_part(QUALITY)
    assert b"signature" not in said
    assert said == signed_part(msgspec.structs.replace(QUALITY, signature="ef" * 64))
    assert said != signed_part(msgspec.structs.replace(QUALITY, expires=10))


def test_a_number_has_ten_digits() -> None:
    assert (number_text(123_456), number_text(9_999_999_999)) == ("0000123456", "9999999999")
