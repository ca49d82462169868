"""What requests and answers about series of allowances look like."""

from typing import Annotated

from pydantic import BaseModel, Field

from api.v1.schemas import REQUEST, AccountNumber, AssetName, Number
from exchange.core.types import BPS
from exchange.registry.allowances import FACTOR_MAX, SERIALS_MAX, TOKENS_PER_MINUTE_MAX

Milliseconds = Annotated[int, Field(ge=0, lt=1 << 43)]
Seconds = Annotated[int, Field(ge=0, le=72 * 3600)]
Factor = Annotated[int, Field(ge=0, le=FACTOR_MAX, description="Basis points.")]


class SeriesRequest(BaseModel):
    """The terms of an allowance that is listed; its symbol says grade, direction, hub, window, green share."""

    model_config = REQUEST
    symbol: AssetName
    start: Milliseconds = Field(description="Of the window, in milliseconds.")
    end: Milliseconds
    gate: Seconds = Field(15 * 60, description="Seconds before the end at which trading and nominating stop.")
    grace: Seconds = Field(3600, description="Seconds after the end for which nominated units stay, for late reports.")
    collateral: Number = Field("0", description="Cash behind each lot.")
    wh: int = Field(0, ge=0, lt=1 << 53, description="Watt-hours that a lot takes.")
    rollover_bps: int = Field(0, ge=0, le=BPS, description="Share of what is left that passes into the next series.")
    next_symbol: str = ""


class SeriesAnswer(BaseModel):
    """A series: its terms, what was issued, and what may be."""

    symbol: str
    issuer: int
    grade: str
    direction: str
    hub: str
    window: str
    start: int
    end: int
    gate: int
    grace: int
    green_bps: int
    firm: bool
    collateral: str
    collateral_account: int
    wh: int
    rollover_bps: int
    next_symbol: str
    issued: str
    issuable: str


class SeriesQuery(BaseModel):
    """One series."""

    model_config = REQUEST
    symbol: AssetName


class CapacityRequest(BaseModel):
    """How much an issuer can deliver; the evidence is a text or the digest of a document."""

    model_config = REQUEST
    issuer: AccountNumber
    hub: str = Field(max_length=16)
    window: str = Field(max_length=16)
    tokens_per_minute: int = Field(ge=0, le=TOKENS_PER_MINUTE_MAX)
    evidence: str = Field("", max_length=1_000)


class CertificateTerms(BaseModel):
    """A green certificate."""

    model_config = REQUEST
    serial: str = Field(max_length=64)
    wh: int = Field(gt=0, lt=1 << 53)


class CertificatesRequest(BaseModel):
    """Green certificates that an issuer brings."""

    model_config = REQUEST
    issuer: AccountNumber
    certificates: tuple[CertificateTerms, ...] = Field(min_length=1, max_length=SERIALS_MAX)


class CertificatesAnswer(BaseModel):
    """How many were registered."""

    registered: int


class FactorsRequest(BaseModel):
    """How much of an allowance one token of each sort uses, in batches from now on."""

    model_config = REQUEST
    issuer: AccountNumber
    tokens_in: Factor = BPS
    cached: Factor = BPS
    image: Factor = BPS
    audio: Factor = BPS
    tokens_out: Factor = BPS
    reasoning: Factor = BPS


class CollateralAnswer(BaseModel):
    """The cash behind a series: held, needed for what is outstanding, and released now."""

    symbol: str
    outstanding: str
    needed: str
    held: str
    released: str
