"""Every command of the tree says what it is for, what each parameter means, and shows an example that can be typed."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from api import cli
from api.manual import EXAMPLES, illustrate

ROOT: Any = typer.main.get_command(cli.app)
SENTENCE_MIN = 10  # letters


def tree(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command and group with its path, the root first."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from tree(inner, f"{path} {name}".strip())


COMMANDS = dict(tree(ROOT))


def words_of(example: str) -> list[str]:
    return shlex.split(example.split("`")[1])


def test_every_command_has_an_example_and_no_example_is_left_over() -> None:
    assert COMMANDS.keys() - {""} == EXAMPLES.keys()
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("path", COMMANDS)
def test_a_help_text_is_sane_and_shows_an_example(path: str) -> None:
    command = COMMANDS[path]
    told = CliRunner().invoke(cli.app, [*path.split(), "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    assert "Example" in told.stdout
    assert f"tokenbourse {path}".strip() in told.stdout
    assert len(command.help) > SENTENCE_MIN, command.help
    assert command.help[0].isupper(), command.help
    for parameter in command.params:
        text = parameter.help or ""
        assert len(text) > SENTENCE_MIN, f"{parameter.name} of {path}: {text!r}"
        assert text.endswith("."), f"{parameter.name} of {path}: {text!r}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the files that examples read."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "corpus").mkdir()
    for name in ("proof.json", "croissant.json", "entitlement.json", "prices.csv", "day.parquet", "day.csv"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_can_be_typed(path: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    program, *words = words_of(EXAMPLES[path])
    assert program == "tokenbourse"
    assert words[: len(path.split())] == path.split()
    command = ROOT
    while "commands" in vars(command):
        command = command.commands[words.pop(0)]
    command.make_context(path, words).close()


def test_a_command_without_an_example_is_not_let_in() -> None:
    app = typer.Typer()
    app.command("unheard-of")(lambda: None)
    with pytest.raises(KeyError, match="unheard-of"):
        illustrate(app)
