"""Acts that move money or change rules, acts that must say why, and acts of active accounts alone."""

GRAVE_ACTS = frozenset((  # where four eyes are required, one operator proposes them and another approves
    "POST /v1/busts",
    "POST /v1/defaults",
    "POST /v1/deposits",
    "POST /v1/withdrawals",
    "POST /v1/disputes",
    "PUT /v1/account-limits",
    "PUT /v1/account-tier",
    "PUT /v1/fee-schedule",
    "PUT /v1/fees",
    "PUT /v1/four-eyes",
    "PUT /v1/guards",
    "PUT /v1/instrument-limits",
    "PUT /v1/meter-factors",
    "PUT /v1/methodology",
    "PUT /v1/price-band",
    "PUT /v1/tier",
    "PUT /v1/trading-mode",
    "PUT /v1/venue-rules",
))  # fmt: skip

OPERATORS_ACTS = frozenset((
    "POST /v1/keys",
    "POST /v1/participants",
))  # fmt: skip
"""Acts that are grave where they give somebody else an operator's powers: two operators decide on those alone."""

REASONED_ACTS = frozenset((
    "POST /v1/busts",
    "POST /v1/clear-book",
    "POST /v1/defaults",
    "POST /v1/disputes",
    "POST /v1/halt",
    "POST /v1/kill-switch",
    "POST /v1/proposals",
    "PUT /v1/account-state",
    "PUT /v1/methodology",
    "PUT /v1/standing",
))  # fmt: skip
"""Acts against somebody's will, or that others decide on: they are not done without a reason."""

ACTIVE_ACTS = frozenset((
    "POST /v1/clearances",
    "POST /v1/dataset-certificates",
    "POST /v1/dataset-moves",
    "POST /v1/datasets",
    "POST /v1/keys",
    "POST /v1/licences",
    "POST /v1/subaccounts",
))  # fmt: skip
"""What begins something without a command to the engine, which refuses all else of accounts that are not active."""


def named(method: str, path: str) -> str:
    """Return how an act is named in a proposal."""
    return f"{method} {path}"
