"""What the read-me tells people to type is what the check script does, and what the package offers."""

import os
import re
import tomllib

from tests.house.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHECK = ROOT / ".ci" / "run"


def _blocks(language: str) -> list[str]:
    return [block.strip() for block in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)]


def test_the_test_command_is_the_one_of_the_check_script() -> None:
    command = next(block for block in _blocks("bash") if "pytest" in block)
    assert command == "pip install '.[test]' && pytest -n 2"
    assert command in [line.strip() for line in CHECK.read_text(encoding="utf-8").splitlines()]


def test_the_first_command_installs_and_shows() -> None:
    assert _blocks("bash")[0] == "pip install . && tokenbourse demo"
    assert PROJECT["project"]["scripts"] == {"tokenbourse": "api.commandline:main"}


def test_the_check_script_checks_style_and_types_too() -> None:
    lines = CHECK.read_text(encoding="utf-8").splitlines()
    assert {"check ruff check .", "check ruff format --check .", "check mypy"} <= set(lines)
    assert os.access(CHECK, os.X_OK)


def test_the_extras_that_the_commands_name_exist() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    named = set(re.findall(r"\.\[(\w+)\]", README + CHECK.read_text(encoding="utf-8")))
    assert named <= extras


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
