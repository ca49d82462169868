"""What the streams of published prices say is what the Structs hold."""

import pytest

from api.binance.published import _NAMES, _SPOKEN
from api.messages.published import PublishedIndex, PublishedSettlement
from tests.api.messages.test_market import names


@pytest.mark.parametrize("struct", [PublishedIndex, PublishedSettlement])
def test_a_row_has_the_names_of_its_struct(struct) -> None:
    rows = {_NAMES[kind]: set(row._fields) | {"e", "E"} for kind, row in _SPOKEN.items()}
    assert rows[struct.__struct_config__.tag] == names(struct)
