"""What requests and answers under /v1 look like. Amounts and prices are decimal texts, times are milliseconds.

An account is given by its number, an asset and an instrument by name. Unknown fields are refused.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from exchange.core.types import BPS, FEE_TIERS

REQUEST = ConfigDict(extra="forbid", frozen=True)
ROWS_MAX = 1_000  # of one answer
ACCOUNTS_MAX = 32  # created with one participant

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", examples=["ctel"])]
AssetName = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9._-]{0,39}$", examples=["CNY"])]
SymbolName = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9._-]{0,39}$", examples=["TA.CTEL.Q3.OUT.GZ.M2701.G80A"])]
Number = Annotated[str, Field(pattern=r"^[0-9]{1,20}(\.[0-9]{1,20})?$", examples=["12.5"])]
AccountNumber = Annotated[int, Field(ge=0, lt=1 << 31, examples=[1])]  # an integer of Postgres
Text = Annotated[str, Field(max_length=4_000)]
Rate = Annotated[int, Field(ge=-BPS, le=BPS, description="Basis points.", examples=[5])]
RoleName = Literal["trader", "market_maker", "issuer", "vendor", "broker", "operator", "auditor"]
ScopeName = Literal["read", "trade", "issue", "meter", "operate", "audit"]
AccountStateName = Literal["ACTIVE", "RESTRICTED", "SUSPENDED", "CLOSED"]
TradingStateName = Literal[
    "CLOSED",
    "CONTINUOUS",
    "HALTED",
    "SUSPENDED",
    "PRE_OPEN",
    "CALL_OPEN",
    "CALL_NO_CANCEL",
    "VOLATILITY",
    "CALL_CLOSE",
    "UNCROSSING",
    "GATE_CLOSED",
    "EXPIRED",
]
TradedKindName = Literal["ALLOWANCE", "LICENCE"]
PreventionName = Literal["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]


class ErrorAnswer(BaseModel):
    """A refusal: the code is stable, the message says what to do."""

    code: int
    msg: str


class Nothing(BaseModel):
    """No parameters."""

    model_config = REQUEST


# --- the operator's desk ---


class NewAccount(BaseModel):
    """An account to be created with its participant."""

    model_config = REQUEST
    name: Name
    group: AccountNumber = Field(0, description="Accounts of one group do not trade with each other; 0: its own group.")


class NewParticipant(BaseModel):
    """Somebody who will have accounts. A repeat with the same terms adds what is missing and answers the same."""

    model_config = REQUEST
    name: Name
    role: RoleName
    description: Text = ""
    accounts: tuple[NewAccount, ...] = Field((), max_length=ACCOUNTS_MAX, description="None: one of the same name.")


class AccountAnswer(BaseModel):
    """An account."""

    account: int
    name: str
    participant: str
    role: str
    group: int
    state: str
    tier: int = Field(description="Of fees.")


class ParticipantAnswer(BaseModel):
    """A participant and its accounts."""

    participant: str
    role: str
    description: str
    accounts: list[AccountAnswer]


class ParticipantsRequest(BaseModel):
    """One participant, or a page of all."""

    model_config = REQUEST
    name: str = ""
    after: str = Field("", description="The last name of the page before.")
    limit: int = Field(ROWS_MAX, ge=1, le=ROWS_MAX)


class ParticipantsAnswer(BaseModel):
    """Participants in the order of creation."""

    participants: list[ParticipantAnswer]


class NewKey(BaseModel):
    """An API key of an account."""

    model_config = REQUEST
    account: AccountNumber
    scopes: tuple[ScopeName, ...] = Field(min_length=1, description="What the key may do.")
    label: str = Field("", max_length=100)
    expires: int = Field(0, ge=0, lt=1 << 53, description="Milliseconds since 1970; 0: never.")
    ip_allow: tuple[str, ...] = Field((), max_length=32, description="Addresses and networks; none: from anywhere.")
    public_key: str = Field("", max_length=1_000, description="Of Ed25519, PEM or base64; none: a secret is drawn.")
    cancel_on_disconnect: bool = Field(default=False, description="Orders end when a connection of this key goes.")


class KeyAnswer(BaseModel):
    """An API key without its secret."""

    key: str
    account: int
    scopes: list[str]
    label: str
    created: int
    expires: int
    ip_allow: list[str]
    revoked: bool
    revoked_at: int = Field(description="In milliseconds; 0 while it is good.")
    signs_by: Literal["HMAC", "ED25519"]
    cancel_on_disconnect: bool
    rotating: bool = Field(description="A second secret waits to be confirmed; both are good until then.")


class NewKeyAnswer(KeyAnswer):
    """A new API key; the secret is shown this once, and empty where the key has a public key."""

    secret: str


class RotateRequest(BaseModel):
    """What the key that signs this request is to sign with in future."""

    model_config = REQUEST
    public_key: str = Field("", max_length=1_000, description="Of Ed25519, PEM or base64; none: a secret is drawn.")


class KeysRequest(BaseModel):
    """Keys of an account."""

    model_config = REQUEST
    account: AccountNumber


class KeysAnswer(BaseModel):
    """Keys in the order of creation, revoked ones included."""

    keys: list[KeyAnswer]


class KeyRequest(BaseModel):
    """One API key."""

    model_config = REQUEST
    key: str = Field(min_length=16, max_length=128)


class AccountStateRequest(BaseModel):
    """What an account may do from now on; RESTRICTED and SUSPENDED accounts may only cancel."""

    model_config = REQUEST
    account: AccountNumber
    state: AccountStateName
    cancel_orders: bool = Field(default=False, description="End all its open orders in the same moment.")


class AccountStateAnswer(BaseModel):
    """An account's state and how many of its orders were cancelled."""

    account: int
    state: str
    canceled: int


