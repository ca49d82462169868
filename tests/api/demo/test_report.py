"""The closing tables: figures as counted, and the proof line only when every check holds."""

from decimal import Decimal

import pytest
from rich.console import Console

from api.demo.actors import Facts
from api.demo.report import PROOF, Check, show
from api.demo.world import listings


@pytest.mark.parametrize("holds", [True, False])
def test_the_proof_line_stands_only_when_every_check_holds(holds):
    console = Console(record=True, width=200)
    world = listings()
    facts = Facts(rest_ms=[1.0, 2.0, 3.0], usage_tokens=1_234_567, interruptions=9)
    facts.trades = {
        1: (world[1].symbol, Decimal("70.5"), Decimal(3)),
        2: (world[1].symbol, Decimal("71.5"), Decimal(4)),
    }
    show(console, facts, world, [Check("one", True, "seen"), Check("two", holds, "seen")])
    text = console.export_text()
    assert (f"\n{PROOF}\n" in text) == holds
    assert ("FAILS" in text) != holds
    assert "1,234,567" in text
    row = next(line for line in text.splitlines() if world[1].symbol in line)
    assert row.replace("│", " ").split()[2:] == ["71.5", "70.5", "71.5", "7", "2"]
