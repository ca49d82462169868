"""Reference data for everybody: instruments in pages, and what changed about them since a command."""

from itertools import islice

from pydantic import BaseModel, Field

from api.call import Answer, unchanged
from api.errors import RequestError
from api.terms import InstrumentAnswer, instrument_answer
from api.v1.desk import Action, Caller, Desk
from api.v1.problems import UNKNOWN_SYMBOL
from api.v1.schemas import REQUEST, ROWS_MAX
from exchange.registry.entries import Instrument


class InstrumentsRequest(BaseModel):
    """One instrument, or a page of all."""

    model_config = REQUEST
    symbol: str = ""
    after: str = Field("", description="The last symbol of the page before.")
    limit: int = Field(ROWS_MAX, ge=1, le=ROWS_MAX)


class InstrumentsAnswer(BaseModel):
    """Instruments in the order of listing."""

    instruments: list[InstrumentAnswer]


class ChangesRequest(BaseModel):
    """What to tell: the instruments that changed behind a command."""

    model_config = REQUEST
    from_: int = Field(0, alias="from", ge=0, description="The `sequence` of the last instrument told; 0 for all.")
    limit: int = Field(ROWS_MAX, ge=1, le=ROWS_MAX)


class ChangesAnswer(BaseModel):
    """Instruments in the order of their last change, each as it is now; ask on from the last one's `sequence`."""

    sequence: int = Field(description="Of the latest change of all: reached when nothing more is to be told.")
    instruments: list[InstrumentAnswer]


async def list_instruments(desk: Desk, caller: Caller, request: InstrumentsRequest) -> InstrumentsAnswer | Answer:
    """Return one instrument, or a page of all: pass the last symbol as `after` for the next page.

    The answer has an ETag; a request with it in If-None-Match is answered with 304 while no instrument has changed.
    """
    same = unchanged(caller.call, f'"{desk.version}-{desk.exchange.registry.instruments_sequence}"')
    if same is not None:
        return same
    if request.symbol:
        return _answer(desk, [find_instrument(desk, request.symbol)])
    first = find_instrument(desk, request.after).index if request.after else 0
    rest = islice(desk.exchange.registry.instruments, first, None)
    return _answer(desk, list(islice((found for found in rest if found.is_listed), request.limit)))


async def list_changes(desk: Desk, caller: Caller, request: ChangesRequest) -> ChangesAnswer:
    """Return the instruments that changed behind a command, each once and as it is now; `!instruments` streams them."""
    registry = desk.exchange.registry
    changed = [found for found in registry.instruments_changed(request.from_) if found.is_listed]
    rows = [instrument_answer(registry, found) for found in changed[: request.limit]]
    return ChangesAnswer(sequence=registry.instruments_sequence, instruments=rows)


def find_instrument(desk: Desk, symbol: str) -> Instrument:
    """Return a listed instrument, or refuse the symbol."""
    found = desk.exchange.registry.instrument(symbol)
    if found is None or not found.is_listed:
        raise RequestError(UNKNOWN_SYMBOL)
    return found


def _answer(desk: Desk, found: list[Instrument]) -> InstrumentsAnswer:
    return InstrumentsAnswer(instruments=[instrument_answer(desk.exchange.registry, one) for one in found])


ACTIONS = (
    Action("GET", "/v1/instruments", list_instruments, InstrumentsRequest, InstrumentsAnswer, weight=10),
    Action("GET", "/v1/instruments/changes", list_changes, ChangesRequest, ChangesAnswer, weight=10),
)
