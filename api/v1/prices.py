"""Published prices: indices, settlement prices, reference prices; each says which methodology it follows."""

from datetime import date
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, ask
from api.v1.methodologies import DATASET_DECIMALS, FIRST_DAY, methodology_of
from api.v1.problems import NO_LEDGER, UNKNOWN_SYMBOL
from api.v1.schemas import REQUEST, SymbolName
from exchange.core.engine import Engine
from exchange.core.types import BPS, AssetKind
from exchange.marketdata import indices, reference
from exchange.marketdata.indices import IndexKey, key_of
from exchange.marketdata.reference import Factors
from exchange.methodology import METHODOLOGIES_MAX, MethodologySet
from exchange.registry.entries import Instrument
from exchange.registry.units import format_steps, format_units
from settlement.connect import PASSING_ERRORS
from settlement.publications import INDEX, ROWS_MAX, SETTLEMENT, Publication, history, of_day, publication

DAY_MAX = date.max.toordinal() - FIRST_DAY
_Share = Annotated[int, Field(ge=0, le=BPS, description="Basis points.")]
_Limit = Annotated[int, Field(ge=1, le=ROWS_MAX, description="Of days, or of the symbols of one.")]
_Version = Annotated[
    int | None, Field(ge=1, le=METHODOLOGIES_MAX, description="Of the methodology; without one that of today.")
]
_Printed = Annotated[str, Field(max_length=100, pattern="^[!-~]*$")]  # what Postgres takes for a text
_Day = Annotated[date | None, Field(description="A trading day, such as 2027-01-31.")]


class IndicesRequest(BaseModel):
    """All indices of the last day that is over, or every version of one, newest first."""

    model_config = REQUEST
    name: _Printed = Field("", description="Such as Q3.OUT.GZ.")
    before: _Day = None
    limit: _Limit = 100


class IndexAnswer(BaseModel):
    """One version of an index on a day: its price is of a million tokens."""

    name: str
    quote: str
    day: date
    version: int
    price: str
    quality: str = Field(description="FULL, PREVIOUS, THIN or NONE: see the methodology.")
    age_days: int
    trades: int
    excluded: int
    buyers: int
    sellers: int
    capped: int
    coverage_bps: int
    units: int
    methodology: int = Field(description="The version that made it.")


class IndicesAnswer(BaseModel):
    """Indices."""

    indices: list[IndexAnswer]


class SettlementPricesRequest(BaseModel):
    """The prices of a day by symbol, or every version of an instrument's, newest first."""

    model_config = REQUEST
    symbol: _Printed = ""
    day: _Day = None
    before: _Day = None
    after: _Printed = Field("", description="Of a day: the last symbol of the page before.")
    limit: _Limit = 100


class SettlementPriceAnswer(BaseModel):
    """One version of a settlement price."""

    symbol: str
    day: date
    version: int
    price: str
    tier: str = Field(description="WINDOW, LAST, PREVIOUS or NONE: see the methodology.")
    trades: int
    window_trades: int
    window_lots: int
    methodology: int = Field(description="The version that made it.")


class SettlementPricesAnswer(BaseModel):
    """Settlement prices."""

    settlement_prices: list[SettlementPriceAnswer]


class ReferencePriceRequest(BaseModel):
    """An instrument, and the version to compute with."""

    model_config = REQUEST
    symbol: SymbolName
    methodology: _Version = None


class ReferencePriceAnswer(BaseModel):
    """What an instrument would cost by its properties; `base_of` names an index, or says OWN for its own reference."""

    symbol: str
    base: str
    base_of: str
    quality_bps: int
    scarcity_bps: int
    scenario_bps: int
    green_bps: int
    hub_bps: int
    price: str
    methodology: int


class AppraisalRequest(BaseModel):
    """A dataset: its tokens, or its bytes, and its quality vector in basis points."""

    model_config = REQUEST
    tokens: int = Field(0, ge=0, lt=1 << 60)
    bytes: int = Field(0, ge=0, lt=1 << 60)
    scenario: str = Field("PT", max_length=20)
    alike: int = Field(0, ge=0, lt=1 << 20, description="Other datasets that could take its place.")
    completeness: _Share = BPS // 2
    accuracy: _Share = BPS // 2
    consistency: _Share = BPS // 2
    diversity: _Share = BPS // 2
    authenticity: _Share = BPS // 2
    compliance: _Share = BPS // 2
    benchmark_gain: _Share = BPS // 2
    methodology: _Version = None


class AppraisalAnswer(BaseModel):
    """What a dataset is worth, in yuan."""

    base: str
    quality_bps: int
    scarcity_bps: int
    scenario_bps: int
    value: str
    methodology: int


async def list_indices(desk: Desk, caller: Caller, request: IndicesRequest) -> IndicesAnswer:
    """Return indices with counts, coverage and quality; corrections are further versions of their day."""
    if request.name:
        rows = await _history(desk, INDEX, request.name, request.before, request.limit)
    else:
        rows = [publication(row) for row in desk.exchange.prices.indices()]
    return IndicesAnswer(indices=[_index(desk, row) for row in rows])


async def list_settlement_prices(
    desk: Desk, caller: Caller, request: SettlementPricesRequest
) -> SettlementPricesAnswer:
    """Return settlement prices: of an instrument, or of all that traded on a day (the last one over, unless given)."""
    if request.symbol:
        rows = await _history(desk, SETTLEMENT, request.symbol, request.before, request.limit)
    else:
        day = desk.exchange.prices.last_day if request.day is None else request.day.toordinal() - FIRST_DAY
        rows = await _of_day(desk, day, request.after, request.limit)
    return SettlementPricesAnswer(settlement_prices=[_settlement_price(desk, row) for row in rows])


