"""The first difference in plain words."""

import numpy as np
import pytest

from settlement.differences import KEYS, first_difference
from settlement.records import BALANCE, ENTRY, MOVEMENT, TABLES, TRADE


def _trades(*rows: tuple[int, int]) -> np.ndarray:
    found = np.zeros(len(rows), TRADE)
    for index, (seq, price) in enumerate(rows):
        found[index]["seq"], found[index]["price_ticks"] = seq, price
    return found


EXPECTED = _trades((5, 100), (9, 101), (12, 102))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            _trades((5, 100), (9, 99), (12, 1)),
            "the trade of event 9: price_ticks is 99 in the ledger, but the events make it 101",
        ),
        (_trades((9, 101), (12, 102)), "the trade of event 5 is missing in the ledger"),
        (_trades((5, 100), (12, 102)), "the trade of event 9 is missing in the ledger"),
        (_trades((5, 100), (9, 101)), "the trade of event 12 is missing in the ledger"),
        (_trades(), "the trade of event 5 is missing in the ledger"),
        (
            _trades((5, 100), (7, 1), (9, 101), (12, 102)),
            "the trade of event 7 is in the ledger, but nothing happened that would mean it",
        ),
        (
            _trades((5, 100), (9, 101), (12, 102), (13, 1)),
            "the trade of event 13 is in the ledger, but nothing happened that would mean it",
        ),
    ],
)
def test_trades_are_named_by_their_event(found: np.ndarray, words: str) -> None:
    assert first_difference("trades", EXPECTED, found) == words


def test_a_movement_says_whose_it_is() -> None:
    expected = np.array([(11, 1, 7, 8, -50, 50, 0)], MOVEMENT)
    found = np.array([(11, 1, 7, 8, -51, 51, 0)], MOVEMENT)
    assert first_difference("movements", expected, found) == (
        "movement 11 (event 5, units, accounts 7 and 8, asset 1): "
        "amount is -51 in the ledger, but the events make it -50"
    )


def test_a_balance_says_whose_and_when() -> None:
    expected = np.array([(7, 1, 3, 2, 50)], BALANCE)
    found = np.array([(7, 1, 3, 2, 51)], BALANCE)
    assert first_difference("balance_log", expected, found) == (
        "the balance of account 7 in asset 1 behind batch 3: balance is 51 in the ledger, but the events make it 50"
    )


def test_a_reference_counts() -> None:
    expected, found = np.zeros(1, ENTRY), np.zeros(1, ENTRY)
    found["reference"] = np.frombuffer(b"x" * 16, "V16")
    assert first_difference("entries", expected, found).startswith("the journal entry of event 0: reference is ")


def test_every_table_has_a_key() -> None:
    assert KEYS.keys() == TABLES.keys()
    assert all(set(key) <= set(TABLES[table].names or ()) for table, key in KEYS.items())