# --- assets and instruments ---


class NewAsset(BaseModel):
    """A cash asset; allowances and licences come with their instrument."""

    model_config = REQUEST
    name: AssetName
    decimals: int = Field(6, ge=0, le=18, description="10^decimals units are shown as 1.")
    description: Text = ""


class AssetAnswer(BaseModel):
    """An asset."""

    asset: str
    kind: str
    decimals: int
    issuer: int
    description: str


class AssetsAnswer(BaseModel):
    """All assets in the order of creation."""

    assets: list[AssetAnswer]


class NewInstrument(BaseModel):
    """An instrument to list, and with it the asset that is traded. A repeat with the same terms answers the same.

    Without `decimals` an allowance counts tokens, a million to the lot, and a licence counts pieces.
    """

    model_config = REQUEST
    symbol: SymbolName
    kind: TradedKindName
    issuer: AccountNumber = Field(description="The account that alone may issue the asset.")
    quote: AssetName = "CNY"
    tick_size: Number = Field("0.0001", description="Smallest step of the price of one lot, in the quote asset.")
    decimals: int | None = Field(None, ge=0, le=18, description="A lot is 10^decimals units. Allowance 6, licence 0.")
    quantity_min: int = Field(1, ge=1, description="Lots of the smallest order.")
    quantity_max: int = Field(1_000_000, ge=1, description="Lots of the largest order.")
    price_low: Number | None = Field(None, description="Lowest price of an order; one tick unless given.")
    price_high: Number = Field(description="Highest price of an order.")
    maker_bps: Rate = 0
    taker_bps: Rate = 0
    self_trade_prevention: PreventionName = Field("EXPIRE_TAKER", description="Of orders that do not say.")
    state: TradingStateName = Field("CONTINUOUS", description="Of the instrument once listed.")
    description: Text = ""


class TradingStateRequest(BaseModel):
    """The state of one instrument: CONTINUOUS trades, CLOSED and HALTED only cancel, SUSPENDED does nothing."""

    model_config = REQUEST
    symbol: SymbolName
    state: TradingStateName


class HaltRequest(BaseModel):
    """Instruments to halt; none named: all that trade."""

    model_config = REQUEST
    symbols: tuple[SymbolName, ...] = Field((), max_length=ROWS_MAX)


class HaltAnswer(BaseModel):
    """How many instruments stopped trading."""

    halted: int


