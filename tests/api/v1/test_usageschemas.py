"""The published shape of metered use."""

import pytest
from pydantic import ValidationError

from api.v1.metering import RECORDS_MAX, Record
from api.v1.usageschemas import UsageRecord, UsageRequest


def test_the_published_record_has_the_fields_that_are_read() -> None:
    assert set(UsageRecord.model_fields) == set(Record.__struct_fields__)


def test_a_batch_has_a_number_and_as_many_records_as_are_read() -> None:
    record = {"id": "a", "key": "k", "time": 0}
    assert len(UsageRequest(batch=1, records=[record] * RECORDS_MAX).records) == RECORDS_MAX
    for body in ({"batch": 0, "records": [record]}, {"batch": 1, "records": [record] * (RECORDS_MAX + 1)}):
        with pytest.raises(ValidationError):
            UsageRequest(**body)
