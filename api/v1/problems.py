"""What our own dialect refuses, beyond what all requests share: a stable code, and what to do about it.

Codes of the Binance dialect keep their meaning here; those from -8030 to -8099 are listed in this file alone.
"""

from pydantic import ValidationError

from api.errors import Problem, RequestError, illegal, missing, overflowed, too_precise
from api.parameters import DECIMAL_RANGE
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.units import NumberRefusal, parse_steps, parse_units

NOT_JSON = Problem(415, -8030, "Send the body as application/json.")
FOREIGN_ACCOUNT = Problem(
    403, -8031, "This is another account's: leave 'account' out, or use a key with scope operate."
)
UNKNOWN_ACCOUNT = Problem(404, -8032, "No such account: GET /v1/participants lists all.")
UNKNOWN_ASSET = Problem(404, -8033, "No such asset: GET /v1/assets lists all.")
UNKNOWN_SYMBOL = Problem(404, -8034, "No such instrument: GET /v1/instruments lists all.")
UNKNOWN_PARTICIPANT = Problem(404, -8035, "No such participant: GET /v1/participants lists all.")
OTHER_TERMS = Problem(409, -8036, "The name is taken, with other terms: choose another, or repeat the same terms.")
NO_LEDGER = Problem(503, -8037, "The ledger's database is away: try again; trading goes on meanwhile.", 5)
NOT_ON_A_TICK = Problem(400, -8038, "A price is a whole number of ticks: round it to the instrument's tick size.")

UNKNOWN_HOLDER = Problem(404, -8051, "Nothing was ever nominated to this key: POST /v1/nominations gives it units.")
NOT_AN_ALLOWANCE = Problem(404, -8052, "No token allowance of this symbol: GET /v1/instruments lists all.")
NOT_ITS_ISSUER = Problem(403, -8053, "Another account issues this allowance: its issuer's key alone may do this.")
OUTSIDE_TIME = Problem(
    400, -8054, "The record's time is ahead or too old: report use within 72 hours, in milliseconds."
)
NOTHING_METERED = Problem(400, -8055, "No tokens that the meter counts: leave the record out.")
ALLOWANCE_EXHAUSTED = Problem(
    409, -8056, "The key has fewer tokens left than this record used: nominate more, or bill it."
)
KEY_WITHOUT_ALLOWANCE = Problem(
    409, -8057, "The key has no allowance of yours for this model, symbol and time: nominate one, or bill it."
)
NO_MEANS = Problem(
    409, -8058, "Units and prepaid cash of the key do not cover this record: nominate more of either, or bill it."
)
KEY_ENDED = Problem(
    409, -8097, "The key was revoked or had expired when this was used: stop serving it, and bill who asked for it."
)
OVERTAKEN = Problem(409, -8059, "The engine refused what the record needed: send it again in a later batch.")
BATCH_DIFFERS = Problem(409, -8041, "A batch of this number was answered, with another body: give it the next number.")
BATCH_FORGOTTEN = Problem(
    410, -8042, "This batch was answered long ago, and the answer is no longer kept: its records count once in any."
)
GATE_CLOSED = Problem(409, -8043, "The gate of this series is closed: its units can no longer be moved.")
FOREIGN_KEY = Problem(403, -8044, "The key is of another participant: nominate to keys of your own.")
NOT_APPLIED = Problem(404, -8045, "No such record of yours was applied within 72 hours: there is nothing to take back.")
ALREADY_REVERSED = Problem(409, -8046, "The record was taken back already.")
BATCH_TOO_LARGE = Problem(
    413, -8075, "The answer to this batch would be too long to keep: send it in two halves, with fewer keys in each."
)
KEY_CLOSED = Problem(
    409, -8074, "The account behind the key is closed and takes nothing back: settle with its holder directly."
)
NO_INDEX = Problem(409, -8092, "No index and no trade give this series a price: trade it, or wait for the day's index.")
NOT_A_BROKER = Problem(403, -8048, "Brokers alone do this, and for accounts of their own: ask an operator.")
RESERVED_NAME = Problem(
    400, -8109, "The exchange's own accounts begin with ESCROW, collateral. or key.: choose another name."
)
KEYLESS_ACCOUNT = Problem(
    403, -8110, "The exchange itself keeps this account: make a key for an account that somebody trades with."
)
SECRET_IN_PROPOSAL = Problem(
    400, -8111, "A proposal tells no secret: name in it the public_key of a pair of the holder's own."
)
TOO_MANY_ACCOUNTS = Problem(409, -8112, "The participant has as many accounts as it can: use those that are there.")
NO_ACCOUNT_LEFT = Problem(
    503, -8113, "The exchange has no room for another account: ask its operator to make it larger."
)
TOO_MANY_APPLICATIONS = Problem(503, -8049, "Too many applications wait already: try again tomorrow.", 3600)
NEEDS_APPROVAL = Problem(403, -8090, "Two operators decide on this: POST /v1/proposals, and let another approve it.")
NO_REASON = Problem(400, -8098, "Say why in the query string's 'reason', or in 'note' where the body has one.")
REASON_TOO_LONG = Problem(400, -8094, "The reason is too long: say it in 500 characters.")
UNKNOWN_CASE = Problem(404, -8093, "No alert makes such a case: GET /v1/cases lists all.")
NOT_A_GRAVE_ACT = Problem(400, -8091, "No act of this name needs approval: give method and path, as 'PUT /v1/fees'.")
UNKNOWN_METHODOLOGY = Problem(404, -8099, "No such version: GET /v1/methodologies lists all.")
NOT_AHEAD = Problem(
    400, -8096, "A methodology begins on a day that has not begun yet in China Standard Time: name a later one."
)
COLLATERAL_SHORT = Problem(409, -8047, "Available cash does not cover the collateral: deposit, or issue less.")

