"""Why a document of the registry is not taken."""

from enum import StrEnum


class DocumentRefusal(StrEnum):
    """Why a document is not taken, in order of precedence."""

    MALFORMED = "malformed document"
    BAD_NAME = "a name has characters or a length that names do not have"
    NAME_TAKEN = "the name is taken"
    INDEX_NOT_NEXT = "the index is not the next one"
    TOO_LONG = "a text or a list is too long"
    UNKNOWN_PARTICIPANT = "unknown participant"
    UNKNOWN_ACCOUNT = "unknown account"
    UNKNOWN_ASSET = "unknown asset"
    UNKNOWN_INSTRUMENT = "unknown instrument"
    UNKNOWN_KEY = "unknown or revoked key"
    TOO_MANY_KEYS = "the account has too many keys"
    WRONG_ASSET_KIND = "an instrument is traded against cash and is not cash itself"
    BAD_GROUP = "a group is named by the index of one of its accounts"
    BAD_DECIMALS = "the decimals cannot show every step exactly"
    BAD_TERMS = "a number is outside of its limits"
    BAD_ADDRESS = "not an address or a network"
    NO_SCOPE = "a key without a scope may do nothing"
    NOT_A_LICENCE = "the instrument is no licence of a registered dataset"
    UNKNOWN_SERIES = "the asset is no allowance with a window"
    OVER_CAPACITY = "more than the attested capacity allows"
    CERTIFICATE_SPENT = "a green certificate is unknown, another issuer's, or spent"
    NOT_GREEN_ENOUGH = "the certificates cover too little of the energy"
    BATCH_NOT_NEXT = "the batch is not the issuer's next one"
