"""The published shape of admissions."""

from typing import get_args

from api.v1.admissionschemas import ApplicationRequest, StandingRequest
from exchange.registry.documents import Role
from exchange.registry.people import Standing


def test_nobody_applies_as_operator_or_auditor_and_every_standing_but_the_first_can_be_set() -> None:
    roles = set(get_args(ApplicationRequest.model_fields["role"].annotation))
    assert roles == {role.value for role in Role} - {"operator", "auditor"}
    standings = set(get_args(StandingRequest.model_fields["standing"].annotation))
    assert standings == {standing.value for standing in Standing} - {"applied"}
