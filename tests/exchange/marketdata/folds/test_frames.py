"""What a frame may say is held in tests/api/test_batches.py against a byte at a time; here against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.types import CommandKind, Side
from exchange.marketdata.folds.frames import BAD_NAME, FIT, NOT_YOURS, checked

KINDS = np.arange(256) == CommandKind.NEW_ORDER
LETTERS = np.isin(np.arange(256), list(b"abo-"))
RESERVED = np.frombuffer(b"ab-", np.uint8)


def said(*made, account=7):
    array = np.frombuffer(bytearray(b"".join(made)), COMMAND)
    return checked(array, account, KINDS, LETTERS, RESERVED), array


def with_name(name):
    array = np.frombuffer(bytearray(commands.new_order(0, 1, Side.BUY, 100, 5)), COMMAND)
    array["words"] = np.frombuffer(name.ljust(40, b"\0"), "<i8")
    return array.tobytes()


@given(st.one_of(st.binary(max_size=40), st.text("abo-", max_size=40).map(str.encode)))
def test_a_name_is_of_letters_then_zeros_and_not_reserved(name):
    text = name.rstrip(b"\0")
    is_good = len(text) <= 36 and all(LETTERS[byte] for byte in text) and not text.startswith(b"ab-")
    assert said(with_name(b""), with_name(name))[0] == (FIT if is_good else BAD_NAME)


@pytest.mark.parametrize("field", ["sequence", "time_ns", "state", "spare", "asset", "group"])
def test_what_the_server_sets_is_zero(field):
    array = np.frombuffer(bytearray(with_name(b"a")), COMMAND)
    array[field] = 1
    assert said(with_name(b"#"), array.tobytes())[0] == NOT_YOURS


def test_commands_are_of_the_sender_and_of_a_kind_that_may_be_sent():
    wrong, array = said(with_name(b""), commands.new_order(7, 1, Side.BUY, 100, 5))
    assert (wrong, array["account"].tolist()) == (FIT, [7, 7])
    assert said(commands.new_order(8, 1, Side.BUY, 100, 5))[0] == NOT_YOURS
    assert said(commands.cancel_order(7, 1))[0] == NOT_YOURS
