"""kill -9 in the middle of a catalogue's import: all of it is there at the next start, or nothing of it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from api import cataloguecli
from exchange.server import Exchange
from tests.api.v1.office import SMALL, Office, office

HEADER = "source,provider,model,in_per_1m,out_per_1m,cached_in_per_1m,currency,context,from_date,to_date,mode\n"
LINES = "".join(f"x,acme,m{number},1,2,,CNY,,,,chat\n" for number in range(3))
COUNT = 6  # two directions of each
app = typer.Typer()
cataloguecli.register(app)
pytestmark = pytest.mark.system


def left_listed(directory: Path) -> int:
    """Return how many instruments a directory holds as it lies there, before a start mends it."""
    exchange = Exchange.open(directory, SMALL)
    exchange.journal.close()
    exchange.events.close()
    return sum(one.is_listed for one in exchange.registry.instruments)


def states(desk: Office) -> list[str]:
    return [one.trading_state.name for one in desk.exchange.registry.instruments if one.is_listed]


@pytest.mark.parametrize(
    ("kind", "before", "lies", "stands"),
    [("CataloguePlanned", 2, 0, 0), ("CatalogueListed", 3, 3, COUNT)],
)
def test_a_killed_import_is_whole_or_not_there(tmp_path: Path, kind: str, before: int, lies: int, stands: int) -> None:
    directory, file = tmp_path / "exchange", tmp_path / "prices.csv"
    directory.mkdir()
    file.write_text(HEADER + LINES)
    words = [sys.executable, "-m", "tests.system.dying_import", str(directory), str(file), kind, str(before)]
    died = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert left_listed(directory) == lies
    with office(directory, SMALL) as desk:
        assert states(desk) == ["CONTINUOUS"] * stands
        again = ["catalogue", "import", str(file), "--data", str(directory), "--url", desk.base, "--json"]
        told = json.loads(CliRunner().invoke(app, [*again, "--state", "CONTINUOUS"]).stdout)
        assert (told["ok"], told["listed"], told["known"]) == (True, COUNT - stands, stands)
        assert states(desk) == ["CONTINUOUS"] * COUNT
        count, position = desk.exchange.events.count, desk.exchange.journal.position
        told = json.loads(CliRunner().invoke(app, [*again, "--state", "CONTINUOUS"]).stdout)
        assert (told["listed"], told["known"], desk.exchange.events.count) == (0, COUNT, count)
        written = desk.exchange.journal.position - position
        assert written <= 1  # the act of asking, journaled like any other, and nothing else
