"""What an account has, paid and used, and the keys of its private stream."""

from typing import Any

from api.binance import replies
from api.binance.reference import rate, rate_limits, tier_of
from api.binance.requests import AccountRequest, FillsRequest, ListenKeyRequest, Nothing, OneSymbol
from api.call import Call, encoded
from api.door import Services
from api.errors import BAD_COMBINATION, RequestError
from api.schemas import validated
from exchange.core.types import AccountState
from exchange.registry.documents import Scope


async def account(services: Services, call: Call) -> bytes:
    """Return balances and permissions; the rates are those of the account's tier on most instruments."""
    request = validated(AccountRequest, call.texts)
    index = call.account
    rows = await services.exchange.query(lambda engine: engine.balances(index))
    owner = services.exchange.registry.account_at(index)
    maker, taker = services.exchange.registry.usual_rates(0 if owner is None else owner.tier)
    is_active = owner is not None and owner.state is AccountState.ACTIVE
    balances = [
        _balance(services, asset, available, held)
        for asset, available, held in rows
        if available or held or not request.omit_zero_balances
    ]
    return encoded({
        "makerCommission": maker,
        "takerCommission": taker,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": rate(maker), "taker": rate(taker), "buyer": rate(0), "seller": rate(0)},
        "canTrade": is_active,
        "canWithdraw": is_active,
        "canDeposit": is_active,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.stamp(call.now_ns),
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": index,
    })  # fmt: skip


async def commission(services: Services, call: Call) -> bytes:
    """Return what the account pays on an instrument."""
    request = validated(OneSymbol, call.texts)
    instrument = services.directory.instrument(request.symbol)
    zero = {"maker": rate(0), "taker": rate(0), "buyer": rate(0), "seller": rate(0)}
    maker, taker = instrument.rates(tier_of(services, call))
    own = {**zero, "maker": rate(maker), "taker": rate(taker)}
    discount = {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": instrument.quote_asset,
        "discount": rate(0),
    }
    return encoded({
        "symbol": instrument.symbol,
        "standardCommission": own,
        "specialCommission": zero,
        "taxCommission": zero,
        "discount": discount,
    })  # fmt: skip


async def order_count(services: Services, call: Call) -> bytes:
    """Return how much of its order limit an account has used."""
    validated(Nothing, call.texts)
    used = services.limiter.orders_used(call.account, call.now_ns)
    limits = [limit for limit in rate_limits(services.limiter.limits) if limit["rateLimitType"] == "ORDERS"]
    return encoded([{**limit, "count": used} for limit in limits])


async def own_trades(services: Services, call: Call) -> bytes:
    """Return an account's side of trades."""
    request = validated(FillsRequest, call.texts)
    is_timed = request.start_time is not None or request.end_time is not None
    if request.from_id is not None and is_timed:
        raise RequestError(BAD_COMBINATION)
    instrument = services.directory.instrument(request.symbol)
    found = services.exchange.orders.fills(
        call.account,
        instrument.index,
        order_id=request.order_id,
        from_id=request.from_id,
        start_ms=request.start_time,
        end_ms=request.end_time,
        limit=request.limit,
    )
    texts = services.directory.texts(instrument.index)
    return encoded([replies.own_trade(fill, texts, instrument.quote_asset, call.stamp) for fill in found])


async def start_stream(services: Services, call: Call) -> bytes:
    """Return the key of the account's private stream."""
    validated(Nothing, call.texts)
    return encoded({"listenKey": services.listen_keys.start(call.account, call.now_ns)})


async def keep_stream(services: Services, call: Call) -> bytes:
    """Let a key of a private stream live for another hour."""
    request = validated(ListenKeyRequest, call.texts)
    services.listen_keys.keep_alive(request.listen_key, call.account, call.now_ns)
    return encoded({})


async def close_stream(services: Services, call: Call) -> bytes:
    """End a key of a private stream."""
    request = validated(ListenKeyRequest, call.texts)
    services.listen_keys.close(request.listen_key, call.account, call.now_ns)
    return encoded({})


async def key_permissions(services: Services, call: Call) -> bytes:
    """Return what the key in use may do."""
    validated(Nothing, call.texts)
    record = services.exchange.registry.key(call.key)
    assert record is not None
    return encoded({
        "ipRestrict": bool(record.ip_allow),
        "createTime": call.stamp(record.created_ns),
        "enableReading": Scope.READ in record.scopes,
        "enableSpotAndMarginTrading": Scope.TRADE in record.scopes,
        "enableWithdrawals": False,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
    })  # fmt: skip


def _balance(services: Services, asset: int, available: int, held: int) -> dict[str, Any]:
    names = services.directory
    return {
        "asset": names.asset_name(asset),
        "free": names.asset_amount(asset, available),
        "locked": names.asset_amount(asset, held),
    }
