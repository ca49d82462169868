"""Where things are: one test file per source file, a fixed top level, and a text that speaks of the project alone."""

import re

import pytest

from tests.house.sources import FOLDERS, PACKAGES, ROOT, sources

TOP_LEVEL = {
    ".ci",
    ".git",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "api",
    "benchmarks",
    "docker-compose.yml",
    "docs",
    "exchange",
    "pyproject.toml",
    "settlement",
    "tests",
}
TEST_FOLDERS_WITHOUT_SOURCE = (
    "tests/conformance/",
    "tests/house/",
    "tests/properties/",
    "tests/system/",
    "tests/benchmarks/",
)
TESTED_ELSEWHERE = {  # where one file of tests asks the compiled engine and the readable one the same
    "exchange/core/reference_bundles.py": "tests/exchange/core/test_quotes.py",
}
FILE_NAMES_NEVER = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
TEXT_SUFFIXES = {".py", ".md", ".sql", ".toml", ".yml", ".html", ".js", ".css", ".sh", ""}
# The brackets keep this file from finding itself.
TEXT_NEVER = {
    "an absolute path of somebody's machine": r"(?<![\w.])/(?:[w]ork|[h]ome|[U]sers|[r]oot|[w]orkspace)/",
    "a virtual environment of somebody's machine": r"/[t]mp/(?:venv|team)",
    "an unfinished thought": r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b",
}


def _texts() -> list[str]:
    found = [path for folder in (*FOLDERS, "docs", ".ci") for path in (ROOT / folder).rglob("*")]
    found += [path for path in ROOT.iterdir() if path.is_file()]
    texts = [
        path for path in found if path.is_file() and path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts
    ]
    return sorted(path.relative_to(ROOT).as_posix() for path in texts)


def _ignored() -> set[str]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    return {name for line in lines for name in [line.rstrip("/")] if (ROOT / name).exists()}


def _test_path(path: str) -> str:
    if path in TESTED_ELSEWHERE:
        return TESTED_ELSEWHERE[path]
    folder, _, name = path.rpartition("/")
    return f"tests/{folder}/test_{name}"


def _source_path(path: str) -> str:
    folder, _, name = path.removeprefix("tests/").rpartition("/")
    return f"{folder}/{name.removeprefix('test_')}"


SOURCE_FILES = [source.path for source in sources(PACKAGES) if not source.path.endswith("__init__.py")]
TEST_FILES = [
    source.path
    for source in sources(("tests",))
    if "/test_" in source.path and not source.path.startswith(TEST_FOLDERS_WITHOUT_SOURCE)
]


def test_every_source_file_has_its_test_file() -> None:
    assert [_test_path(path) for path in SOURCE_FILES if not (ROOT / _test_path(path)).is_file()] == []


def test_every_test_file_has_its_source_file() -> None:
    assert [path for path in TEST_FILES if not (ROOT / _source_path(path)).is_file()] == []


def test_every_folder_of_python_files_is_a_package() -> None:
    folders = {(ROOT / source.path).parent for source in sources()}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_a_package_holds_nothing_but_its_docstring() -> None:
    full = [source.path for source in sources() if source.path.endswith("__init__.py") and len(source.tree.body) != 1]
    assert full == []


def test_the_top_level_is_fixed() -> None:
    assert {path.name for path in ROOT.iterdir()} - TOP_LEVEL - _ignored() == set()


def test_no_file_is_named_for_what_is_left_over() -> None:
    assert [source.path for source in sources() if source.path.rsplit("/", 1)[-1] in FILE_NAMES_NEVER] == []


def test_the_text_speaks_of_the_project_alone() -> None:
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in _texts()}
    found = [
        (path, reason, match.group())
        for path, text in texts.items()
        for reason, rule in TEXT_NEVER.items()
        if (match := re.search(rule, text))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["/" + "work/x", "/" + "home/x/y", "TO" + "DO", "/" + "tmp/venv/bin"])
def test_the_words_are_found(text: str) -> None:
    assert any(re.search(rule, text) for rule in TEXT_NEVER.values())
