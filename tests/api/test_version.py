"""The version."""

from importlib.metadata import PackageNotFoundError

import pytest

from api import version


def test_the_version_is_that_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "version", {"tokenbourse": "1.2.3"}.__getitem__)
    assert version.own_version() == "1.2.3"


def test_a_source_tree_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert version.own_version() == version.UNINSTALLED
