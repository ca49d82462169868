"""What requests and answers about letting people in, and about deciding together, look like."""

from typing import Literal

from pydantic import BaseModel, Field

from api.v1.schemas import REQUEST, ROWS_MAX, AccountAnswer, Name, Text
from exchange.core.types import FEE_TIERS
from exchange.registry.conduct import NOTE_CHARACTERS_MAX, PROPOSAL_BODY_MAX


class ApplicationRequest(BaseModel):
    """Who wants to take part, as what, and how to be reached."""

    model_config = REQUEST
    name: Name
    role: Literal["trader", "market_maker", "issuer", "vendor", "broker"]
    description: Text = ""
    contact: str = Field("", max_length=100)


class StandingRequest(BaseModel):
    """Where a participant is to stand from now on; `note` says why."""

    model_config = REQUEST
    participant: Name
    standing: Literal["verified", "active", "restricted", "suspended", "closed"]
    note: str = Field("", max_length=NOTE_CHARACTERS_MAX)


class StandingAnswer(BaseModel):
    """A participant as it stands, and its accounts."""

    participant: str
    role: str
    standing: str
    contact: str
    tier: int
    accounts: list[AccountAnswer]


class TierRequest(BaseModel):
    """The fee tier of a participant."""

    model_config = REQUEST
    participant: Name
    tier: int = Field(ge=0, lt=FEE_TIERS)


class SubaccountRequest(BaseModel):
    """An account for a client of the broker: one that may trade with the broker's others, unless grouped with them."""

    model_config = REQUEST
    name: Name
    grouped: bool = False


class FourEyesRequest(BaseModel):
    """Whether acts that move money or change rules need a second operator."""

    model_config = REQUEST
    required: bool


class ProposalRequest(BaseModel):
    """An act, as the method, path and body of the request that would do it."""

    model_config = REQUEST
    act: str = Field(max_length=100, examples=["PUT /v1/fees"])
    body: str = Field(max_length=PROPOSAL_BODY_MAX, description="The JSON text of the request.")
    seconds: int = Field(86_400, ge=60, le=7 * 86_400, description="For how long it can be approved.")


class DecisionRequest(BaseModel):
    """Approve or refuse a proposal of another operator."""

    model_config = REQUEST
    number: int = Field(ge=1)
    approve: bool


class ProposalAnswer(BaseModel):
    """A proposal as it stands; times are milliseconds."""

    number: int
    act: str
    body: str
    why: str
    by: str
    made: int
    expires: int
    state: str
    decided_by: str
    decided: int
    code: int = Field(description="Of the refusal, if the act failed.")
    answer: str


class ProposalsRequest(BaseModel):
    """Proposals behind a number."""

    model_config = REQUEST
    after: int = Field(0, ge=0)
    limit: int = Field(100, ge=1, le=ROWS_MAX)


class ProposalsAnswer(BaseModel):
    """Proposals by number."""

    proposals: list[ProposalAnswer]
