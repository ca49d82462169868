"""Every refusal says something of its own."""

from exchange.registry.refusals import DocumentRefusal


def test_no_two_refusals_say_the_same() -> None:
    assert len({str(refusal) for refusal in DocumentRefusal}) == len(DocumentRefusal)
