"""Standings: every one can be reached, none is left but for those named, closed is the end."""

from exchange.registry.people import NEXT_STANDINGS, Standing


def test_every_standing_is_reached_from_an_application_and_closed_is_the_end() -> None:
    reached, open_ = {Standing.APPLIED}, [Standing.APPLIED]
    while open_:
        fresh = set(NEXT_STANDINGS[open_.pop()]) - reached
        reached |= fresh
        open_ += fresh
    assert reached == set(Standing) == set(NEXT_STANDINGS)
    assert NEXT_STANDINGS[Standing.CLOSED] == ()
    assert all(Standing.CLOSED in after for one, after in NEXT_STANDINGS.items() if one is not Standing.CLOSED)