async def reference_price(desk: Desk, caller: Caller, request: ReferencePriceRequest) -> ReferencePriceAnswer:
    """Return what an allowance would cost by its properties, or a licence by its last reference."""
    instrument = desk.exchange.registry.instrument(request.symbol)
    if instrument is None or not instrument.is_listed:
        raise RequestError(UNKNOWN_SYMBOL)
    version = methodology_of(desk, request.methodology)
    rules = version.rules
    issued, burned = await ask(desk, lambda engine: _issued(engine, instrument.base))
    scarcity = reference.scarcity_bps(rules, issued, burned)
    key = key_of(instrument.symbol, instrument.quote)
    base_key = None if key is None else key._replace(grade=reference.base_grade(rules, key.grade), hub=rules.base_hub)
    found = None if base_key is None else desk.exchange.prices.index(base_key)
    if base_key is not None and found is not None and found.price:
        factors = reference.allowance_factors(rules, instrument.symbol, scarcity)
        return _reference(desk, instrument, version, found.price, base_key, factors)
    base = instrument.reference_ticks * instrument.tick_value
    return _reference(desk, instrument, version, base, None, Factors(scarcity=scarcity))


async def appraise(desk: Desk, caller: Caller, request: AppraisalRequest) -> AppraisalAnswer:
    """Return what access to a dataset is worth by the methodology."""
    version = methodology_of(desk, request.methodology)
    tokens = request.tokens or request.bytes // version.rules.bytes_per_token
    vector = {name: getattr(request, name) for name in version.rules.quality_weights}
    found = reference.appraise(version.rules, tokens, vector, request.scenario, request.alike)
    return AppraisalAnswer(
        base=format_units(found.base, DATASET_DECIMALS),
        quality_bps=found.factors.quality,
        scarcity_bps=found.factors.scarcity,
        scenario_bps=found.factors.scenario,
        value=format_units(found.value, DATASET_DECIMALS),
        methodology=version.version,
    )


async def _history(desk: Desk, kind: str, name: str, before: date | None, limit: int) -> list[Publication]:
    before_day = DAY_MAX if before is None else before.toordinal() - FIRST_DAY
    if desk.ledger is None:
        raise RequestError(NO_LEDGER)
    try:
        return await history(desk.ledger.pool, kind, name, before_day, limit)
    except PASSING_ERRORS:
        raise RequestError(NO_LEDGER) from None


async def _of_day(desk: Desk, day: int, after: str, limit: int) -> list[Publication]:
    if desk.ledger is None:
        raise RequestError(NO_LEDGER)
    try:
        return await of_day(desk.ledger.pool, SETTLEMENT, day, after, limit)
    except PASSING_ERRORS:
        raise RequestError(NO_LEDGER) from None


def _index(desk: Desk, row: Publication) -> IndexAnswer:
    body = msgspec.json.decode(row.body)
    quote = desk.exchange.registry.asset_at(row.quote)
    assert quote is not None
    return IndexAnswer(
        name=row.name,
        quote=quote.name,
        day=date.fromordinal(FIRST_DAY + row.day),
        version=row.version,
        price=format_units(body["price"], quote.decimals),
        trades=body["trade_count"],
        excluded=body["excluded_count"],
        buyers=body["buyer_count"],
        sellers=body["seller_count"],
        capped=body["capped_count"],
        **{name: body[name] for name in ("quality", "age_days", "coverage_bps", "units", "methodology")},
    )


def _settlement_price(desk: Desk, row: Publication) -> SettlementPriceAnswer:
    body: dict[str, Any] = msgspec.json.decode(row.body)
    instrument = desk.exchange.registry.instrument(row.name)
    assert instrument is not None
    return SettlementPriceAnswer(
        symbol=row.name,
        day=date.fromordinal(FIRST_DAY + row.day),
        version=row.version,
        price=format_steps(body["price_ticks"], instrument.price_step, instrument.price_decimals),
        tier=body["tier"],
        trades=body["trade_count"],
        window_trades=body["window_count"],
        window_lots=body["window_lots"],
        methodology=body["methodology"],
    )


def _reference(
    desk: Desk,
    instrument: Instrument,
    version: MethodologySet,
    base: int,
    base_of: IndexKey | None,
    factors: Factors,
) -> ReferencePriceAnswer:
    quote = desk.exchange.registry.asset_at(instrument.quote)
    asset = desk.exchange.registry.asset_at(instrument.base)
    assert quote is not None
    assert asset is not None
    if base_of is not None and asset.kind == AssetKind.ALLOWANCE:  # an index is of a million units, a price of a lot
        price = reference.reference_price(base * instrument.lot_units, factors, indices.INDEX_UNITS)
    else:
        price = reference.reference_price(base, factors)
    return ReferencePriceAnswer(
        symbol=instrument.symbol,
        base=format_units(base, quote.decimals),
        base_of="OWN" if base_of is None else base_of.name,
        **{f"{name}_bps": factor for name, factor in factors._asdict().items()},
        price=format_units(price, quote.decimals),
        methodology=version.version,
    )


def _issued(engine: Engine, asset: int) -> tuple[int, int]:
    row = engine.asset_rows()[asset - 1]
    return int(row["issued"]), int(row["burned"])


ACTIONS = (
    Action("GET", "/v1/indices", list_indices, IndicesRequest, IndicesAnswer, weight=10),
    Action(
        "GET",
        "/v1/settlement-prices",
        list_settlement_prices,
        SettlementPricesRequest,
        SettlementPricesAnswer,
        weight=10,
    ),
    Action("GET", "/v1/reference-prices", reference_price, ReferencePriceRequest, ReferencePriceAnswer, weight=20),
    Action("GET", "/v1/appraisals", appraise, AppraisalRequest, AppraisalAnswer),
)
