"""Register entries as Croissant metadata (JSON-LD) and back: how data sets are described on the web."""

from datetime import UTC, datetime
from typing import Any

from exchange.registry.entry import Entry

CONFORMS = "http://mlcommons.org/croissant/1.0"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_OURS = ("name", "description", "license", "keywords", "inLanguage", "publisher", "creator")


class CroissantError(ValueError):
    """What was given is no Croissant metadata; the message says why."""


def metadata(number: str, entry: Entry, published: int) -> dict[str, Any]:
    """Return an entry as Croissant: what its vendor gave with it, and over it what the register says.

    `published` in milliseconds.
    """
    given = {name: value for name, value in entry.croissant.items() if not name.startswith("@")}
    said: dict[str, Any] = {
        "@context": entry.croissant.get("@context", _CONTEXT),
        "@type": "sc:Dataset",
        **given,
        "conformsTo": CONFORMS,
        "name": entry.title,
        "description": entry.description or entry.title,
        "license": entry.licence or "as licensed through the register",
        "url": f"/v1/datasets?number={number}",
        "identifier": f"{number} sha256-merkle:{entry.root}",
        "version": given.get("version", "1.0.0"),
        "datePublished": given.get("datePublished", _date(published)),
    }
    if entry.keywords:
        said["keywords"] = list(entry.keywords)
    if entry.languages:
        said["inLanguage"] = list(entry.languages)
    if entry.publisher:
        said["creator"] = {"@type": "Organization", "name": entry.publisher}
    return said


def described(document: object) -> dict[str, Any]:
    """Return what Croissant metadata say about an entry, by its members. Raises CroissantError."""
    if not isinstance(document, dict) or "@context" not in document or not isinstance(document.get("name"), str):
        raise CroissantError("Croissant metadata are a JSON object with @context and a name")
    if not any(one.startswith("http://mlcommons.org/croissant/") for one in _texts(document.get("conformsTo"))):
        raise CroissantError("the metadata do not say that they conform to Croissant")
    return {
        "title": document["name"],
        "description": _text(document.get("description")),
        "licence": ", ".join(filter(None, map(_text, _listed(document.get("license"))))),
        "publisher": _text(document.get("creator", document.get("publisher", ""))),
        "keywords": _texts(document.get("keywords", [])),
        "languages": _texts(document.get("inLanguage", [])),
        "croissant": {name: value for name, value in document.items() if name not in _OURS},
    }


def _text(value: object) -> str:
    """Return the name in a text, a thing, or the first of a list of them."""
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    if isinstance(value, dict):
        return str(value.get("name", value.get("url", "")))
    return "" if value is None else str(value)


def _texts(value: object) -> list[str]:
    return [str(one) for one in _listed(value)]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value] if value else []


def _date(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
