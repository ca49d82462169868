"""What the compiled door is compiled with."""

import re
import string

import pytest

from api.compiled import wording
from api.compiled.wording import COUNTING, DIGIT, HEX, LETTERS, NAMING
from api.parameters import NEW_CLIENT_ORDER_ID_PATTERN
from exchange.marketdata.folds import compiled


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        (DIGIT, "[0-9]"),
        (HEX, "[0-9a-f]"),
        (COUNTING, "[a-zA-Z0-9_-]"),
        (NAMING, NEW_CLIENT_ORDER_ID_PATTERN),
    ],
)
def test_letters_are_those_of_the_general_readers(kind, pattern):
    may_stand = [chr(letter) for letter in range(256) if LETTERS[letter] & kind]
    assert may_stand == [chr(letter) for letter in range(256) if re.fullmatch(pattern, chr(letter))]
    assert set(string.digits) <= set(may_stand)


def test_it_is_kept_beside_the_folds():
    ours, folds = wording.cache_directory(), compiled.cache_directory()
    assert ours.rpartition("-compiled-")[0] == folds.rpartition("-folds-")[0] != ""
