"""Name the first difference between the rows that the events mean and the rows that Postgres holds."""

import numpy as np

from settlement.records import POSTINGS_PER_ENTRY_MAX

# what identifies a row within its table, in the order of the table
KEYS = {
    "assets": ("asset",),
    "accounts": ("account",),
    "instruments": ("instrument",),
    "trades": ("seq",),
    "entries": ("seq",),
    "postings": ("posting_id",),
    "balance_log": ("batch", "account", "asset"),
}


class Difference(Exception):  # noqa: N818 - a finding, not a fault of the program
    """Two records of the same thing are not equal; the message says which, and where they part."""


_LEGS = {0: "buyer cash", 1: "seller cash", 2: "fees", 4: "buyer units", 5: "seller units"}


def first_difference(table: str, expected: np.ndarray, found: np.ndarray) -> str:
    """Say where two unequal record arrays, both sorted by the table's key, first part."""
    common = min(len(expected), len(found))
    unequal = np.flatnonzero(expected[:common] != found[:common])
    index = int(unequal[0]) if len(unequal) else common
    if index == len(found):
        return f"{_name(table, expected[index])} is missing in the ledger"
    if index == len(expected):
        return f"{_name(table, found[index])} is in the ledger, but nothing happened that would mean it"
    wanted, there = _key(table, expected[index]), _key(table, found[index])
    if wanted < there:
        return f"{_name(table, expected[index])} is missing in the ledger"
    if wanted > there:
        return f"{_name(table, found[index])} is in the ledger, but nothing happened that would mean it"
    column = next(name for name in expected.dtype.names or () if expected[index][name] != found[index][name])
    name = _name(table, expected[index])
    return f"{name}: {column} is {found[index][column]} in the ledger, but the events make it {expected[index][column]}"


def _key(table: str, row: np.void) -> tuple[int, ...]:
    return tuple(int(row[name]) for name in KEYS[table])


def _name(table: str, row: np.void) -> str:
    key = _key(table, row)
    if table == "postings":
        seq, leg = divmod(key[0], POSTINGS_PER_ENTRY_MAX)
        legs = f"leg {leg}, which of a trade is {_LEGS[leg]}" if leg in _LEGS else f"leg {leg}"
        return f"posting {key[0]} (event {seq}, {legs}, account {row['account']}, asset {row['asset']})"
    if table == "balance_log":
        return f"the balance of account {key[1]} in asset {key[2]} behind batch {key[0]}"
    nouns = {"trades": "the trade of event", "entries": "the journal entry of event"}
    return f"{nouns.get(table, table.removesuffix('s'))} {key[0]}"
