"""The methodology of published prices: its versions, and how another is put in force from a day on."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field

from api.call import Answer, unchanged
from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, register
from api.v1.problems import NOT_AHEAD, UNKNOWN_METHODOLOGY, amount_units
from api.v1.schemas import REQUEST
from exchange.core.types import BPS
from exchange.methodology import METHODOLOGIES_MAX, NOTE_CHARACTERS_MAX, Methodology, MethodologySet, day_of
from exchange.registry.documents import Scope
from exchange.registry.methodologies import (
    CAP_BPS_MIN,
    CARRIED_DAYS_MAX,
    COUNT_MAX,
    FACTOR_MAX,
    FACTORS_MAX,
    WINDOW_MINUTES_MAX,
)
from exchange.registry.units import format_units

FIRST_DAY = date(1970, 1, 1).toordinal()
DATASET_DECIMALS = 6  # of yuan
MILLISECOND_NS = 1_000_000
_Factor = Annotated[int, Field(ge=1, le=FACTOR_MAX)]
_Share = Annotated[int, Field(ge=0, le=FACTOR_MAX)]
_Table = Annotated[dict[str, _Factor], Field(max_length=FACTORS_MAX)]


class Rules(BaseModel):
    """Every figure that published prices depend on; factors in basis points."""

    model_config = REQUEST
    quality_bps: _Table = Field(description="By grade; a model of another name counts as 10000.")
    green_bps: _Table
    hub_bps: _Table
    scenario_bps: _Table
    quality_weights: dict[str, Annotated[int, Field(ge=0, le=100)]] = Field(description="Hundredths; sum 100.")
    quality_floor_bps: _Share
    base_grade: str = Field(max_length=16)
    base_hub: str = Field(max_length=16)
    dataset_base: str = Field(description="In yuan, for a million tokens of an ordinary dataset.")
    bytes_per_token: int = Field(ge=1, le=1_000)
    scarce_from_bps: int = Field(ge=0, le=BPS)
    scarcity_bps: _Share
    rarity_bps: _Share
    index_trades_min: int = Field(ge=1, le=COUNT_MAX)
    index_counterparties_min: int = Field(ge=1, le=COUNT_MAX)
    index_cap_bps: int = Field(ge=CAP_BPS_MIN, le=BPS, description="The most that one group weighs.")
    index_carried_days_max: int = Field(ge=0, le=CARRIED_DAYS_MAX)
    settlement_window_minutes: int = Field(ge=1, le=WINDOW_MINUTES_MAX)


class NewMethodology(Rules):
    """All figures of the next version, the first day that it is in force on, and what is different and why."""

    first_day: date = Field(description="In China Standard Time; not begun yet.", examples=["2027-01-13"])
    note: str = Field(min_length=1, max_length=NOTE_CHARACTERS_MAX)


class MethodologyAnswer(Rules):
    """A version: in force from its first day on, until the first day of a later one."""

    version: int
    first_day: date
    set: int = Field(description="When it was written down, in milliseconds; 0: from the beginning.")
    note: str


class MethodologyRequest(BaseModel):
    """A version; without one that of today."""

    model_config = REQUEST
    version: int | None = Field(None, ge=1, le=METHODOLOGIES_MAX)


class MethodologiesRequest(BaseModel):
    """The versions behind one."""

    model_config = REQUEST
    after: int = Field(0, ge=0, le=METHODOLOGIES_MAX)
    limit: int = Field(100, ge=1, le=METHODOLOGIES_MAX)


class MethodologiesAnswer(BaseModel):
    """Versions by number; `current` is that of today."""

    current: int
    methodologies: list[MethodologyAnswer]


async def set_methodology(desk: Desk, caller: Caller, request: NewMethodology) -> MethodologyAnswer:
    """Write down the next version of the methodology: prices of its first day and of later ones are made by it.

    Prices of earlier days keep theirs, and so do corrections of them. A version that begins before one written down
    earlier takes its place.
    """
    figures = request.model_dump(exclude={"first_day", "note", "dataset_base"})
    base = amount_units("dataset_base", request.dataset_base, DATASET_DECIMALS)
    registry = desk.exchange.registry
    async with desk.registrations:
        now_ns, first_day = desk.exchange.clock.now_ns(), request.first_day.toordinal() - FIRST_DAY
        if first_day <= day_of(now_ns):
            raise RequestError(NOT_AHEAD)
        version = len(registry.methodologies) + 1
        made = MethodologySet(version, first_day, now_ns, request.note, Methodology(dataset_base=base, **figures))
        await register(desk, made)
    return _answer(made)


async def show_methodology(desk: Desk, caller: Caller, request: MethodologyRequest) -> MethodologyAnswer:
    """Return every figure of a version that published prices depend on, or of today's."""
    return _answer(methodology_of(desk, request.version))


async def list_methodologies(desk: Desk, caller: Caller, request: MethodologiesRequest) -> MethodologiesAnswer | Answer:
    """Return the versions of the methodology, those to come included: pass the last as `after` for the next page.

    The answer has an ETag; a request with it in If-None-Match is answered with 304 while there is no other version.
    """
    known, current = desk.exchange.registry.methodologies, methodology_of(desk, None).version
    same = unchanged(caller.call, f'"{desk.version}-{len(known)}-{current}-{request.after}-{request.limit}"')
    if same is not None:
        return same
    page = known[request.after : request.after + request.limit]
    return MethodologiesAnswer(current=current, methodologies=[_answer(one) for one in page])


def methodology_of(desk: Desk, version: int | None) -> MethodologySet:
    """Return a version of the methodology, or today's; refuse one that is not there."""
    registry = desk.exchange.registry
    if version is None:
        return registry.methodology_on(day_of(desk.exchange.clock.now_ns()))
    if version > len(registry.methodologies):
        raise RequestError(UNKNOWN_METHODOLOGY)
    return registry.methodologies[version - 1]


def _answer(found: MethodologySet) -> MethodologyAnswer:
    rules = found.rules
    figures = {name: getattr(rules, name) for name in Rules.model_fields if name != "dataset_base"}
    return MethodologyAnswer(
        version=found.version,
        first_day=date.fromordinal(FIRST_DAY + found.first_day),
        set=found.set_ns // MILLISECOND_NS,
        note=found.note,
        dataset_base=format_units(rules.dataset_base, DATASET_DECIMALS),
        **figures,
    )


ACTIONS = (
    Action("GET", "/v1/methodology", show_methodology, MethodologyRequest, MethodologyAnswer),
    Action("PUT", "/v1/methodology", set_methodology, NewMethodology, MethodologyAnswer, (Scope.OPERATE,)),
    Action("GET", "/v1/methodologies", list_methodologies, MethodologiesRequest, MethodologiesAnswer, weight=10),
)
