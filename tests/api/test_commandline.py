"""The commands of those who trade start without what makes an exchange, and are those of the whole command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api import commandline, tradecli
from api.cli import app

MADE_OF = {"fastapi", "numba", "numpy", "pyarrow", "exchange.server", "settlement.ledger"}
PROGRAM = """
import sys
from contextlib import suppress
from api import commandline
sys.argv = ["tokenbourse", *sys.argv[1:]]
with suppress(SystemExit):
    commandline.main()
print(sorted(sys.modules), file=sys.stderr)
"""


def _run(*words: str, **variables: str) -> tuple[str, set[str]]:
    """Run the command line in a process of its own; return its output, and what it imported of all that is heavy."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, env=variables, timeout=60, check=True
    )
    return done.stdout, MADE_OF & set(eval(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("command", [function.__name__ for function in tradecli.COMMANDS])
def test_trading_has_the_help_of_the_whole_command_line(command: str) -> None:
    line = [command, "--help"]
    alone = CliRunner().invoke(commandline.trading(), line, prog_name="tokenbourse")
    assert alone.exit_code == 0
    assert alone.output == CliRunner().invoke(app, line, prog_name="tokenbourse").output


def test_whoever_trades_imports_no_exchange() -> None:
    told, imported = _run("book", "--help")
    assert "Show the book of an instrument." in told
    assert imported == set()


def test_words_of_trading_are_completed_without_an_exchange() -> None:
    for variables in (
        {"COMP_WORDS": "tokenbourse book --le", "COMP_CWORD": "2", "_TOKENBOURSE_COMPLETE": "complete_bash"},
        {"_TYPER_COMPLETE_ARGS": "tokenbourse book --le", "_TOKENBOURSE_COMPLETE": "complete_zsh"},
    ):
        told, imported = _run(**variables)
        assert "--levels" in told
        assert imported == set()


@pytest.mark.parametrize("words", [("book", "--help"), ("version",)])
def test_output_that_nobody_takes_is_a_failure_in_a_line(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "api.commandline", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (tradecli.EXIT_FAILURE, "OSError: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("words", [("version",), ("--help",), ()])
def test_all_else_is_the_whole_command_line(words: tuple[str, ...]) -> None:
    told, imported = _run(*words)
    assert told
    assert imported == MADE_OF
