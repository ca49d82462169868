"""Croissant in and out: what the register says over what the vendor gave, as the library of its makers reads it."""

import json
import subprocess
import sys

import pytest

from api.croissant import CONFORMS, CroissantError, described, metadata
from exchange.registry.entry import decode
from tests.settlement.registers import entry

GIVEN = {
    "@context": {"@vocab": "https://schema.org/"},
    "conformsTo": CONFORMS,
    "name": "Crawl",
    "description": "Pages",
    "license": ["https://example.org/l"],
    "creator": [{"@type": "Person", "name": "Ann"}],
    "keywords": "web",
    "inLanguage": ["en", "zh"],
    "version": "2.0.0",
}
_VALIDATE = """
import sys, warnings
warnings.simplefilter("ignore")
import mlcroissant
found = mlcroissant.Dataset(jsonld=sys.argv[1]).metadata
assert not found.ctx.issues.errors, found.ctx.issues.report()
print(found.name, found.version)
"""


def test_what_the_register_says_stands_over_what_was_given() -> None:
    said = metadata(
        "0000000001", entry(croissant={"version": "2.0.0", "name": "old", "citeAs": "x"}, languages=("en",)), 0
    )
    assert (said["name"], said["version"], said["citeAs"]) == ("Common Crawl News", "2.0.0", "x")
    assert said["identifier"] == f"0000000001 sha256-merkle:{'ab' * 32}"
    assert (said["datePublished"], said["inLanguage"]) == ("1970-01-01", ["en"])
    assert said["creator"] == {"@type": "Organization", "name": "Example Press"}


def test_an_entry_may_be_made_from_croissant_and_given_back() -> None:
    found = described(GIVEN)
    assert (found["title"], found["publisher"], found["licence"]) == ("Crawl", "Ann", "https://example.org/l")
    assert (found["keywords"], found["languages"]) == (["web"], ["en", "zh"])
    rest = {name: json.loads(json.dumps(value)) for name, value in found.items()}
    made = decode(json.dumps(json.loads(_as_json()) | rest))
    assert metadata("0000000001", made, 0)["version"] == "2.0.0"


def _as_json() -> str:
    return json.dumps({
        "root": "ab" * 32,
        "size_bytes": 1,
        "rights": ["USE"],
        "source_kind": "own",
        "personal_data": "none",
        "scenarios": ["FT"],
        "valid_until": 1,
    })  # fmt: skip


@pytest.mark.parametrize(
    "given", [[], {"name": "x"}, GIVEN | {"name": 7}, GIVEN | {"conformsTo": "https://example.org"}]
)
def test_other_metadata_are_refused(given: object) -> None:
    with pytest.raises(CroissantError):
        described(given)


def test_the_library_of_its_makers_reads_it(tmp_path) -> None:
    file = tmp_path / "croissant.json"
    file.write_text(json.dumps(metadata("0000000001", entry(languages=("en",)), 0)))
    done = subprocess.run(
        [sys.executable, "-c", _VALIDATE, str(file)], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Common", "Crawl", "News", "1.0.0"]


def test_nothing_is_said_where_nothing_was_given_and_no_licence_is_lost() -> None:
    found = described(GIVEN | {"description": None, "creator": None, "license": ["MIT", {"name": "CC BY"}, None]})
    assert (found["description"], found["publisher"], found["licence"]) == ("", "", "MIT, CC BY")
    assert described(GIVEN | {"license": None})["licence"] == ""


def test_metadata_may_conform_to_more_than_one() -> None:
    assert described(GIVEN | {"conformsTo": ["http://mlcommons.org/croissant/RAI/1.0", CONFORMS]})["title"] == "Crawl"
