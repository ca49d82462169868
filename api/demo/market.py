"""Set the demo's market up through the operator's desk: participants, keys, money, instruments, a first issue."""

import json
from dataclasses import dataclass
from pathlib import Path

import httpx

from api.client.signing import BadKeyError
from api.demo.client import Key, Refused, Rest
from api.demo.licence import license_dataset
from api.demo.world import Listing

MAKERS = ("maker-1", "maker-2", "maker-3")
BUYERS = ("buyer-1", "buyer-2", "buyer-3", "buyer-4")
METERED_BUYER = "gateway-user"
_CASH_YUAN = 50_000_000
_STOCK_SHARE = 8  # of what is issued, each market maker starts with one part in so many
_KNOWN_ALREADY = 409


@dataclass
class Market:
    """The keys of everybody who takes part."""

    operator: Key
    keys: dict[str, Key]


def operator_key(directory: Path) -> Key:
    """Return the operator's key, which the server wrote into its data directory at the first start."""
    path = directory / "operator.json"
    try:
        written = json.loads(path.read_text())
        return Key(str(written["key"]), str(written["secret"]), int(written.get("account", 0)))
    except (ValueError, LookupError, TypeError):
        raise BadKeyError(f"the key file {path} is no JSON object with 'key' and 'secret'") from None


async def set_up(http: httpx.AsyncClient, operator: Key, listings: list[Listing]) -> Market:
    """Create everybody and everything, and hand each market maker a stock to quote from."""
    desk = Rest(http, operator)
    await desk.json("POST", "/v1/assets", {"name": "CNY", "decimals": 6, "description": "yuan"})
    market = Market(operator, {})
    for issuer in dict.fromkeys(listing.issuer for listing in listings):
        market.keys[issuer] = await _create(desk, issuer, "issuer", ("read", "trade", "issue", "meter"))
    for name in (*MAKERS, *BUYERS, METERED_BUYER):
        role = "market_maker" if name in MAKERS else "trader"
        market.keys[name] = await _create(desk, name, role, ("read", "trade"))
        await _deposit(desk, market.keys[name].account, _CASH_YUAN)
    for listing in listings:
        await _list(http, desk, market, listing)
    return market


async def _create(desk: Rest, name: str, role: str, scopes: tuple[str, ...]) -> Key:
    created = await desk.json("POST", "/v1/participants", {"name": name, "role": role})
    account = int(created["accounts"][0]["account"])
    key = await desk.json("POST", "/v1/keys", {"account": account, "scopes": scopes, "label": "demo"})
    return Key(key["key"], key["secret"], account)


async def _deposit(desk: Rest, account: int, yuan: int) -> None:
    await desk.json("POST", "/v1/deposits", {"account": account, "asset": "CNY", "amount": str(yuan)})


async def _list(http: httpx.AsyncClient, desk: Rest, market: Market, listing: Listing) -> None:
    """List an instrument, issue its units, and sell the market makers their stock through the book."""
    issuer = market.keys[listing.issuer]
    if listing.kind == "LICENCE":
        buyers = [market.keys[name] for name in (*MAKERS, *BUYERS)]
        await license_dataset(http, market.operator, issuer, listing, buyers)
    else:
        await _issue(http, desk, issuer, listing)
    for name in MAKERS:
        await sell(http, issuer, market.keys[name], listing, listing.lots // _STOCK_SHARE)


async def _issue(http: httpx.AsyncClient, desk: Rest, issuer: Key, listing: Listing) -> None:
    """List an allowance and issue its units."""
    terms = {
        "symbol": listing.symbol,
        "kind": listing.kind,
        "issuer": issuer.account,
        "tick_size": str(listing.tick),
        "price_high": str(listing.price * 2),
        "maker_bps": -1,
        "taker_bps": 5,
        "description": listing.description,
    }
    try:
        await desk.json("POST", "/v1/instruments", terms)
    except Refused as refusal:
        if refusal.status != _KNOWN_ALREADY:
            raise
    await Rest(http, issuer).json("POST", "/v1/issues", {"asset": listing.symbol, "amount": str(listing.lots)})


async def sell(http: httpx.AsyncClient, seller: Key, buyer: Key, listing: Listing, lots: int) -> None:
    """Move lots from one account to another by two orders at the list price."""
    terms = {"symbol": listing.symbol, "type": "LIMIT", "timeInForce": "GTC", "price": listing.price, "quantity": lots}
    for key, side in ((seller, "SELL"), (buyer, "BUY")):
        await Rest(http, key).signed("POST", "/api/v3/order", side=side, **terms)


async def nominate(http: httpx.AsyncClient, holder: Key, listing: Listing, lots: int) -> None:
    """Set lots aside for the holder's key, so that its use is paid from them."""
    body = {"key": holder.key, "asset": listing.symbol, "amount": str(lots), "id": "demo"}
    await Rest(http, holder).json("POST", "/v1/nominations", body)
