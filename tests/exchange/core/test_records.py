"""The records: what Python packs is what the kernel reads, field by field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.records import CLIENT_ORDER_ID_BYTES_MAX, COMMAND, COMMAND_STRUCT, EVENT, EVENT_STRUCT

LAYOUTS = [(COMMAND, COMMAND_STRUCT, 128), (EVENT, EVENT_STRUCT, 112)]
RANGES = {"i8": (-(1 << 63), (1 << 63) - 1), "u4": (0, (1 << 32) - 1), "u1": (0, 255)}


def numbers(layout: np.dtype) -> st.SearchStrategy[list[int]]:
    """Draw a value for every number of a record, in order."""
    bases = [layout[name].subdtype or (layout[name], (1,)) for name in layout.names or ()]
    ranges = [RANGES[base.str[1:]] for base, shape in bases for _ in range(shape[0])]
    return st.tuples(*(st.integers(low, high) for low, high in ranges)).map(list)


def flat(row: np.void) -> list[int]:
    """Return the numbers of a record in order."""
    return [int(number) for name in row.dtype.names for number in np.atleast_1d(row[name])]


@pytest.mark.parametrize(("layout", "struct", "size"), LAYOUTS)
def test_a_record_has_its_size_without_gaps(layout, struct, size):
    assert layout.itemsize == struct.size == size
    ends = [layout.fields[name][1] + layout[name].itemsize for name in layout.names]
    starts = [layout.fields[name][1] for name in layout.names]
    assert starts == [0, *ends[:-1]]


@pytest.mark.parametrize(("layout", "struct", "size"), LAYOUTS)
def test_eight_byte_fields_stand_on_eight_bytes(layout, struct, size):
    assert [name for name in layout.names if layout[name].itemsize >= 8 and layout.fields[name][1] % 8] == []


@given(values=numbers(COMMAND))
def test_packed_commands_read_back_field_by_field(values):
    row = np.frombuffer(COMMAND_STRUCT.pack(*values), COMMAND)[0]
    assert flat(row) == values


@given(values=numbers(EVENT))
def test_packed_events_read_back_field_by_field(values):
    row = np.frombuffer(EVENT_STRUCT.pack(*values), EVENT)[0]
    assert flat(row) == values


@given(values=numbers(EVENT))
def test_written_events_unpack_to_the_same_values(values):
    rows = np.zeros(1, EVENT)
    rows[0] = tuple(values)
    assert list(EVENT_STRUCT.unpack(rows.tobytes())) == values


def test_a_client_order_id_leaves_room_in_the_words():
    assert CLIENT_ORDER_ID_BYTES_MAX < COMMAND["words"].itemsize == 40
