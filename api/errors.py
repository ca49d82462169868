"""The one table from a reason to what the caller sees: HTTP status, error code, message.

Codes and message texts are those of the Binance dialect, letter by letter, because its clients recognise
errors by them. Codes below -8000 are our own, for what that dialect has no word for.
"""

from typing import NamedTuple

from exchange.core.types import CommandKind, RejectReason


class Problem(NamedTuple):
    """An answer that is a refusal; `retry_after_s` becomes the Retry-After header when it is not 0."""

    status: int
    code: int
    message: str
    retry_after_s: int = 0
    data: object = None  # what became of the parts of the request, where it has parts


class RequestError(Exception):
    """A request that ends in a problem instead of a result."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


UNKNOWN_ERROR = Problem(500, -1000, "An unknown error occurred while processing the request.")
BANNED_MESSAGE = "Way too much request weight used; IP banned until {}. Please use WebSocket Streams for live updates."
STATUS_UNKNOWN = Problem(
    504, -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
)
OVERLOADED = Problem(
    503, -1008, "Server is currently overloaded with other requests. Please try again in a few minutes.", 1
)
STOPPED = Problem(503, -1016, "This service is no longer available.", 5)
UNSUPPORTED_OPERATION = Problem(400, -1020, "This operation is not supported.")
OUTSIDE_RECV_WINDOW = Problem(400, -1021, "Timestamp for this request is outside of the recvWindow.")
AHEAD_OF_TIME = Problem(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
REPLAYED = Problem(
    400, -8124, "This signed request was taken already: sign anew with another timestamp, or name the order yourself."
)
TOO_MANY_SIGNATURES = Problem(
    503, -8125, "More signed requests are within their recvWindow than are remembered: send smaller windows.", 1
)
BAD_SIGNATURE = Problem(400, -1022, "Signature for this request is not valid.")
TOO_MANY_CONNECTIONS = Problem(503, -1034, "Too many concurrent connections; current limit is '{}'.", 1)
NO_SUCH_PATH = Problem(404, -1020, "This operation is not supported: no such path.")
WRONG_METHOD = Problem(405, -1020, "This operation is not supported: the path exists, this method does not.")
ILLEGAL_ENCODING = Problem(400, -1100, "Illegal characters found in a parameter.")
DUPLICATE_PARAMETER = Problem(400, -1101, "Duplicate values for a parameter detected.")
INVALID_TIF = Problem(400, -1115, "Invalid timeInForce.")
INVALID_ORDER_TYPE = Problem(400, -1116, "Invalid orderType.")
INVALID_SIDE = Problem(400, -1117, "Invalid side.")
INVALID_INTERVAL = Problem(400, -1120, "Invalid interval.")
INVALID_SYMBOL = Problem(400, -1121, "Invalid symbol.")
INVALID_LISTEN_KEY = Problem(400, -1125, "This listenKey does not exist.")
BAD_COMBINATION = Problem(400, -1128, "Combination of optional parameters invalid.")
RECV_WINDOW_TOO_LARGE = Problem(400, -1131, "recvWindow must be less than 60000.")
INVALID_JSON = Problem(400, -1135, "Invalid JSON Request")
SYMBOL_TWICE = Problem(400, -1151, "Symbol is present multiple times in the list.")
INVALID_TIME_UNIT = Problem(400, -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
UNKNOWN_ORDER = Problem(400, -2011, "Unknown order sent.")
CANCEL_RESTRICTED = Problem(400, -2011, "Order was not canceled due to cancel restrictions.")
ORDER_NOT_FOUND = Problem(400, -2013, "Order does not exist.")
NO_API_KEY = Problem(401, -2014, "API-key format invalid.")
REJECTED_API_KEY = Problem(401, -2015, "Invalid API-key, IP, or permissions for action.")
DUPLICATE_ORDER = Problem(400, -2010, "Duplicate order sent.")
ORDER_ARCHIVED = Problem(400, -2026, "Order was placed before and has been archived.")
REPLACE_HALF_FAILED = Problem(409, -2021, "Order cancel-replace partially failed.")
REPLACE_FAILED = Problem(400, -2022, "Order cancel-replace failed.")
AMEND_REJECTED = Problem(400, -2038, "newQty must be above zero and below the quantity of the order.")
PRICE_FILTER = Problem(400, -1013, "Filter failure: PRICE_FILTER")
LOT_SIZE = Problem(400, -1013, "Filter failure: LOT_SIZE")
ZERO_PRICE = Problem(400, -1013, "Invalid price.")
ZERO_QUANTITY = Problem(400, -1013, "Invalid quantity.")
ZERO_STOP = Problem(400, -1013, "Invalid stopPrice.")
ZERO_ICEBERG = Problem(400, -1013, "Invalid icebergQty.")
ZERO_QUOTE_QUANTITY = Problem(400, -1013, "Invalid quoteOrderQty.")
ICEBERG_TIF = Problem(400, -2010, "Iceberg orders must have timeInForce of GTC.")
TRAILING_STOP = Problem(400, -2010, "Trailing stop orders are not supported for this symbol.")
BODY_TOO_LARGE = Problem(413, -8001, "Request body is larger than {} bytes.")
WRONG_CONTENT_TYPE = Problem(415, -8002, "Parameters must be sent as application/x-www-form-urlencoded.")
HEAD_TOO_LARGE = Problem(431, -8004, "The request's address and headers are too large together.")
NOT_CLEARED = Problem(
    403, -8201, "A licence of a registered dataset needs a clearance for its buyer: POST /v1/clearances first."
)
NO_RESALE = Problem(403, -8202, "The terms of this licence forbid its resale: only its issuer sells it.")
FRAME_MAGIC = Problem(400, -8005, "A binary frame begins with TBB1, the number of its commands and an id.")
FRAME_LENGTH = Problem(400, -8006, "A binary frame holds the commands that it says, 1 to {}, of 128 bytes each.")
FRAME_NOT_YOURS = Problem(
    400, -8007, "A command of a binary frame is of a kind, has an account or fills a field that clients may not send."
)
FRAME_NAME = Problem(400, -8008, "A client order id in a binary frame has characters or a length that no id may have.")
INVALID_HTTP = Problem(400, -8003, "Invalid HTTP request received.")
FOREIGN_ORIGIN = Problem(
    403, -8009, "This page's origin may not open websockets here: the exchange's operator allows origins at its start."
)

UNSUPPORTED_TYPES = {
    "TAKE_PROFIT": Problem(400, -2010, "Take profit orders are not supported for this symbol."),
    "TAKE_PROFIT_LIMIT": Problem(400, -2010, "Take profit limit orders are not supported for this symbol."),
}

_REJECTIONS = {
    RejectReason.UNKNOWN_COMMAND: Problem(400, -1020, "This operation is not supported."),
    RejectReason.BATCH_REFUSED: Problem(
        409,
        -8040,
        "Another order of this batch was refused, so none was placed: correct that one and send all under new ids.",
    ),
    RejectReason.MALFORMED_COMMAND: Problem(400, -1014, "Unsupported order combination."),
    RejectReason.UNKNOWN_ACCOUNT: Problem(400, -8010, "Unknown account."),
    RejectReason.UNKNOWN_ASSET: Problem(400, -8011, "Unknown asset."),
    RejectReason.UNKNOWN_INSTRUMENT: INVALID_SYMBOL,
    RejectReason.ID_NOT_NEXT: Problem(409, -8012, "Another request took this index first; try again."),
    RejectReason.UNKNOWN_ORDER: UNKNOWN_ORDER,
    RejectReason.ACCOUNT_NOT_ACTIVE: Problem(400, -2010, "This account may not place or cancel orders."),
    RejectReason.TOO_MANY_MESSAGES: Problem(
        429, -1015, "Too many new orders; the account's own limit a second is reached: wait for the next second.", 1
    ),
    RejectReason.INSTRUMENT_NOT_TRADING: Problem(400, -2010, "Market is closed."),
    RejectReason.NOT_IN_THIS_PHASE: Problem(
        400, -2010, "This order type or timeInForce is not accepted in the current trading phase: look at its state."
    ),
    RejectReason.INVALID_TRANSITION: Problem(
        409, -8041, "The instrument cannot go there from its present state: look at its state, orders and mode."
    ),
    RejectReason.NOT_REPLACEABLE: Problem(
        400, -2010, "A sleeping stop or an order without a price cannot be changed so: cancel it, send a new one."
    ),
    RejectReason.TIMER_NOT_DUE: Problem(409, -8042, "Nothing is due yet: try again at its time."),
    RejectReason.WRONG_ASSET_KIND: Problem(400, -8013, "This action is not possible with an asset of this kind."),
    RejectReason.NOT_ISSUER: Problem(403, -8014, "Only the issuer of an asset may issue it."),
    RejectReason.DUPLICATE_ID: Problem(
        409, -8015, "This id was applied before: look up what it did, or send a new one."
    ),
    RejectReason.INVALID_PARAMETER: Problem(400, -1130, "Invalid data sent for a parameter."),
    RejectReason.INVALID_QUANTITY: LOT_SIZE,
    RejectReason.INVALID_PRICE: PRICE_FILTER,
    RejectReason.INVALID_EXPIRY: Problem(400, -8043, "The time of expiry has passed: send a later one."),
    RejectReason.PRICE_OUTSIDE_BAND: Problem(400, -1013, "Filter failure: PERCENT_PRICE"),
    RejectReason.NOTIONAL_TOO_LARGE: Problem(400, -1013, "Filter failure: NOTIONAL"),
    RejectReason.AMOUNT_TOO_SMALL: Problem(400, -1013, "Filter failure: NOTIONAL"),
    RejectReason.QUANTITY_BELOW_FILLED: Problem(400, -2038, "The requested quantity is not above the filled quantity."),
    RejectReason.WOULD_TAKE: Problem(400, -2010, "Order would immediately match and take."),
    RejectReason.WOULD_TRIGGER: Problem(400, -2010, "Stop price would trigger immediately."),
    RejectReason.WOULD_CROSS_OWN_GROUP: Problem(
        400, -2010, "Order would trade with another one of your own group in the auction: cancel that one first."
    ),
    RejectReason.TOO_MANY_OPEN_ORDERS: Problem(400, -1013, "Filter failure: MAX_NUM_ORDERS"),
    RejectReason.POSITION_LIMIT: Problem(400, -1013, "Filter failure: MAX_POSITION"),
    RejectReason.HOLDER_LIMIT: Problem(
        400, -8044, "As many accounts hold this asset as may hold it: wait until one of them has sold out."
    ),
    RejectReason.INSUFFICIENT_BALANCE: Problem(400, -2010, "Account has insufficient balance for requested action."),
    RejectReason.NOT_YET_TRANSFERABLE: Problem(
        400, -8045, "Units bought lately cannot be passed on yet: sell fewer, or wait for the turnaround to end."
    ),
    RejectReason.ISSUED_TOO_MUCH: Problem(400, -8016, "More of this asset than may exist."),
    RejectReason.ORDERS_FULL: Problem(503, -8020, "The exchange holds as many open orders as it can.", 1),
    RejectReason.LEVELS_FULL: Problem(503, -8021, "The exchange holds as many price levels as it can.", 1),
    RejectReason.BALANCES_FULL: Problem(503, -8022, "The exchange holds as many balances as it can.", 60),
    RejectReason.CONDITIONS_FULL: Problem(
        503, -8027, "The exchange holds as many stop, iceberg and timed orders as it can.", 1
    ),
    RejectReason.ACQUISITIONS_FULL: Problem(
        503, -8028, "The exchange tracks the turnaround of as many balances as it can.", 60
    ),
    RejectReason.RECENT_IDS_FULL: Problem(503, -8023, "The exchange remembers as many client order ids as it can.", 1),
    RejectReason.ACCOUNTS_FULL: Problem(503, -8024, "The exchange has as many accounts as it can.", 60),
    RejectReason.ASSETS_FULL: Problem(503, -8025, "The exchange has as many assets as it can.", 60),
    RejectReason.INSTRUMENTS_FULL: Problem(503, -8026, "The exchange has as many instruments as it can.", 60),
}

_CANCELLATIONS = frozenset((CommandKind.CANCEL_ORDER, CommandKind.MASS_CANCEL, CommandKind.REDUCE_ORDER))


def rejection(reason: int, kind: int = CommandKind.NEW_ORDER) -> Problem:
    """Return what the caller sees when the engine refused a command of this kind."""
    problem = _REJECTIONS[RejectReason(reason)]
    if kind in _CANCELLATIONS and problem.code == -2010:
        return problem._replace(code=-2011)
    return problem


def missing(name: str) -> Problem:
    """Refuse a request without a mandatory parameter."""
    return Problem(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def missing_both(name: str, other: str) -> Problem:
    """Refuse a request that needs one of two parameters and has neither."""
    return Problem(400, -1102, f"Param '{name}' or '{other}' must be sent, but both were empty/null!")


def empty(name: str) -> Problem:
    """Refuse a parameter without a value."""
    return Problem(400, -1105, f"Parameter '{name}' was empty.")


def illegal(name: str, legal: str) -> Problem:
    """Refuse a parameter whose text does not match the regular expression `legal`."""
    return Problem(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def too_many(expected: int, received: int) -> Problem:
    """Refuse more parameters than a request may have."""
    return Problem(400, -1101, f"Too many parameters; expected '{expected}' and received '{received}'.")


def unread(read: int, sent: int) -> Problem:
    """Refuse a request with parameters that nobody reads."""
    message = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    return Problem(400, -1104, message)


def not_required(name: str) -> Problem:
    """Refuse a parameter that has no place in this kind of request."""
    return Problem(400, -1106, f"Parameter '{name}' sent when not required.")


def overflowed(name: str) -> Problem:
    """Refuse a number beyond the range of the exchange."""
    return Problem(400, -1108, f"Parameter '{name}' overflowed.")


def too_precise(name: str) -> Problem:
    """Refuse a number with more decimals than its asset has."""
    return Problem(400, -1111, f"Parameter '{name}' has too much precision.")


def invalid_json(name: str) -> Problem:
    """Refuse a value that should be JSON of a certain form."""
    return Problem(400, -1135, f"JSON sent for parameter '{name}' is not valid")


def invalid(name: str) -> Problem:
    """Refuse a value that is well formed but not one of those allowed."""
    return Problem(400, -1130, f"Data sent for parameter '{name}' is not valid.")


def weight_exceeded(limit: int, retry_after_s: int) -> Problem:
    """Refuse an address that used up its request weight."""
    message = (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return Problem(429, -1003, message, retry_after_s)


def banned(until_ms: int, retry_after_s: int) -> Problem:
    """Refuse an address that did not back off."""
    return Problem(418, -1003, BANNED_MESSAGE.format(until_ms), retry_after_s)


def orders_exceeded(limit: int, retry_after_s: int) -> Problem:
    """Refuse an account that sent too many orders."""
    message = f"Too many new orders; current limit is {limit} orders per 10 SECOND."
    return Problem(429, -1015, message, retry_after_s)
