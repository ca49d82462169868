"""The Python files of the project, parsed once: what the rules of the house are checked against."""

import ast
import tokenize
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("exchange", "settlement", "api")
FOLDERS = (*PACKAGES, "benchmarks", "tests")

Function = ast.FunctionDef | ast.AsyncFunctionDef
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


class Source(NamedTuple):
    """One Python file: where it is, what it says, and its tree."""

    path: str  # from the project's root, with slashes
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """Return the first folder of the path."""
        return self.path.split("/", 1)[0]


@cache
def sources(folders: tuple[str, ...] = FOLDERS) -> tuple[Source, ...]:
    """Return every Python file below the given folders."""
    return tuple(_parsed(path) for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")))


@cache
def _parsed(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text, str(path)))


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all there is in a file, walked through once for all rules."""
    return tuple(ast.walk(tree))


def functions(tree: ast.Module) -> Iterator[Function]:
    """Yield every function, nested ones too."""
    return (node for node in nodes(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def code_lines(source: Source) -> frozenset[int]:
    """Return the numbers of the lines that hold code: no blank line, no comment, no docstring."""
    tokens = tokenize.tokenize(BytesIO(source.text.encode()).readline)
    lines = {line for token in tokens if token.type not in _LAYOUT for line in range(token.start[0], token.end[0] + 1)}
    return frozenset(lines - _docstring_lines(source.tree))


def function_length(function: Function, code: frozenset[int]) -> int:
    """Return the lines of code of a function, its signature included, its decorators not."""
    assert function.end_lineno is not None
    return sum(line in code for line in range(function.lineno, function.end_lineno + 1))


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in nodes(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            statement = node.body[0]
            assert statement.end_lineno is not None
            lines.update(range(statement.lineno, statement.end_lineno + 1))
    return lines
