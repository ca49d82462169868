"""What is published about our own dialect."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.v1 import accounts, catalogue, funds, health, instruments, ledger, participants, usage
from tests.api.v1.office import Office, office

ACTIONS = [
    action
    for module in (accounts, catalogue, funds, health, instruments, ledger, participants, usage)
    for action in module.ACTIONS
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        yield served


@pytest.fixture(scope="module")
def published(desk: Office) -> dict[str, Any]:
    return desk.operator.http.get("/openapi.json").json()


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action.method} {action.path}")
def test_every_action_is_published_in_full(published: dict[str, Any], action: Any) -> None:
    operation = published["paths"][action.path][action.method.lower()]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert operation["x-weight"] == action.weight
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": f"#/components/schemas/{action.reply.__name__}"}
    assert "4XX" in operation["responses"]
    assert "422" not in operation["responses"]
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    assert ({"X-MBX-APIKEY", "timestamp", "signature"} <= names) is bool(action.scopes)
    fields = {facts.alias or name for name, facts in action.request.model_fields.items()}
    if action.has_body:
        assert set(operation["requestBody"]["content"]["application/json"]["schema"]["properties"]) == fields
    else:
        assert fields <= names


def test_no_reference_leads_nowhere(published: dict[str, Any]) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    known = {f"#/components/schemas/{name}" for name in published["components"]["schemas"]}
    ours = {path: operations for path, operations in published["paths"].items() if path.startswith("/v1/")}
    assert set(references(ours)) <= known


def test_the_documentation_page_is_there(desk: Office) -> None:
    assert desk.operator.http.get("/docs").status_code == 200


def test_unknown_paths_and_methods_are_refused_in_the_same_words(desk: Office) -> None:
    assert desk.operator.http.get("/v1/nothing").json()["code"] == -1020
    assert desk.operator.http.patch("/v1/health").json()["code"] == -1020
