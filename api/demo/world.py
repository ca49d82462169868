"""What the demo lists and who takes part: real models at their list prices, and one dataset licence."""

from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from genai_prices import Usage, calc_price

YUAN_PER_DOLLAR = Decimal("7.10")  # a round figure for the demo, not a market rate
TICK = Decimal("0.0001")
MILLION = 1_000_000
LICENCE_TICK = Decimal("0.01")


class Listing(NamedTuple):
    """An instrument of the demo, with the price at which its issuer offers it."""

    symbol: str
    kind: str  # ALLOWANCE or LICENCE
    issuer: str
    price: Decimal  # yuan a lot
    tick: Decimal
    lots: int  # issued at the start
    description: str


class _Model(NamedTuple):
    issuer: str
    provider: str
    model: str
    name: str
    direction: str


_MODELS = (
    _Model("OPENAI", "openai", "gpt-4o", "GPT-4O", "OUT"),
    _Model("OPENAI", "openai", "gpt-4o-mini", "GPT-4O-MINI", "OUT"),
    _Model("ANTH", "anthropic", "claude-3-5-haiku-latest", "HAIKU35", "OUT"),
    _Model("DSEEK", "deepseek", "deepseek-chat", "V3", "IN"),
    _Model("DSEEK", "deepseek", "deepseek-reasoner", "R1", "OUT"),
    _Model("MSHOT", "moonshotai", "kimi-k2-0905-preview", "K2", "OUT"),
)
_METERED = _Model("DSEEK", "deepseek", "deepseek-chat", "V3", "BLEND")
_LOTS = 200_000


def listings() -> list[Listing]:
    """Return what a fresh exchange lists: the metered blend first, then allowances of real models, then a licence.

    Raises LookupError when the price list does not know a model.
    """
    licence = Listing(
        "DL.0000000001.FT.Y1S40",
        "LICENCE",
        "NATLAB",
        Decimal("48000.00"),
        LICENCE_TICK,
        40,
        "Industrial-defect images, fine-tuning, one year, 40 seats",
    )
    return [_listing(_METERED), *[_listing(model) for model in _MODELS], licence]


def _listing(model: _Model) -> Listing:
    price = (_dollars(model) * YUAN_PER_DOLLAR).quantize(TICK, ROUND_HALF_UP)
    symbol = f"TA.{model.issuer}.{model.name}.{model.direction}.NAT.E90.G0A"
    return Listing(symbol, "ALLOWANCE", model.issuer, price, TICK, _LOTS, f"{model.provider}/{model.model}, 90 days")


def _dollars(model: _Model) -> Decimal:
    """Return the list price of a million tokens; a blend is 85 % in and 15 % out, as in a production trace."""
    shares = {"IN": (100, 0), "OUT": (0, 100), "BLEND": (85, 15)}[model.direction]
    usage = Usage(input_tokens=MILLION, output_tokens=MILLION)
    priced = calc_price(usage, model.model, provider_id=model.provider)
    return (priced.input_price * shares[0] + priced.output_price * shares[1]) / 100
