"""Numbers and tables as people read them."""

from decimal import Decimal

from rich.console import Console
from rich.table import Table

from api import shown
from api.client import answers


def printed(table: Table) -> str:
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_numbers_have_no_zeros_at_their_end() -> None:
    assert shown.number(Decimal("1234567.500000")) == "1,234,567.5"
    assert shown.number(Decimal("10.000000")) == "10"
    assert shown.number(Decimal(100)) == "100"
    assert shown.number(Decimal("0E-8")) == "0"


def test_a_time_is_of_utc() -> None:
    assert shown.moment(1_700_000_000_000) == "11-14 22:13:20"


def test_a_ladder_has_the_best_levels_in_the_middle() -> None:
    depth = answers.Depth(
        7,
        [(Decimal("1.0"), Decimal(1)), (Decimal("0.9"), Decimal(4))],
        [(Decimal("1.1"), Decimal(2)), (Decimal("1.2"), Decimal(2))],
    )
    rows = printed(shown.book("X", depth))
    places = [rows.index(price) for price in ("1.2", "1.1", "1.0", "0.9")]
    assert places == sorted(places)
    assert "█" * shown.LEVELS_BAR in rows
    assert "X at update 7" in printed(shown.book("X", answers.Depth(7, [], [])))
