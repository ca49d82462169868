"""What everybody may hear of the markets, with its history: announcements, and what happened to instruments."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.binance.directory import Directory
from api.notices import MILLISECOND_NS, announcement_body, notice_body, status_body
from api.v1.desk import Action, Caller, Desk, register
from api.v1.reference import find_instrument
from api.v1.schemas import REQUEST, ROWS_MAX, SymbolName
from exchange.registry.checks import DESCRIPTION_CHARACTERS_MAX, SYMBOLS_MAX, TITLE_CHARACTERS_MAX
from exchange.registry.documents import AnnouncementMade, Scope

TIME_MAX = 1 << 43
Milliseconds = Annotated[int, Field(ge=0, lt=TIME_MAX, description="Since 1970; 0: not said.")]


class NewAnnouncement(BaseModel):
    """What is announced, whom it concerns (no symbols: everybody), and when it begins and ends."""

    model_config = REQUEST
    topic: Literal["MAINTENANCE", "LISTING", "HALT", "RULES", "OTHER"]
    title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARACTERS_MAX)]
    text: Annotated[str, Field(max_length=DESCRIPTION_CHARACTERS_MAX)] = ""
    symbols: Annotated[list[SymbolName], Field(max_length=SYMBOLS_MAX)] = []
    begins: Milliseconds = 0
    ends: Milliseconds = 0


class AnnouncementAnswer(BaseModel):
    """An announcement, in the words of the stream `!announcements`."""

    e: Literal["announcement"]
    E: int = Field(description="When it was made.")
    id: int
    topic: str
    title: str
    text: str
    symbols: list[str]
    begins: int | None
    ends: int | None


class AnnouncementsRequest(BaseModel):
    """The announcements behind one."""

    model_config = REQUEST
    from_: int = Field(0, alias="from", ge=0, description="The `id` of the last announcement known; 0 for all kept.")
    limit: int = Field(ROWS_MAX, ge=1, le=ROWS_MAX)


class AnnouncementsAnswer(BaseModel):
    """Announcements by rising id; the oldest are forgotten beyond a thousand."""

    announcements: list[AnnouncementAnswer]


class MarketEventsRequest(BaseModel):
    """What happened to instruments behind an event."""

    model_config = REQUEST
    symbol: str = ""
    from_: int = Field(0, alias="from", ge=0, description="The `n` of the last one known; 0 for all kept.")
    limit: int = Field(ROWS_MAX, ge=1, le=ROWS_MAX)


class MarketEventsAnswer(BaseModel):
    """Changes of state, mode and guards, listings and results of auctions, in the words of `<symbol>@phase`."""

    last: int = Field(description="The `n` of the latest of all: reached when nothing more is to be told.")
    events: list[dict[str, Any]]


class PhaseRequest(BaseModel):
    """The instrument asked about."""

    model_config = REQUEST
    symbol: SymbolName


class PhaseAnswer(BaseModel):
    """How an instrument stands, and what its auction would make as it was last asked for."""

    e: Literal["phaseStatus"]
    E: int
    s: str
    n: int
    state: str
    mode: str
    static_guard_bps: int
    dynamic_guard_bps: int
    reference: str | None
    auction: dict[str, Any] | None


async def announce(desk: Desk, caller: Caller, request: NewAnnouncement) -> AnnouncementAnswer:
    """Tell everybody something: who reads `!announcements` at once, others when they ask."""
    for symbol in request.symbols:
        find_instrument(desk, symbol)
    async with desk.registrations:
        document = AnnouncementMade(
            desk.exchange.registry.next_announcement,
            request.topic,
            request.title,
            request.text,
            tuple(request.symbols),
            request.begins * MILLISECOND_NS,
            request.ends * MILLISECOND_NS,
            desk.exchange.clock.now_ns(),
        )
        await register(desk, document)
    return AnnouncementAnswer.model_validate(announcement_body(document))


async def list_announcements(desk: Desk, caller: Caller, request: AnnouncementsRequest) -> AnnouncementsAnswer:
    """Return what was announced behind an announcement."""
    found = [one for one in desk.exchange.registry.announcements if one.index > request.from_][: request.limit]
    rows = [AnnouncementAnswer.model_validate(announcement_body(one)) for one in found]
    return AnnouncementsAnswer(announcements=rows)


async def list_market_events(desk: Desk, caller: Caller, request: MarketEventsRequest) -> MarketEventsAnswer:
    """Return listings, changes of state, mode and guards, and results of auctions, of one instrument or of all."""
    instrument = find_instrument(desk, request.symbol).index if request.symbol else 0
    notices, directory = desk.exchange.notices, Directory(desk.exchange.registry)
    found = notices.read(request.from_, request.limit, instrument)
    bodies = [notice_body(notice, directory.texts(notice.instrument)) for notice in found]
    return MarketEventsAnswer(last=notices.last_number, events=bodies)


async def phase(desk: Desk, caller: Caller, request: PhaseRequest) -> PhaseAnswer:
    """Return how an instrument stands: its trading state, mode and guards, and the auction that forms."""
    instrument = find_instrument(desk, request.symbol)
    texts = Directory(desk.exchange.registry).texts(instrument.index)
    notices, now_ms = desk.exchange.notices, desk.exchange.clock.now_ns() // MILLISECOND_NS
    body = status_body(texts, notices.auction(instrument.index), notices.last_number, now_ms)
    return PhaseAnswer.model_validate(body)


ACTIONS = (
    Action("POST", "/v1/announcements", announce, NewAnnouncement, AnnouncementAnswer, (Scope.OPERATE,)),
    Action("GET", "/v1/announcements", list_announcements, AnnouncementsRequest, AnnouncementsAnswer, weight=5),
    Action("GET", "/v1/market-events", list_market_events, MarketEventsRequest, MarketEventsAnswer, weight=5),
    Action("GET", "/v1/phase", phase, PhaseRequest, PhaseAnswer),
)
