"""What only requests about orders are refused with: each code once, each text saying what to do."""

from api.errors import Problem
from api.v1 import orderproblems, problems


def test_every_code_is_its_own() -> None:
    found = [value for value in vars(orderproblems).values() if isinstance(value, Problem)]
    codes = [problem.code for problem in found if problem is not orderproblems.BATCH_UNDONE]
    others = {value.code for value in vars(problems).values() if isinstance(value, Problem)}
    assert len(set(codes)) == len(codes)
    assert not others & set(codes)
    assert all(-8119 <= code <= -8100 for code in codes)
    assert all(problem.message.endswith(".") for problem in found)