BAD_PUBLIC_KEY = Problem(
    400, -8122, "An Ed25519 public key is 32 bytes, in base64 or as PEM: send that of your own pair."
)

_DOCUMENTS = {
    DocumentRefusal.MALFORMED: Problem(400, -8060, "The registry cannot read this: {}."),
    DocumentRefusal.BAD_NAME: Problem(
        400, -8061, "A name begins with a letter or digit and has no blanks: choose another."
    ),
    DocumentRefusal.NAME_TAKEN: Problem(409, -8062, "The name is taken: choose another."),
    DocumentRefusal.INDEX_NOT_NEXT: Problem(409, -8012, "Another request took this index first; try again."),
    DocumentRefusal.TOO_LONG: Problem(400, -8063, "A text or a list is too long: shorten it."),
    DocumentRefusal.UNKNOWN_PARTICIPANT: UNKNOWN_PARTICIPANT,
    DocumentRefusal.UNKNOWN_ACCOUNT: UNKNOWN_ACCOUNT,
    DocumentRefusal.UNKNOWN_ASSET: UNKNOWN_ASSET,
    DocumentRefusal.UNKNOWN_INSTRUMENT: UNKNOWN_SYMBOL,
    DocumentRefusal.UNKNOWN_KEY: Problem(
        404, -8064, "No such key, or it was revoked or has expired: GET /v1/keys lists all."
    ),
    DocumentRefusal.TOO_MANY_KEYS: Problem(
        409, -8065, "The account has as many keys as it can, revoked ones included."
    ),
    DocumentRefusal.WRONG_ASSET_KIND: Problem(400, -8066, "Instruments trade allowances and licences against cash."),
    DocumentRefusal.BAD_GROUP: Problem(
        400, -8067, "A group is the number of an account that exists, or 0 for its own."
    ),
    DocumentRefusal.BAD_DECIMALS: Problem(
        400, -8068, "The decimals cannot show every step exactly: take more of them."
    ),
    DocumentRefusal.BAD_TERMS: Problem(
        400, -8069, "A number is outside of its limits: compare price band, sizes and fees."
    ),
    DocumentRefusal.BAD_ADDRESS: Problem(
        400, -8070, "In ip_allow stand addresses (10.0.0.7) and networks (10.0.0.0/8)."
    ),
    DocumentRefusal.BAD_KEY: BAD_PUBLIC_KEY,
    DocumentRefusal.NOTHING_TO_CONFIRM: Problem(409, -8123, "Nothing to confirm: rotate the key first."),
    DocumentRefusal.NO_SCOPE: Problem(400, -8071, "A key without a scope may do nothing: give it one."),
    DocumentRefusal.NOT_A_LICENCE: Problem(
        404, -8200, "No licence of a registered dataset: GET /v1/licences lists all series."
    ),
    DocumentRefusal.NOT_LET_IN: Problem(
        409, -8084, "The participant is not active: verify and activate it first, PUT /v1/standing."
    ),
    DocumentRefusal.SCOPE_OF_ANOTHER_ROLE: Problem(
        403, -8085, "The role of the account does not have such a scope: leave it out, or take another account."
    ),
    DocumentRefusal.WRONG_STANDING: Problem(409, -8086, "The participant cannot pass to that standing from its own."),
    DocumentRefusal.ONE_OPERATOR: Problem(
        409, -8087, "Four eyes take two: create a second participant with role operator first."
    ),
    DocumentRefusal.OWN_MATTER: Problem(403, -8088, "Nobody decides on a matter of his own: ask another operator."),
    DocumentRefusal.NOT_OPEN: Problem(
        409, -8089, "No such proposal is open: it is unknown, decided, or its time is over."
    ),
    DocumentRefusal.UNKNOWN_SERIES: Problem(404, -8080, "No terms are written down for this series: PUT /v1/series."),
    DocumentRefusal.OVER_CAPACITY: Problem(
        409, -8081, "The attested capacity of hub and window does not allow this much: attest more, or issue less."
    ),
    DocumentRefusal.CERTIFICATE_SPENT: Problem(
        409, -8082, "A green certificate is not registered for you, named twice, or spent: name others."
    ),
    DocumentRefusal.NOT_GREEN_ENOUGH: Problem(
        409, -8083, "The certificates cover less of the energy than the series promises: add more."
    ),
    DocumentRefusal.BATCH_NOT_NEXT: Problem(
        409, -8040, "Not the next batch: GET /v1/usage-batch says which number that has."
    ),
}


