"""The refusals of register and licences: each reason answered, each code with one meaning."""

import pytest

from api import errors
from api.errors import Problem
from api.v1 import problems, titleproblems
from exchange.registry.dataset import MoveRefusal
from exchange.registry.escrow import StepRefusal
from exchange.registry.licence import PolicyRefusal, TermsRefusal


def _made() -> list[Problem]:
    return [
        *[titleproblems.refused_move(reason, "draft") for reason in MoveRefusal],
        *[titleproblems.refused_step(reason, "held") for reason in StepRefusal],
        titleproblems.bad_entry("x"),
        titleproblems.bad_quality("x"),
        titleproblems.bad_certificate("x"),
        titleproblems.refused_terms(TermsRefusal.RIGHT),
        titleproblems.refused_policy(PolicyRefusal.REGION),
        *[value for value in vars(titleproblems).values() if isinstance(value, Problem)],
    ]


def test_every_code_has_one_meaning_and_is_ours() -> None:
    codes = [problem.code for problem in _made()]
    assert len(codes) == len(set(codes))
    assert all(-8239 <= code <= -8203 for code in codes)
    others = [
        value.code for module in (errors, problems) for value in vars(module).values() if isinstance(value, Problem)
    ]
    assert not set(codes) & set(others)


def test_every_message_is_a_sentence_that_says_the_state_or_the_reason() -> None:
    assert [problem for problem in _made() if not problem.message.endswith(".")] == []
    assert titleproblems.refused_move(MoveRefusal.NOT_DUE, "listed").message.startswith("The entry is 'listed'")


@pytest.mark.parametrize("reason", PolicyRefusal)
def test_a_buyer_hears_which_term_keeps_it_out(reason: PolicyRefusal) -> None:
    assert str(reason) in titleproblems.refused_policy(reason).message
