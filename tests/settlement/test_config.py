"""The limits, and how they hang together."""

from settlement import config
from settlement.embedded import SETTINGS

UNIX_PATH_BYTES_MAX = 107
SOCKET_NAME = "/tokenbourse-0123456789abcdef/.s.PGSQL.5432"


def test_every_limit_is_positive() -> None:
    values = [getattr(config, name) for name in dir(config) if name.isupper()]
    assert len(values) > 15
    assert all((min(value) if isinstance(value, tuple) else value) > 0 for value in values)


def test_waits_grow() -> None:
    assert sorted(config.RETRY_SECONDS) == list(config.RETRY_SECONDS)


def test_a_socket_fits_where_its_folder_may_be() -> None:
    assert config.SOCKET_PATH_BYTES_MAX // 2 + len(SOCKET_NAME) <= UNIX_PATH_BYTES_MAX


def test_the_embedded_server_is_durable() -> None:
    assert {SETTINGS[name] for name in ("fsync", "full_page_writes", "synchronous_commit")} == {"on"}