def usage_ids_full(wait_s: int) -> Problem:
    """Refuse use whose ids nobody could remember for 72 hours: it might be counted twice."""
    message = "As many usage ids of 72 hours are remembered as there is room for: send the batch again, later."
    return Problem(503, -8095, message, wait_s)


def payments_refused(unpaid: int, holders: int, why: str) -> Problem:
    """Refuse to call payments done while some are not made."""
    message = f"{unpaid} of {holders} holders are not paid: {why} Mend that, and send the same request again."
    return Problem(409, -8050, message)


def payments_open(kind: str, name: str) -> Problem:
    """Refuse a second plan of payments for a series while one is open: it would count the same collateral twice."""
    return Problem(409, -8073, f"Payments of this series are still open: send the {kind} with id '{name}' again first.")


def refused_document(reason: DocumentRefusal, detail: str = "") -> Problem:
    """Return what the caller sees when the registry does not take a document."""
    problem = _DOCUMENTS[reason]
    return problem._replace(message=problem.message.format(detail))


def invalid_json(detail: str) -> Problem:
    """Return what the caller sees when a body is no JSON, or not of the shape asked for."""
    return Problem(400, -1135, f"Invalid JSON Request: {detail}")


def not_ready(reason: str) -> Problem:
    """Return what a probe sees while nothing is accepted."""
    return Problem(503, -1016, f"Not ready: {reason}.", 5)


def statement_refused(detail: str) -> Problem:
    """Return what the caller sees when the ledger gives no statement."""
    return Problem(400, -8039, f"No statement: {detail}.")


def invalid_request(error: ValidationError) -> Problem:
    """Return the first thing wrong with a request, with the way to the field."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "body"
    if first["type"] == "missing":
        return missing(name)
    if first["type"] == "json_invalid":
        return invalid_json(first["msg"])
    if first["type"] == "extra_forbidden":
        return Problem(400, -1104, f"Not all sent parameters were read: there is no '{name}' here.")
    return Problem(400, -1130, f"Data sent for parameter '{name}' is not valid: {first['msg']}.")


def amount_units(name: str, text: str, decimals: int) -> int:
    """Return the units of an amount, or refuse it."""
    units = parse_units(text, decimals)
    if isinstance(units, NumberRefusal):
        raise RequestError(_refused_number(name, units, too_precise(name)))
    return units


def price_ticks(name: str, text: str, step: int, decimals: int) -> int:
    """Return the ticks of a price, or refuse it."""
    ticks = parse_steps(text, step, decimals)
    if isinstance(ticks, NumberRefusal):
        raise RequestError(_refused_number(name, ticks, NOT_ON_A_TICK))
    return ticks


def _refused_number(name: str, refusal: NumberRefusal, too_fine: Problem) -> Problem:
    if refusal is NumberRefusal.TOO_FINE:
        return too_fine
    return overflowed(name) if refusal is NumberRefusal.TOO_LARGE else illegal(name, DECIMAL_RANGE)
