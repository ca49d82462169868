"""Which version this is: what the installed package says."""

from importlib.metadata import PackageNotFoundError, version

PACKAGE = "tokenbourse"
UNINSTALLED = "0+source"


def own_version() -> str:
    """Return the version of the installed package; run from a source tree without one it is `0+source`."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return UNINSTALLED
