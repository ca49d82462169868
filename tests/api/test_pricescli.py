"""`tokenbourse index recompute`: where there is nothing to look at it says so; the comparison has tests of its own."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from api import pricescli
from api.ledgercli import EXIT_FAILURE


def test_without_an_exchange_it_cannot_look(tmp_path: Path) -> None:
    app = typer.Typer()
    pricescli.register(app)
    told = CliRunner().invoke(app, ["index", "recompute", "--data", str(tmp_path)])
    assert told.exit_code == EXIT_FAILURE
    assert "no exchange in" in told.output
