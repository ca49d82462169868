"""Documents that are right, to be spoiled one field at a time."""

from exchange.core.types import AssetKind, TradingMode
from exchange.registry.documents import (
    AccountNamed,
    AssetNamed,
    CatalogueListed,
    CatalogueRow,
    InstrumentNamed,
    KeyCreated,
    ParticipantCreated,
    Role,
    Scope,
    encode,
)
from exchange.registry.registry import Registry

SYMBOL = "TA.CTEL.Q3.OUT.GZ.M2701.G80A"
PARTICIPANT = ParticipantCreated("ctel", Role.ISSUER, "A provider of tokens")
ACCOUNT = AccountNamed(1, "ctel-main", "ctel", Role.ISSUER)
CASH = AssetNamed(1, "CNY", AssetKind.CASH, 6)
ALLOWANCE = AssetNamed(2, SYMBOL, AssetKind.ALLOWANCE, 6, issuer_account=1)
INSTRUMENT = InstrumentNamed(
    index=1, symbol=SYMBOL, base=2, quote=1, tick_value=100, lot_units=1_000_000, price_decimals=4,
    quantity_decimals=0, quantity_min=1, quantity_max=1_000_000, band_low_ticks=10, band_high_ticks=90_000,
    maker_bps=-1, taker_bps=5,
)  # fmt: skip
CATALOGUE = CatalogueListed(
    asset=3, instrument=2, kind=AssetKind.LICENCE, quote=1, decimals=0, tick_value=10_000, price_decimals=2,
    quantity_max=1_000_000, maker_bps=0, taker_bps=0, mode=TradingMode.CALL,
    rows=(CatalogueRow("DL.A", 1, 1, 1 << 31), CatalogueRow("DL.B", 0, 10, 1_000, 100, "the second")),
)  # fmt: skip
KEY = KeyCreated("k" * 64, b"\x00\xffsecret", 1, (Scope.READ, Scope.TRADE), "desk", 5, 0, ("10.0.0.0/8", "::1"))
ALL = (PARTICIPANT, ACCOUNT, CASH, ALLOWANCE, INSTRUMENT, KEY)


def registry_of(*documents):
    registry = Registry()
    for document in documents:
        data = encode(document)
        assert registry.check(data) == document
        registry.apply(data)
    return registry
