"""What our own dialect refuses: every reason has an answer, every code one meaning."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from api.errors import Problem, RequestError
from api.v1 import problems
from exchange.registry.refusals import DocumentRefusal


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int


def _problems() -> list[Problem]:
    own = [value for value in vars(problems).values() if isinstance(value, Problem)]
    return own + [problems.refused_document(reason, "x") for reason in DocumentRefusal]


def test_every_refusal_of_the_registry_has_an_answer() -> None:
    assert all(400 <= problems.refused_document(reason).status < 500 for reason in DocumentRefusal)
    assert problems.refused_document(DocumentRefusal.MALFORMED, "a comma").message.endswith("a comma.")


def test_every_code_has_one_meaning() -> None:
    meanings = {(problem.code, problem.message) for problem in _problems()}
    assert len({code for code, _ in meanings}) == len(meanings)


def test_every_message_is_a_sentence() -> None:
    assert [problem for problem in _problems() if not problem.message[0].isupper()] == []


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("{}", -1102, "'number'"),
        ('{"number":"x"}', -1130, "'number'"),
        ('{"number":1,"other":2}', -1104, "'other'"),
        ("{", -1135, "JSON"),
        ("[]", -1130, "'body'"),
    ],
)
def test_the_first_thing_wrong_is_named(text: str, code: int, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Request.model_validate_json(text)
    problem = problems.invalid_request(caught.value)
    assert problem.code == code
    assert words in problem.message


@pytest.mark.parametrize(("text", "code"), [("1.0001", -1111), ("-1", -1100), ("one", -1100), ("9" * 20, -1108)])
def test_amounts_that_are_none_are_refused(text: str, code: int) -> None:
    with pytest.raises(RequestError) as caught:
        problems.amount_units("amount", text, 3)
    assert caught.value.problem.code == code
    assert problems.amount_units("amount", "1.250", 3) == 1250


def test_prices_stand_on_ticks() -> None:
    assert problems.price_ticks("price", "0.15", 5, 2) == 3
    with pytest.raises(RequestError) as caught:
        problems.price_ticks("price", "0.12", 5, 2)
    assert caught.value.problem == problems.NOT_ON_A_TICK


def test_reasons_are_told_in_full() -> None:
    assert problems.statement_refused("too long").message == "No statement: too long."
    assert problems.not_ready("stopping").retry_after_s == 5
    assert problems.invalid_json("at $.x").message.endswith("at $.x")
