"""The rows of the ledger as numpy records: a field is a column, in the order of the table.

`seq` is always the number of the event that a row comes from, with its shard in the bits from SHARD_BITS on. A movement
is two or three postings in one asset, which sum to zero; its id is `seq * MOVEMENTS_PER_ENTRY_MAX + part`, that of its
postings `seq * POSTINGS_PER_ENTRY_MAX + part * 4 + leg`.
"""

import numpy as np

OUTSIDE_ACCOUNT = -1  # where deposited cash comes from and withdrawn cash goes
ISSUANCE_ACCOUNT = -2  # owes what was issued and not yet redeemed
MOVEMENTS_PER_ENTRY_MAX = 2  # of a trade: its cash, its units; of any other entry one
POSTINGS_PER_ENTRY_MAX = 8
TRADE_LEGS = (0, 1, 2, 4, 5)  # buyer's cash, seller's cash, fee income, buyer's units, seller's units
SHARD_BITS = 48  # above them: the shard, in numbers of events as in those of batches
SHARDS_MAX = 4096

ASSET = np.dtype([("asset", "<i4"), ("kind", "<i2"), ("issuer", "<i4"), ("seq", "<i8")])
ACCOUNT = np.dtype([("account", "<i4"), ("account_group", "<i4"), ("seq", "<i8")])
INSTRUMENT = np.dtype(
    [
        ("instrument", "<i4"),
        ("base", "<i4"),
        ("quote", "<i4"),
        ("lot_units", "<i8"),
        ("tick_value", "<i8"),
        ("seq", "<i8"),
    ]
)
TRADE = np.dtype(
    [
        ("seq", "<i8"),
        ("time_ns", "<i8"),
        ("trade_id", "<i8"),
        ("instrument", "<i4"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("buyer", "<i4"),
        ("seller", "<i4"),
        ("buyer_order_id", "<i8"),
        ("seller_order_id", "<i8"),
        ("buyer_fee", "<i8"),
        ("seller_fee", "<i8"),
        ("taker_side", "<i2"),
    ]
)
ENTRY = np.dtype(
    [
        ("seq", "<i8"),
        ("time_ns", "<i8"),
        ("kind", "<i2"),
        ("purpose", "<i2"),
        ("instrument", "<i4"),
        ("trade_id", "<i8"),
        ("reference", "V16"),
    ]
)
MOVEMENT = np.dtype(
    [
        ("movement_id", "<i8"),
        ("asset", "<i4"),
        ("account", "<i4"),
        ("contra_account", "<i4"),
        ("amount", "<i8"),
        ("contra_amount", "<i8"),
        ("fee", "<i8"),
    ]
)
BALANCE = np.dtype(
    [("account", "<i4"), ("asset", "<i4"), ("batch", "<i8"), ("previous_batch", "<i8"), ("balance", "<i8")]
)

# every table that a batch fills, in the order of filling
TABLES = {
    "assets": ASSET,
    "accounts": ACCOUNT,
    "instruments": INSTRUMENT,
    "trades": TRADE,
    "entries": ENTRY,
    "movements": MOVEMENT,
    "balance_log": BALANCE,
}
PARTITIONED = ("trades", "movements")  # by period
CHAINED = tuple(table for table in TABLES if table != "balance_log")  # what the chain of hashes covers, in this order
COLUMNS = {table: ", ".join(dtype.names or ()) for table, dtype in TABLES.items()}


def shard_base(shard: int) -> int:
    """Return the number before the first event, and before the first batch, of a shard."""
    return shard << SHARD_BITS
