"""What requests and answers about metered use look like."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.v1.schemas import REQUEST
from exchange.usage.plan import TOKENS_MAX

Tokens = Annotated[int, Field(ge=0, le=TOKENS_MAX)]


class UsageRecord(BaseModel):
    """One metered request: whose key it came with, and its tokens, each counted under one heading alone."""

    model_config = REQUEST
    id: str = Field(min_length=1, max_length=128, description="The issuer's own id: counts once.")
    key: str = Field(min_length=1, max_length=128, description="The API key to which units are nominated.")
    time: int = Field(ge=0, le=1 << 53, description="When it was used, in milliseconds; at most 72 hours ago.")
    tokens_in: Tokens = Field(0, description="Read anew.")
    tokens_out: Tokens = Field(0, description="Written.")
    tokens_cached: Tokens = Field(0, description="Read from a cache.")
    tokens_reasoning: Tokens = Field(0, description="Written for the model's own use.")
    tokens_image: Tokens = 0
    tokens_audio: Tokens = 0
    model: str = Field("", max_length=64, description="Only series of this grade pay; any, unless given.")
    symbol: str = Field("", max_length=64, description="Only this series pays; any, unless given.")


class UsageRequest(BaseModel):
    """A numbered batch of usage records: an issuer's batches count from 1. A repeat is answered as the first was."""

    model_config = REQUEST
    batch: int = Field(ge=1, le=1 << 53)
    records: tuple[UsageRecord, ...] = Field(min_length=1, max_length=10_000)


class UsageResult(BaseModel):
    """What became of one record. REFUSED carries code and msg."""

    id: str
    status: Literal["APPLIED", "DUPLICATE", "REFUSED"]
    tokens: int = Field(description="Tokens that this record burned.")
    overrun: int = Field(0, description="Tokens beyond the key's units, paid in cash.")
    cost: str = Field("", description="What those cost.")
    code: int = 0
    msg: str = ""


class UsageAnswer(BaseModel):
    """What became of a batch, record by record in the order sent."""

    batch: int
    applied: int
    duplicates: int
    refused: int
    tokens: int
    overrun: int
    cost: str
    remaining: dict[str, int] = Field(description="Tokens of yours that each key has left after the batch.")
    results: list[UsageResult]


class NextBatchAnswer(BaseModel):
    """The number of the issuer's next batch."""

    batch: int
