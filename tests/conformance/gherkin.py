"""Read a Cucumber feature, as much of the language as it takes: background, scenarios, outlines, tables."""

import re
from itertools import chain
from typing import NamedTuple

_TITLE = re.compile(r"(Feature|Background|Scenario Outline|Scenario|Examples):\s*(.*)")
_STEP = re.compile(r"(?:Given|When|Then|And|But) (.*)")

Table = list[list[str]]


class Step(NamedTuple):
    """What a step says without its keyword, and the rows below it."""

    text: str
    table: Table


class Scenario(NamedTuple):
    """A scenario with the steps of the background before its own."""

    name: str
    steps: list[Step]


class _Section(NamedTuple):
    keyword: str
    name: str
    steps: list[Step]
    examples: Table


def scenarios(text: str) -> list[Scenario]:
    """Return the scenarios of a feature, an outline once for each of its examples."""
    sections = _sections(text)
    background = list(chain.from_iterable(section.steps for section in sections if section.keyword == "Background"))
    return [
        Scenario(_filled(section.name, example), background + [_filled_step(step, example) for step in section.steps])
        for section in sections
        if section.keyword.startswith("Scenario")
        for example in _examples(section)
    ]


def _sections(text: str) -> list[_Section]:
    sections: list[_Section] = []
    table: Table = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if title := _TITLE.fullmatch(line):
            if title[1] != "Examples":
                sections.append(_Section(title[1], title[2], [], []))
            table = sections[-1].examples
        elif step := _STEP.fullmatch(line):
            table = []
            sections[-1].steps.append(Step(step[1], table))
        elif line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        else:
            assert line.startswith("@"), f"neither title, step, row nor tag: {line}"
    return sections


def _examples(section: _Section) -> list[dict[str, str]]:
    if section.keyword == "Scenario":
        return [{}]
    names, *rows = section.examples
    return [dict(zip(names, row, strict=True)) for row in rows]


def _filled(text: str, example: dict[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda name: example[name[1]], text)


def _filled_step(step: Step, example: dict[str, str]) -> Step:
    return Step(_filled(step.text, example), [[_filled(cell, example) for cell in row] for row in step.table])