class FeesRequest(BaseModel):
    """Fee rates of orders accepted from now on; the maker's may be negative, by no more than the taker pays.

    They are those of a tier of accounts and of all tiers above it: of tier 0, everybody's.
    """

    model_config = REQUEST
    symbol: SymbolName
    maker_bps: Rate
    taker_bps: Rate
    tier: int = Field(0, ge=0, lt=FEE_TIERS)


class BandRequest(BaseModel):
    """Lowest and highest price of orders accepted from now on."""

    model_config = REQUEST
    symbol: SymbolName
    price_low: Number
    price_high: Number


# --- money and allowances ---


class TransferRequest(BaseModel):
    """Cash that comes from outside or goes there."""

    model_config = REQUEST
    account: AccountNumber
    asset: AssetName = "CNY"
    amount: Number


class IssueRequest(BaseModel):
    """Units of an asset that the key's account issues, credited to that account."""

    model_config = REQUEST
    asset: AssetName = Field(description="An allowance or licence: the symbol of its instrument.")
    amount: Number = Field(description="In lots: of an allowance, millions of tokens.")
    certificates: tuple[str, ...] = Field((), max_length=1_000, description="Serial numbers to spend.")


class TransferAnswer(BaseModel):
    """What was credited or debited; the sequence is the command's in the journal."""

    account: int
    asset: str
    amount: str
    sequence: int
    time: int


# --- one's own account ---


class BalancesRequest(BaseModel):
    """The key's own account, or with the scope operate or audit any other."""

    model_config = REQUEST
    account: AccountNumber | None = None


class BalanceAnswer(BaseModel):
    """What an account owns of one asset: total = available + held."""

    asset: str
    available: str
    held: str
    total: str


class BalancesAnswer(BaseModel):
    """Balances as of the command with this sequence number."""

    account: int
    sequence: int
    balances: list[BalanceAnswer]


class FillsRequest(BaseModel):
    """Fills from a trade id on, of a time, or the last ones."""

    model_config = REQUEST
    account: AccountNumber | None = None
    symbol: str = ""
    from_id: int | None = Field(None, ge=0, lt=1 << 63)
    start: int | None = Field(None, ge=0, lt=1 << 43)
    end: int | None = Field(None, ge=0, lt=1 << 43)
    limit: int = Field(500, ge=1, le=ROWS_MAX)


class FillAnswer(BaseModel):
    """One side's part of a trade. `event` numbers the entry in event log and ledger."""

    event: int
    trade_id: int
    order_id: int
    symbol: str
    side: Literal["BUY", "SELL"]
    role: Literal["MAKER", "TAKER"]
    price: str
    quantity: str
    amount: str
    fee: str
    fee_asset: str
    time: int


class FillsAnswer(BaseModel):
    """Fills by rising trade id."""

    account: int
    fills: list[FillAnswer]


class StatementRequest(BaseModel):
    """One asset's postings of a time, `end` not included."""

    model_config = REQUEST
    account: AccountNumber | None = None
    asset: AssetName = "CNY"
    start: int = Field(0, ge=0, lt=1 << 43, description="Milliseconds since 1970.")
    end: int | None = Field(None, ge=0, lt=1 << 43, description="Milliseconds since 1970; now unless given.")


class StatementLine(BaseModel):
    """One posting and the balance after it. `event` numbers the entry; symbol, price and quantity are of a trade."""

    event: int
    time: int
    kind: str
    amount: str
    balance: str
    symbol: str = ""
    price: str = ""
    quantity: str = ""


class StatementAnswer(BaseModel):
    """Opening balance, postings, closing balance: they add up. From behind event `after` up to event `upto`."""

    account: int
    asset: str
    after: int
    upto: int
    opening: str
    entries: list[StatementLine]
    closing: str


class LedgerHealth(BaseModel):
    """How far the ledger has followed."""

    connected: bool
    event: int = Field(description="The last event that is posted.")
    lag: int = Field(description="Events that are not posted yet.")


class HealthAnswer(BaseModel):
    """Where each part of an exchange that takes orders stands."""

    ready: Literal[True]
    version: str
    uptime_s: int
    journal_position: int
    events: int
    pending_commands: int
    ledger: LedgerHealth
