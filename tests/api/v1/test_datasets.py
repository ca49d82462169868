"""The dataset register over HTTP: drafts, moves, search, history, quality, certificates, Croissant."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.signing import CERTIFICATE, Notary
from api.v1 import titleproblems as problems
from api.v1.desk import NOT_ACTIVE
from exchange.core.types import TradingState
from exchange.registry.dataset import MoveRefusal
from exchange.registry.entry import canonical
from settlement.register import Signer
from tests.api.v1.office import Office, office
from tests.api.v1.titled import REGISTRATION, entry, move, ok, order, refused, registered, series_of, titled, vendor_of

NOT_FROM_HERE = problems.refused_move(MoveRefusal.NOT_FROM_HERE, "").code
NOT_YOURS = problems.refused_move(MoveRefusal.NOT_YOURS, "").code
LAB, VENUE = Notary(b"e" * 32), Notary(b"v" * 32)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with titled(tmp_path_factory.mktemp("exchange")) as served:
        served.vendor = vendor_of(served)
        served.other = served.admit("other", "read", "trade", "issue", role="vendor")
        served.operator.post("/v1/signers", name="lab", kind="evaluator", public_key=LAB.public_key.hex())
        yield served


def _quality(**changed: Any) -> dict[str, Any]:
    names = ("completeness", "accuracy", "consistency", "diversity", "authenticity", "compliance", "benchmark_gain")
    said = {
        "evaluator": "lab",
        "root": "ab" * 32,
        "expires": 4_000_000_000_000,
        "measures": dict.fromkeys(names, 9_000),
    }
    said |= changed
    return said | {"signature": LAB.sign(canonical(said))}


def _public(desk: Office, **query: Any) -> Any:
    return desk.operator.http.get("/v1/datasets", params=query)


def test_a_registration_goes_its_way_and_is_public_from_its_publicity_on(desk: Office) -> None:
    number = ok(desk.vendor.post("/v1/datasets", entry=entry(title="A way")))["number"]
    for name in REGISTRATION:
        who, wrong = (desk.vendor, desk.other) if name == "submit" else (desk.operator, desk.vendor)
        is_secret = name in ("submit", "approve form", "approve substance", "publish")
        assert (refused(_public(desk, number=number)) == problems.UNKNOWN_DATASET.code) if is_secret else True
        code = refused(wrong.post("/v1/dataset-moves", number=number, move=name))
        assert code == (problems.UNKNOWN_DATASET.code if wrong is desk.other else NOT_YOURS)
        found = move(desk, who, number, name)
    assert (found["state"], found["holder"], found["row"] > 6) == ("listed", desk.vendor.account, True)
    assert ok(_public(desk, number=number))["datasets"] == [found]
    assert refused(desk.vendor.post("/v1/dataset-moves", number=number, move="submit")) == NOT_FROM_HERE


def test_the_history_tells_every_move_and_is_chained(desk: Office) -> None:
    number = registered(desk, desk.vendor, "publish")
    rows = ok(desk.other.http.get("/v1/dataset-history", params={"number": number}))["rows"]
    assert [row["move"] for row in rows] == ["draft", "submit", "approve form", "approve substance", "publish"]
    assert [row["previous_hash"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    assert rows[0]["document"]["entry"] == entry()
    assert {row["act"] for row in rows} == {"first registration"}


def test_search_finds_words_in_pages_among_what_is_public(desk: Office) -> None:
    numbers = [registered(desk, desk.vendor, "publish", title=f"Zebra {n}", scenarios=["PT"]) for n in range(3)]
    hidden = ok(desk.vendor.post("/v1/datasets", entry=entry(title="Zebra hidden")))["number"]
    first = ok(_public(desk, q="zebra", limit=2))
    rest = ok(_public(desk, q="zebra", limit=2, after=first["next"]))
    assert [row["number"] for row in first["datasets"] + rest["datasets"]] == numbers
    assert rest["next"] is None
    assert ok(_public(desk, q="zebra", limit=3))["next"] is None  # the page that ends with the last of them
    assert ok(_public(desk, q="zebra", state="listed"))["datasets"] == []
    assert ok(_public(desk, q="zebra", state="draft"))["datasets"] == []
    assert len(ok(_public(desk, scenario="PT", state="publicity"))["datasets"]) == 3
    own = ok(desk.vendor.get("/v1/own-datasets", q="hidden"))["datasets"]
    assert [row["number"] for row in own] == [hidden]
    assert ok(desk.other.get("/v1/own-datasets", q="hidden"))["datasets"] == []
    assert len(ok(desk.operator.get("/v1/own-datasets", number=hidden))["datasets"]) == 1


def test_words_without_blanks_between_them_are_found(desk: Office) -> None:
    number = registered(desk, desk.vendor, "publish", title="中文医疗对话语料 2026")
    for words in ("中文医疗对话语料", "医疗", "语料 2026", '"对话语料"'):
        assert [row["number"] for row in ok(_public(desk, q=words))["datasets"]] == [number]
    assert ok(_public(desk, q="疗医"))["datasets"] == []
    assert ok(desk.vendor.get("/v1/own-datasets", q="医疗"))["datasets"][0]["number"] == number


def test_what_was_given_up_before_its_publicity_is_nobody_elses(desk: Office) -> None:
    number = ok(desk.vendor.post("/v1/datasets", entry=entry(title="Quokka plan")))["number"]
    move(desk, desk.vendor, number, "cancel")
    for path in ("datasets", "dataset-history", "dataset-certificates", "croissant"):
        found = desk.other.http.get(f"/v1/{path}", params={"number": number})
        assert refused(found) == problems.UNKNOWN_DATASET.code
    assert ok(_public(desk, q="quokka"))["datasets"] == []
    assert [row["state"] for row in ok(desk.vendor.get("/v1/own-datasets", q="quokka"))["datasets"]] == ["revoked"]
    known = registered(desk, desk.vendor, "publish", title="Quokka web")
    move(desk, desk.vendor, known, "cancel")
    assert [row["number"] for row in ok(_public(desk, q="quokka"))["datasets"]] == [known]


def test_a_draft_may_be_edited_and_later_only_what_was_not_sold(desk: Office) -> None:
    number = ok(desk.vendor.post("/v1/datasets", entry=entry()))["number"]
    edited = entry(root="cd" * 32, title="Edited")
    assert move(desk, desk.vendor, number, "edit", entry=edited)["entry"] == edited
    assert refused(desk.vendor.post("/v1/dataset-moves", number=number, move="edit")) == problems.NEEDS_ENTRY.code
    for name in REGISTRATION[:-1]:
        move(desk, desk.vendor if name == "submit" else desk.operator, number, name)
    assert move(desk, desk.vendor, number, "change", entry=edited | {"title": "Changed"})["entry"]["title"] == "Changed"
    sold = {"number": number, "move": "change", "entry": edited | {"root": "ef" * 32}}
    assert refused(desk.vendor.post("/v1/dataset-moves", **sold)) == problems.FIXED_FIELDS.code


def test_a_draft_that_licences_were_sold_on_keeps_what_is_fixed(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    series_of(desk.vendor, number)
    move(desk, desk.other, number, "object", note="mine")
    for name in ("republish", "return"):
        move(desk, desk.operator, number, name, note="mend the text")
    other = {"number": number, "move": "edit", "entry": entry(root="ef" * 32, title="Mended")}
    assert refused(desk.vendor.post("/v1/dataset-moves", **other)) == problems.FIXED_FIELDS.code
    assert move(desk, desk.vendor, number, "edit", entry=entry(title="Mended"))["entry"]["title"] == "Mended"


def test_a_text_that_the_register_does_not_keep_is_refused(desk: Office) -> None:
    for answer in (
        desk.vendor.post("/v1/datasets", entry=entry(title="a\0b")),
        desk.vendor.post("/v1/reads", records=[{"id": "a\0b", "entitlement": 1, "tokens": 1}]),
        desk.operator.post("/v1/signers", name="a\0b", kind="venue", public_key="00" * 32),
        _public(desk, q="a\0b"),
        _public(desk, scenario="\0"),
    ):
        assert refused(answer) == problems.BAD_TEXT.code


def test_a_transfer_names_the_new_holder(desk: Office) -> None:
    number = registered(desk, desk.vendor, "register")
    code = refused(desk.vendor.post("/v1/dataset-moves", number=number, move="transfer"))
    assert code == problems.NEEDS_RECEIVER.code
    assert refused(desk.vendor.post("/v1/dataset-moves", number=number, move="transfer", account=999)) == -8032
    made = move(desk, desk.vendor, number, "transfer", account=desk.other.account)
    assert (made["holder"], made["state"]) == (desk.other.account, "registered")
    assert refused(desk.vendor.post("/v1/dataset-moves", number=number, move="cancel")) == NOT_YOURS
    assert move(desk, desk.other, number, "cancel")["state"] == "revoked"


def test_an_objection_needs_a_reason_and_anybody_may_make_it(desk: Office) -> None:
    number = registered(desk, desk.vendor, "publish")
    reason = {"number": number, "move": "object"}
    assert refused(desk.other.post("/v1/dataset-moves", **reason)) == problems.NEEDS_REASON.code
    assert move(desk, desk.other, number, "object", note="These are mine.")["state"] == "objected"
    assert move(desk, desk.operator, number, "republish")["state"] == "publicity"


def test_a_restricted_holder_begins_nothing_and_may_end(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    state = {"account": desk.vendor.account, "cancel_orders": False}
    ok(desk.operator.put("/v1/account-state", state="RESTRICTED", **state))
    assert refused(desk.vendor.post("/v1/datasets", entry=entry())) == NOT_ACTIVE.code
    said = {"number": number, "scenario": "FT", "terms": {}, "price_high": "9"}
    assert refused(desk.vendor.post("/v1/licences", **said)) == NOT_ACTIVE.code
    change = desk.vendor.post("/v1/dataset-moves", number=number, move="change", entry=entry(title="other"))
    assert refused(change) == NOT_ACTIVE.code
    assert move(desk, desk.vendor, number, "unlist")["state"] == "registered"
    ok(desk.operator.put("/v1/account-state", state="ACTIVE", **state))


def test_what_is_still_valid_does_not_expire(desk: Office) -> None:
    number = registered(desk, desk.vendor, "register")
    code = refused(desk.operator.post("/v1/dataset-moves", number=number, move="expire"))
    assert code == problems.refused_move(MoveRefusal.NOT_DUE, "").code
    over = registered(desk, desk.vendor, "register", valid_until=int(time.time() * 1000))
    assert move(desk, desk.operator, over, "expire")["state"] == "expired"
    assert move(desk, desk.vendor, over, "renew")["state"] == "submitted"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"evaluator": "nobody"}, "not known"),
        ({"root": "cd" * 32}, "other data"),
        ({"expires": 1}, "expired"),
        ({"signature": "00" * 64}, "signature"),
    ],
)
def test_a_quality_vector_counts_only_with_its_evaluators_signature(
    desk: Office, changed: dict[str, Any], words: str
) -> None:
    good = _quality()
    assert ok(desk.vendor.post("/v1/datasets", entry=entry(quality=good)))["entry"]["quality"] == good
    bad = good | changed if "signature" in changed else _quality(**changed)
    answer = desk.vendor.post("/v1/datasets", entry=entry(quality=bad))
    assert (refused(answer), words in answer.text) == (problems.bad_quality("").code, True)


def test_an_entry_that_is_wrong_is_refused_with_the_place(desk: Office) -> None:
    answer = desk.vendor.post("/v1/datasets", entry=entry(size_bytes=-1))
    assert (refused(answer), "size_bytes" in answer.text) == (problems.bad_entry("").code, True)
    assert refused(desk.vendor.post("/v1/datasets", entry=entry(origin="X:1"))) == problems.bad_entry("").code


def test_a_certificate_goes_out_and_another_venues_comes_in_once(desk: Office) -> None:
    number = registered(desk, desk.vendor, "register")
    sealed = ok(desk.other.http.get("/v1/dataset-certificates", params={"number": number}))
    document = {name: value for name, value in sealed["document"].items() if name != "kind"}
    foreign = VENUE.seal(CERTIFICATE, document | {"venue": "szdex"})
    unknown = problems.bad_certificate("").code
    assert refused(desk.operator.post("/v1/dataset-certificates", **foreign)) == unknown
    key = {"name": "szdex", "kind": "venue", "public_key": VENUE.public_key.hex()}
    assert Signer("szdex", "venue", VENUE.public_key).name in str(ok(desk.operator.post("/v1/signers", **key)))
    forged = foreign | {"document": foreign["document"] | {"number": "0000000099"}}
    assert refused(desk.operator.post("/v1/dataset-certificates", **forged)) == unknown
    made = ok(desk.operator.post("/v1/dataset-certificates", **foreign))
    assert (made["state"], made["entry"]["origin"]) == ("substantively ok", f"szdex:{number}")
    assert refused(desk.operator.post("/v1/dataset-certificates", **foreign)) == problems.MOVED_MEANWHILE.code
    for name in ("publish", "register"):
        move(desk, desk.operator, made["number"], name)
    given = move(desk, desk.operator, made["number"], "transfer", account=desk.vendor.account)
    assert (given["holder"], given["state"]) == (desk.vendor.account, "registered")
    again = {"number": made["number"], "move": "transfer", "account": desk.other.account}
    assert refused(desk.operator.post("/v1/dataset-moves", **again)) == NOT_YOURS
    draft = VENUE.seal(CERTIFICATE, document | {"venue": "szdex", "state": "draft"})
    assert refused(desk.operator.post("/v1/dataset-certificates", **draft)) == unknown
    assert refused(desk.vendor.post("/v1/dataset-certificates", **foreign)) == -2015


def test_an_entry_is_given_as_croissant(desk: Office) -> None:
    number = registered(desk, desk.vendor, "publish")
    said = ok(desk.other.http.get("/v1/croissant", params={"number": number}))
    assert (said["name"], said["@type"]) == (entry()["title"], "sc:Dataset")


def test_a_book_follows_its_register_entry(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)

    def state() -> str:
        return ok(desk.operator.http.get("/v1/instruments", params={"symbol": symbol}))["instruments"][0]["state"]

    states = [state()]
    for who, name, note in (
        (desk.other, "object", "mine"),
        (desk.operator, "dismiss", ""),
        (desk.operator, "list", ""),
        (desk.vendor, "unlist", ""),
        (desk.operator, "list", ""),
        (desk.operator, "suspend", "looked at"),
        (desk.operator, "revoke", "stolen"),
    ):
        move(desk, who, number, name, note=note)
        states.append(state())
    trading = ["CONTINUOUS", "HALTED", "HALTED", "CONTINUOUS", "HALTED", "CONTINUOUS", "HALTED", "EXPIRED"]
    assert states == trading


def test_a_halted_book_goes_on_when_its_entry_is_listed_again(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)
    ok(desk.operator.post("/v1/halt", symbols=[symbol]))
    move(desk, desk.vendor, number, "change", entry=entry(title="No way to open a book"))
    assert desk.exchange.registry.instrument(symbol).trading_state is TradingState.HALTED
    move(desk, desk.operator, number, "list")
    assert desk.exchange.registry.instrument(symbol).trading_state is TradingState.CONTINUOUS


def test_nobody_opens_a_book_that_the_register_shuts(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)
    move(desk, desk.other, number, "object", note="mine")
    opened = desk.operator.put("/v1/trading-state", symbol=symbol, state="CONTINUOUS")
    assert refused(opened) == problems.NOT_LISTED.code
    uncrossed = desk.operator.post("/v1/uncross", symbol=symbol, afterwards="CONTINUOUS")
    assert refused(uncrossed) == problems.NOT_LISTED.code
    ok(desk.operator.put("/v1/trading-state", symbol=symbol, state="SUSPENDED"))
    assert order(desk.vendor, symbol, "SELL", 1, "10").json()["code"] == -2010
    by_hand = {"symbol": f"DL.{number}.FT.Y9S9", "kind": "LICENCE", "issuer": desk.vendor.account, "price_high": "9"}
    assert refused(desk.operator.post("/v1/instruments", **by_hand)) == problems.UNREGISTERED.code
    ok(desk.operator.post("/v1/instruments", **by_hand, state="CLOSED"))
    opened = desk.operator.put("/v1/trading-state", symbol=by_hand["symbol"], state="CALL_OPEN")
    assert refused(opened) == problems.UNREGISTERED.code
    issued = desk.vendor.post("/v1/issues", asset=by_hand["symbol"], amount="1")
    assert refused(issued) == problems.UNREGISTERED.code


@pytest.mark.real_data
def test_real_datasets_are_registered_and_found(desk: Office, data_dir: Path) -> None:
    with (data_dir / "datasets" / "datasets_pretraining.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["bytes"]][:12]
    for row in rows:
        said = entry(
            title=row["name"],
            publisher=row["publisher"],
            description=row["content"],
            size_bytes=int(row["bytes"]),
            tokens=int(row["tokens"] or 0),
            licence=row["license"],
            languages=[row["language"][:64]],
            keywords=[part.strip()[:64] for part in row["category"].split("/")],
        )
        number = ok(desk.vendor.post("/v1/datasets", entry=said))["number"]
        for name in REGISTRATION[:4]:
            move(desk, desk.vendor if name == "submit" else desk.operator, number, name)
    names = {row["entry"]["title"] for row in ok(_public(desk, q='"pre-training corpora"'))["datasets"]}
    assert names == {row["name"] for row in rows}


def test_without_a_database_nothing_is_promised(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        assert refused(served.operator.http.get("/v1/datasets")) == problems.NO_REGISTER.code
