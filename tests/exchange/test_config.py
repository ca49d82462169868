"""The limits: consistent with each other, and fixed once chosen."""

from dataclasses import FrozenInstanceError, fields

import pytest

from exchange.config import Config
from exchange.core.records import COMMAND
from exchange.core.state import Capacity
from exchange.journal import frame


def test_every_limit_is_positive() -> None:
    config = Config()
    numbers = {field.name: getattr(config, field.name) for field in fields(config)}
    numbers.update(config.capacity._asdict())
    assert [name for name, value in numbers.items() if type(value) is int and value < 1] == []


def test_a_submission_fits_the_queue_and_a_full_queue_fits_a_segment() -> None:
    config = Config()
    assert config.submission_commands_max <= config.queue_commands_max
    most = frame.size(config.queue_commands_max * COMMAND.itemsize)
    documents = config.batch_submissions_max * 2 * frame.size(0)
    assert most + documents + frame.size(config.document_bytes_max) <= config.journal_segment_bytes


def test_a_config_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().snapshots_kept = 3  # type: ignore[misc]


def test_the_capacity_is_a_choice() -> None:
    small = Capacity(*(2 for _ in Capacity._fields))
    assert Config(capacity=small).capacity == small
