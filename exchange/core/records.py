"""The shapes that cross the core's border: one COMMAND in, EVENTs out, little-endian, fixed size.

Every number is an int64 unless it is an index (u4) or an enumeration (u1). A field that a kind
does not use is zero. What each kind uses is tabled in docs/ARCHITECTURE.md.
"""

from struct import Struct

import numpy as np

COMMAND = np.dtype(
    [
        ("sequence", "<i8"),  # position in the journal's total order, set by the sequencer
        ("time_ns", "<i8"),  # set by the sequencer, never falling
        ("kind", "u1"),  # CommandKind
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("self_trade_prevention", "u1"),
        ("flags", "u1"),  # OrderFlag.POST_ONLY
        ("state", "u1"),  # AccountState, TradingState, AssetKind or tier of fees
        ("spare", "u1"),
        ("account", "<u4"),
        ("instrument", "<u4"),
        ("asset", "<u4"),  # moved asset; base asset of a listing
        ("group", "<u4"),  # account group; quote asset of a listing
        ("order_id", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("amount", "<i8"),  # in units of the asset; units per lot of a listing
        ("words", "<i8", (5,)),  # client order id (40 bytes of text), usage id, or parameters
        ("until_ns", "<i8"),  # of a GTD order, of a dead-man timer
        ("stop_ticks", "<u4"),
        ("display_lots", "<u4"),
    ]
)

EVENT = np.dtype(
    [
        ("sequence", "<i8"),  # of the command that caused it
        ("time_ns", "<i8"),
        ("kind", "u1"),  # EventKind
        ("side", "u1"),
        ("reason", "u1"),  # RejectReason or EndReason
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("self_trade_prevention", "u1"),
        ("flags", "u1"),
        ("state", "u1"),  # AccountState, TradingState, AssetKind, tier; CommandKind of a rejection
        ("account", "<u4"),
        ("counter_account", "<u4"),
        ("instrument", "<u4"),
        ("asset", "<u4"),
        ("order_id", "<i8"),
        ("counter_order_id", "<i8"),
        ("trade_id", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("amount", "<i8"),
        ("fee", "<i8"),
        ("counter_fee", "<i8"),
    ]
)

COMMAND_STRUCT = Struct("<qq8B4Iqqqq5qqII")  # the same bytes, for Python code that packs one at a time
EVENT_STRUCT = Struct("<qq8B4I9q")
CLIENT_ORDER_ID_BYTES_MAX = 36  # of the 40 in `words`; the rest is zero

assert COMMAND.itemsize == COMMAND_STRUCT.size == 128  # two cache lines
assert EVENT.itemsize == EVENT_STRUCT.size == 112
