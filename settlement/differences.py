"""Name the first difference between the rows that the events mean and the rows that Postgres holds."""

import numpy as np

from settlement.records import MOVEMENTS_PER_ENTRY_MAX

# what identifies a row within its table, in the order of the table
KEYS = {
    "assets": ("asset",),
    "accounts": ("account",),
    "instruments": ("instrument",),
    "trades": ("seq",),
    "entries": ("seq",),
    "movements": ("movement_id",),
    "balance_log": ("batch", "account", "asset"),
}


class Difference(Exception):  # noqa: N818 - a finding, not a fault of the program
    """Two records of the same thing are not equal; the message says which, and where they part."""


_PARTS = {0: "cash, of a trade", 1: "units"}


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
    if table == "movements":
        seq, part = divmod(key[0], MOVEMENTS_PER_ENTRY_MAX)
        parties = f"accounts {row['account']} and {row['contra_account']}, asset {row['asset']}"
        return f"movement {key[0]} (event {seq}, {_PARTS[part]}, {parties})"
    if table == "balance_log":
        return f"the balance of account {key[1]} in asset {key[2]} behind batch {key[0]}"
    nouns = {"trades": "the trade of event", "entries": "the journal entry of event"}
    return f"{nouns.get(table, table.removesuffix('s'))} {key[0]}"
