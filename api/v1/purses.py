"""What stands behind an API key: the account of its own to which units and cash are nominated."""

from hashlib import blake2b

from api.v1.desk import Desk, ask
from exchange.core.engine import Engine
from exchange.expiry import KEY_PREFIX
from exchange.marketdata.indices import INDEX_UNITS, key_of
from exchange.registry.registry import Registry
from exchange.registry.series import Direction, Overrun, SeriesNamed
from exchange.server import Exchange
from exchange.usage.plan import FOREVER_MS, MILLISECOND_NS, Lot, Purse, in_order

CASH = "CNY"
_DIRECTION_PART, _GRADE_PART = 3, 2  # of a symbol like TA.CTEL.Q3.OUT.GZ.M2701.G80A
Rows = list[tuple[int, int, int]]  # asset, available, held; oldest first


def account_name(key: str) -> str:
    """Return the name of the account that stands behind a key."""
    return f"{KEY_PREFIX}{blake2b(key.encode(), digest_size=16).hexdigest()}"


async def purses(desk: Desk, issuer: int, keys: set[str]) -> dict[str, Purse]:
    """Return what stands behind keys that ever were nominated to, as far as an issuer has to serve it."""
    registry = desk.exchange.registry
    found = {key: known.index for key in keys if (known := registry.account(account_name(key))) is not None}
    rows = await ask(desk, lambda engine: balances(engine, set(found.values())))
    return {key: _purse(desk.exchange, issuer, key, account, rows[account]) for key, account in found.items()}


def balances(engine: Engine, accounts: set[int]) -> dict[int, Rows]:
    """Return what accounts have."""
    return {account: engine.balances(account) for account in accounts}


def _purse(exchange: Exchange, issuer: int, key: str, account: int, rows: Rows) -> Purse:
    registry = exchange.registry
    lots: list[Lot] = []
    cash = 0
    for index, available, _ in rows:
        asset = registry.asset_at(index)
        assert asset is not None
        if asset.name == CASH:
            cash = available
        elif asset.issuer_account == issuer:
            lots.append(lot(exchange, index, available))
    pays = registry.allowances.overrun.get(key) is Overrun.PAY
    held = registry.any_key(key)
    until_ms = FOREVER_MS if held is None else -(-held.ends_ns // MILLISECOND_NS)
    return Purse(account, in_order(lots), cash, pays, until_ms)


def lot(exchange: Exchange, index: int, units: int) -> Lot:
    """Return units of a series with what decides over their use."""
    asset = exchange.registry.asset_at(index)
    assert asset is not None
    series = exchange.registry.allowances.series.get(index)
    price = overrun_price(exchange, index)
    if series is None:
        parts = asset.name.split(".")
        direction = parts[_DIRECTION_PART] if len(parts) > _DIRECTION_PART else ""
        counts = Direction(direction) if direction in tuple(Direction) else Direction.BLEND
        grade = parts[_GRADE_PART] if len(parts) > _GRADE_PART else ""
        return Lot(index, asset.name, grade, counts, 0, FOREVER_MS, units, price, 10**asset.decimals)
    start_ms, end_ms = -(-series.start_ns // MILLISECOND_NS), -(-series.end_ns // MILLISECOND_NS)
    return Lot(index, asset.name, series.grade, series.direction, start_ms, end_ms, units, price, series.lot_units)


def overrun_price(exchange: Exchange, index: int) -> int:
    """Return what a lot costs in units of cash where there are no units left; 0: no price is known.

    The index of grade, direction and hub, and before it was ever published the last trade of the series.
    """
    registry = exchange.registry
    asset, cash = registry.asset_at(index), registry.asset(CASH)
    instrument = None if asset is None else registry.instrument(asset.name)
    if asset is None or cash is None or instrument is None:
        return 0
    key = key_of(asset.name, cash.index)
    row = None if key is None else exchange.prices.index(key)
    if row is not None and row.price:
        return -(-row.price * instrument.lot_units // INDEX_UNITS)
    last = exchange.market.trades(instrument.index, 1)
    return last[0].price_ticks * instrument.tick_value if last else 0


def movable(series: SeriesNamed | None, now_ns: int) -> bool:
    """Tell whether units of a series may still be nominated or taken back."""
    return series is None or now_ns < series.end_ns - series.gate_ns


def participant_of(registry: Registry, account: int) -> str:
    """Return whose account it is."""
    found = registry.account_at(account)
    return "" if found is None else found.participant
