"""What the dataset register and its licences refuse: codes from -8200 to -8239 stand here and in api/errors.py."""

from api.errors import Problem
from exchange.registry.dataset import MoveRefusal
from exchange.registry.escrow import StepRefusal
from exchange.registry.licence import PolicyRefusal, TermsRefusal

NO_REGISTER = Problem(503, -8210, "The register's database is away: try again; trading goes on meanwhile.", 5)
UNKNOWN_DATASET = Problem(404, -8211, "No such register entry: GET /v1/datasets searches those that are public.")
MOVED_MEANWHILE = Problem(409, -8212, "Somebody else changed it at the same time: look at it, then try again.")
FIXED_FIELDS = Problem(
    409,
    -8217,
    "Content root, size, tokens, rights, scenarios and origin stay as they are: register another dataset.",
)
UNKNOWN_SERIES = Problem(404, -8220, "No such licence: GET /v1/licences lists the series of a dataset.")
NOT_LISTED = Problem(409, -8221, "Only licences of a listed dataset trade: look at its register entry.")
UNREGISTERED = Problem(
    409, -8233, "A licence trades as a series of a registered dataset alone: POST /v1/licences, or list it CLOSED."
)
UNKNOWN_ESCROW = Problem(404, -8224, "No such trade of a licence of yours: GET /v1/escrows lists them.")
SEATS_ISSUED = Problem(409, -8227, "All seats of this licence were issued when it was listed: there are no more.")
NEEDS_REASON = Problem(400, -8228, "Say why in 'note': it is kept in the history.")
NEEDS_ENTRY = Problem(400, -8229, "This move needs the whole entry as it shall be, in 'entry'.")
NEEDS_RECEIVER = Problem(400, -8230, "A transfer needs 'account': the number of the new holder's, which issues.")
FOREIGN_CLEARANCE = Problem(403, -8232, "Clear your own account; another's, or one abroad, the operator clears.")
BAD_TEXT = Problem(400, -8234, "A text has a character that the register does not keep: leave U+0000 out.")
SEATS_STAY = Problem(
    409, -8235, "The seats of a licence pass on by a trade alone: clear the other account, and let it buy."
)
LICENSED = Problem(
    409,
    -8236,
    "Others have licences of it that are in force or not settled: wait for their end, or ask the operator.",
)
_MOVES = {
    MoveRefusal.NOT_FROM_HERE: Problem(409, -8213, "There is no such move from the state '{}': see docs/register.md."),
    MoveRefusal.NOT_YOURS: Problem(403, -8214, "This move is not yours to make in the state '{}'."),
    MoveRefusal.NOT_DUE: Problem(
        409, -8215, "The entry is '{}' and still valid: wait until valid_until, or revoke it."
    ),
}
_STEPS = {
    StepRefusal.NOT_FROM_HERE: Problem(409, -8225, "There is no such step while the escrow is '{}'."),
    StepRefusal.NOT_YOURS: Problem(403, -8231, "This step is not yours to take while the escrow is '{}'."),
    StepRefusal.FROZEN: Problem(409, -8226, "The dataset is objected or suspended: the escrow stays '{}' meanwhile."),
}


def refused_move(refusal: MoveRefusal, state: str) -> Problem:
    """Return what the caller sees when the register does not make a move."""
    problem = _MOVES[refusal]
    return problem._replace(message=problem.message.format(state))


def refused_step(refusal: StepRefusal, state: str) -> Problem:
    """Return what the caller sees when an escrow does not take a step."""
    problem = _STEPS[refusal]
    return problem._replace(message=problem.message.format(state))


def bad_entry(detail: str) -> Problem:
    """Return what the caller sees when an entry or terms are not as they must be."""
    return Problem(400, -8216, f"The register cannot take this: {detail}.")


def bad_quality(detail: str) -> Problem:
    """Return what the caller sees when a quality vector does not count."""
    return Problem(400, -8218, f"The quality vector does not count: {detail}.")


def bad_certificate(detail: str) -> Problem:
    """Return what the caller sees when a certificate of another venue is not taken over."""
    return Problem(400, -8219, f"The certificate is not taken over: {detail}.")


def refused_terms(refusal: TermsRefusal) -> Problem:
    """Return what the caller sees when a dataset cannot have such a series."""
    return Problem(409, -8222, f"There is no such series: {refusal}.")


def refused_policy(refusal: PolicyRefusal) -> Problem:
    """Return what a buyer sees whom the terms keep out."""
    return Problem(403, -8223, f"The licence does not let you in: {refusal}.")
