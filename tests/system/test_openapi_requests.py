"""Requests drawn from the published document: none fails inside, and every refusal stands in its route's table.

A few requests of each route are drawn, always the same ones: as the document says of every second route, otherwise of
the others. TOKENBOURSE_EXAMPLES sets how many, for a longer run, which draws both of every route.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import TypeAdapter, ValidationError
from schemathesis import GenerationMode

from api.binance.rest import ENDPOINTS
from api.v1.router import ACTIONS
from tests.api.v1.office import Client, Office, office

SHORT = 3
EXAMPLES = int(os.environ.get("TOKENBOURSE_EXAMPLES", SHORT))
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)  # as the document says, and otherwise
BOUNDARIES_STEP = 20 if EXAMPLES == SHORT else 1
SENT_TYPES = {None, "application/json"}  # a parameter's boundary is one of JSON or of a query
ROWS = {**ENDPOINTS, **ACTIONS}
NOT_DRAWN = {("PUT", "/v1/four-eyes")}  # after it an operator alone may do little
SIGNATURE = {"timestamp", "recvWindow", "signature"}
FULL = 503  # a pool that is full, a ledger that is away: an answer, not a failure

pytestmark = pytest.mark.system


class Signed(requests.auth.AuthBase):
    """Signs a request that was drawn, so that it gets past the door."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, request: Any) -> Any:
        parts = urlsplit(request.url)
        query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in SIGNATURE]
        if parts.path.startswith("/v1/"):
            body = request.body or b""
            body = body.encode() if isinstance(body, str) else body
        else:
            query += [
                pair for pair in parse_qsl(request.body or "", keep_blank_values=True) if pair[0] not in SIGNATURE
            ]
            request.body, body = None, b""
            request.headers["Content-Length"] = "0"
        text = self._client.query(body)
        text = f"{urlencode(query)}&{text}" if query else text
        signed = text.partition("&signature=")[0]
        request.url = urlunsplit(
            parts._replace(query=f"{signed}&signature={self._client.sign(signed.encode() + body)}")
        )
        request.headers["X-MBX-APIKEY"] = self._client.key
        return request


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("drawn")) as served:
        yield served


@pytest.fixture(scope="module")
def issuer(house: Office) -> Client:
    """Return a key that may do all that is not the operator's."""
    made, _ = house.furnish()
    return made


def who(operation: dict[str, Any], issuer: Client, operator: Client) -> Client:
    """Return who may call a route."""
    scopes = {operation.get("x-scope"), *operation.get("x-scopes", [])}
    return issuer if scopes & {"read", "trade", "issue", "meter"} else operator


def faults(key: tuple[str, str], told: set[tuple[int, int]], response: Any) -> list[str]:
    """Return what is wrong with an answer."""
    if response.status_code == 200:
        try:
            TypeAdapter(ROWS[key].reply).validate_json(response.content)
        except ValidationError as error:
            return [f"an answer that is not its model's: {error}"]
        return []
    code = response.json()["code"]
    if response.status_code >= 500 and response.status_code != FULL:
        return [f"failed inside: {response.status_code} {response.text}"]
    if (response.status_code, code) not in told:
        return [f"{response.status_code} {response.text} is not in the route's table"]
    return []


def drawn(operation: Any, mode: GenerationMode, send: Any) -> None:
    """Draw requests of a route, and send them."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        send(case)

    with suppress(Unsatisfiable):  # a route without parameters has no wrong ones
        run()


class Told:
    """Sends requests of routes in the name of who may, and notes what is wrong with the answers."""

    def __init__(self, house: Office, issuer: Client, session: requests.Session) -> None:
        self.document = house.operator.http.get("/openapi.json").json()
        self.wrong: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._house, self._issuer, self._session = house, issuer, session

    def operations(self) -> Iterator[Any]:
        """Yield the routes that may be drawn."""
        schema = schemathesis.openapi.from_dict(self.document)
        found = (result.ok() for result in schema.get_all_operations())
        return (one for one in found if key_of(one) not in NOT_DRAWN)

    def send(self, case: Any) -> None:
        key = key_of(case.operation)
        facts = self.document["paths"][key[1]][case.operation.method.lower()]
        signed = Signed(who(facts, self._issuer, self._house.operator))
        response = case.call(base_url=self._house.base, session=self._session, auth=signed, timeout=60)
        self.statuses[response.status_code] += 1
        told = {(row["status"], row["code"]) for row in facts["x-errors"]}
        self.wrong.update(f"{' '.join(key)}: {fault}" for fault in faults(key, told, response))

    def check(self) -> None:
        assert not self.wrong, "\n".join(self.wrong)
        assert self.statuses[200] > 0, self.statuses
        assert self._house.operator.http.get("/v1/health").status_code == 200


def key_of(operation: Any) -> tuple[str, str]:
    return operation.method.upper(), operation.path


@pytest.mark.timeout(120 + EXAMPLES * 40)
@pytest.mark.parametrize("turn", [0, 1] if EXAMPLES > SHORT else [0])
def test_no_request_fails_inside_or_is_refused_unannounced(house: Office, issuer: Client, turn: int) -> None:
    with requests.Session() as session:
        told = Told(house, issuer, session)
        for number, operation in enumerate(told.operations(), turn):
            drawn(operation, MODES[number % 2], told.send)
    told.check()


@pytest.mark.timeout(120 + EXAMPLES * 40)
def test_no_boundary_of_a_parameter_fails_inside_or_is_refused_unannounced(house: Office, issuer: Client) -> None:
    """Try least and largest values, missing and doubled parameters, other types: all of them, or one of many."""
    with requests.Session() as session:
        told = Told(house, issuer, session)
        for number, operation in enumerate(told.operations()):
            config = operation.schema.config.generation_for(operation=operation)
            cases = operation.schema.iter_coverage_cases(
                operation, generation_modes=list(MODES), generation_config=config
            )
            for case in islice(cases, number % BOUNDARIES_STEP, None, BOUNDARIES_STEP):
                if case.method.upper() == operation.method.upper() and case.media_type in SENT_TYPES:
                    told.send(case)
    told.check()
