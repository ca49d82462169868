"""How a long pass says how far it is: a function of what is counted, how much is done, and how much there is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Say nothing."""
