"""When a request is attempted again, and what is raised when it is not: no socket, no clock."""

from typing import Any

import pytest

from api.client import operations
from api.client.answers import Empty
from api.client.conduct import Answered, Attempt, Closed, Conduct, Lost, Outcome, Patience, Wait, decoded
from api.client.faults import (
    AnswerError,
    Banned,
    ClockSkew,
    ConnectionFailedError,
    OutcomeUnknownError,
    RateLimited,
    Refused,
    Unavailable,
    UnknownOrder,
)

GOOD = Answered(200, b"{}")
SENT, NOT_SENT = Lost("cut", was_sent=True), Lost("refused", was_sent=False)


def refused(status: int, code: int, retry_after_s: float = 0.0) -> Answered:
    return Answered(status, b'{"code":%d,"msg":"no"}' % code, retry_after_s)


def conducted(operation: Any, *outcomes: Outcome, patience: Patience | None = None) -> tuple[list[Any], list[Any]]:
    """Return the steps taken, and what came of them."""
    steps = Conduct(patience or Patience(), lambda: 1_000, lambda: 1.0).steps(operation)
    taken, left = [], list(outcomes)
    step = next(steps)
    while True:
        taken.append(step)
        outcome = left.pop(0) if isinstance(step, Attempt) else None
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            assert not left
            return taken, end.value


def waits(taken: list[Any]) -> list[float]:
    return [step.seconds for step in taken if isinstance(step, Wait)]


BUY = operations.buy("X", 1, "2")
ONCE = operations.other("POST", "/v1/deposits", account=1, amount="5")


def test_a_good_answer_is_the_end() -> None:
    taken, answer = conducted(operations.ping(), GOOD)
    assert (taken, answer) == ([Attempt(operations.ping())], Empty())


def test_waits_double_up_to_the_longest() -> None:
    patience = Patience(attempts=6, first_s=0.1, longest_s=0.5)
    taken, _ = conducted(operations.ping(), *[NOT_SENT] * 5, GOOD, patience=patience)
    assert waits(taken) == [0.1, 0.2, 0.4, 0.5, 0.5]
    lucky = Conduct(patience, lambda: 0, lambda: 0.0)
    assert lucky.backoff_s(1) == 0.05


def test_what_did_not_arrive_is_sent_again_whatever_it_is() -> None:
    assert conducted(ONCE, NOT_SENT, GOOD)[1] == {}
    with pytest.raises(ConnectionFailedError):
        conducted(ONCE, *[NOT_SENT] * 5)


def test_what_may_have_arrived_is_sent_again_only_if_twice_is_once() -> None:
    assert conducted(operations.check_order("X", "BUY", 1, 1), SENT, GOOD)[1] == Empty()
    with pytest.raises(OutcomeUnknownError):
        conducted(ONCE, SENT)
    with pytest.raises(OutcomeUnknownError):
        conducted(ONCE, refused(504, -1007))


def test_a_client_that_was_closed_attempts_nothing() -> None:
    with pytest.raises(ConnectionFailedError, match="closed"):
        conducted(BUY, NOT_SENT, Closed())
    with pytest.raises(OutcomeUnknownError, match="closed"):
        conducted(BUY, SENT, Closed())


def test_an_order_is_sent_again_under_the_same_name() -> None:
    steps = Conduct(Patience(), lambda: 0, lambda: 0.0).steps(BUY)
    first = next(steps)
    assert isinstance(steps.send(SENT), Wait)
    again = steps.send(None)
    assert first == again
    assert again.operation.texts["newClientOrderId"].startswith("c-")


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (503, -1008)])
def test_who_is_told_when_to_come_back_comes_back_then(status: int, code: int) -> None:
    taken, _ = conducted(ONCE, refused(status, code, 3.0), GOOD)
    assert waits(taken) == [3.1]


def test_too_long_a_wait_is_the_callers_to_decide() -> None:
    with pytest.raises(RateLimited) as caught:
        conducted(operations.ping(), refused(429, -1003, 31.0))
    assert caught.value.retry_after_s == 31.0


def test_who_is_banned_never_asks_again() -> None:
    with pytest.raises(Banned):
        conducted(operations.ping(), refused(418, -1003, 1.0))


def test_a_refusal_is_raised_at_once() -> None:
    with pytest.raises(Refused) as caught:
        conducted(operations.ping(), refused(400, -1100))
    assert (caught.value.status, caught.value.code, caught.value.message) == (400, -1100, "no")


def test_patience_ends() -> None:
    with pytest.raises(Unavailable):
        conducted(operations.ping(), *[refused(503, -1008)] * 5)


def test_a_wrong_clock_is_set_once() -> None:
    conduct = Conduct(Patience(), lambda: 1_000, lambda: 1.0)
    steps = conduct.steps(operations.account())
    assert next(steps).operation.path == "/api/v3/account"
    assert steps.send(refused(400, -1021)).operation.path == "/api/v3/time"
    assert steps.send(Answered(200, b'{"serverTime":51000}')).operation.path == "/api/v3/account"
    assert (conduct.offset_ms, conduct.timestamp()) == (50_000, 51_000)
    with pytest.raises(ClockSkew):
        steps.send(refused(400, -1021))


def test_a_clock_that_cannot_be_set_is_told() -> None:
    with pytest.raises(ClockSkew):
        conducted(operations.account(), refused(400, -1021), NOT_SENT, refused(400, -1021))


def test_doubt_is_never_forgotten() -> None:
    with pytest.raises(OutcomeUnknownError, match="earlier attempt"):
        conducted(BUY, SENT, *[NOT_SENT] * 4)
    with pytest.raises(OutcomeUnknownError, match="not open any more"):
        conducted(operations.cancel("X", 1), SENT, refused(400, -2011))
    with pytest.raises(UnknownOrder):
        conducted(operations.cancel("X", 1), NOT_SENT, refused(400, -2011))


def test_an_answer_that_is_none_is_told() -> None:
    with pytest.raises(AnswerError, match="/api/v3/time"):
        decoded(operations.server_time(), b"{}")
