"""A dataset licence of the demo: its dataset is registered, then a series of it is listed for who is let in."""

from typing import Any

import httpx

from api.demo.client import Key, Rest
from api.demo.world import Listing

SCENARIO = "FT"
_VALID_UNTIL_MS = 4_102_444_800_000  # 2100
_MOVES = ("approve form", "approve substance", "publish", "register", "list")


async def license_dataset(
    http: httpx.AsyncClient, operator: Key, holder: Key, listing: Listing, buyers: list[Key]
) -> None:
    """Register a dataset, list its licence, and clear those who will buy it."""
    desk, vendor = Rest(http, operator), Rest(http, holder)
    number = (await vendor.json("POST", "/v1/datasets", {"entry": _entry(listing)}))["number"]
    await vendor.json("POST", "/v1/dataset-moves", {"number": number, "move": "submit"})
    for move in _MOVES:
        await desk.json("POST", "/v1/dataset-moves", {"number": number, "move": move})
    terms = {"right": "USE", "seats": listing.lots, "months": 12, "may_resell": True, "acceptance_hours": 0}
    series = {"number": number, "scenario": SCENARIO, "terms": terms, "mode": "CONTINUOUS"}
    await vendor.json("POST", "/v1/licences", series | {"price_high": str(listing.price * 2)})
    said = {"symbol": listing.symbol, "purpose": "training", "sector": "industry", "region": "CN-SH"}
    for buyer in buyers:
        await Rest(http, buyer).json("POST", "/v1/clearances", said)


def _entry(listing: Listing) -> dict[str, Any]:
    return {
        "title": listing.description,
        "root": "5e" * 32,
        "size_bytes": 48_000_000_000,
        "rights": ["HOLD", "USE"],
        "source_kind": "own",
        "personal_data": "none",
        "licence": "As the terms of its series say",
        "scenarios": [SCENARIO],
        "valid_until": _VALID_UNTIL_MS,
        "publisher": listing.issuer,
    }
