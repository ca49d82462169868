"""The grave acts are acts that exist."""

from api.v1.grave import ACTIVE_ACTS, GRAVE_ACTS, OPERATORS_ACTS, REASONED_ACTS, named
from api.v1.router import _TAGS


def test_every_grave_act_is_an_act() -> None:
    acts = {named(action.method, action.path) for module in _TAGS for action in module.ACTIONS}
    assert acts >= GRAVE_ACTS | OPERATORS_ACTS | REASONED_ACTS | ACTIVE_ACTS
