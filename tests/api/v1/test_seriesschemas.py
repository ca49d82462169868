"""The published shape of series."""

import pytest
from pydantic import ValidationError

from api.v1.seriesschemas import FactorsRequest, SeriesRequest
from exchange.core.types import BPS
from exchange.registry.series import Factors


def test_factors_are_those_of_the_document() -> None:
    assert FactorsRequest(issuer=1).model_dump(exclude={"issuer"}) == dict.fromkeys(Factors.__struct_fields__, BPS)


def test_a_gate_is_a_time_before_the_end() -> None:
    with pytest.raises(ValidationError):
        SeriesRequest(symbol="TA.X", start=0, end=1, gate=-1)
