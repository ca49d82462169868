"""What requests about orders under /v1 are refused with, beyond what the Binance dialect has words for."""

from api.errors import Problem

NO_SUCH_ORDER = Problem(
    404, -8100, "None: no such order of this account has reached the exchange; it is safe to send it."
)
FORGOTTEN_ORDER = Problem(
    404, -8101, "Unknown: the account's oldest orders are no longer kept, and this may be one; ask the ledger's fills."
)
ORDER_ENDED = Problem(409, -8102, "The order has ended already: GET /v1/order says how.")
SAME_ACCOUNT = Problem(400, -8103, "Source and receiver are the same account: name another receiver.")
NOT_A_SUBACCOUNT = Problem(
    403, -8104, "Both accounts must be your participant's, and one that is not the key's own is a broker's to move."
)
BEHIND_A_KEY = Problem(
    403, -8108, "The account stands behind an API key: POST and DELETE /v1/nominations move what is set aside for it."
)
NOT_A_TRADE = Problem(404, -8105, "This event is no trade: the number is a fill's 'event'.")
TRANSFER_ARCHIVED = Problem(409, -8106, "This transfer_id was applied before and is archived: see the statement.")
NOT_THE_SECOND = Problem(409, -8107, "Sign this with the key's second secret: it shows that you have it.")
BATCH_UNDONE = Problem(
    409,
    -8040,
    "Another order of this batch was refused, so none was placed: correct that one and send all under new ids.",
)
