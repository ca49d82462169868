"""Price lists and data set lists: which instruments they ask for, and why a line asks for none."""

from fractions import Fraction

import pytest

from exchange.core.types import PRICE_TICKS_MAX
from exchange.registry.pricelists import CODE_CHARACTERS_MAX, BadRow, FormatError, ListKind, code, read

RATES = {"USD": Fraction("7.10")}
PRICES = "source,provider,model,in_per_1m,out_per_1m,cached_in_per_1m,currency,context,from_date,to_date,mode"
DATASETS = "source,name,released,publisher,language,category,method,availability,size,tokens,bytes,instances,license"


def prices(*rows, today="2026-01-01"):
    return read([PRICES + "\n", *[f"x,{row}\n" for row in rows]], RATES, today)


def datasets(*rows):
    return read([DATASETS + "\n", *[f"x,{row}\n" for row in rows]], {})


def test_a_model_has_an_allowance_for_each_direction_with_a_price():
    found = prices("acme,acme/small,1.0,3.00005,,CNY,,,,chat", "acme,eyes,0.1,0,,USD,,,,embedding")
    assert (found.kind, found.row_count, found.bad) == (ListKind.PRICES, 2, [])
    assert [(row.line, row.symbol, row.issuer, row.price_ticks) for row in found.wanted] == [
        (2, "TA.ACME.SMALL.IN.NAT.E90.G0A", "acme", 10_000),
        (2, "TA.ACME.SMALL.OUT.NAT.E90.G0A", "acme", 30_001),  # half a tick is rounded up
        (3, "TA.ACME.EYES.IN.NAT.E90.G0A", "acme", 7_100),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",m,1,2,,CNY,,,,chat", "provider is empty"),
        ("p,,1,2,,CNY,,,,chat", "model is empty"),
        ("p,m,1,2,,,,,,chat", "currency is empty"),
        ("p,m,1,2,,EUR,,,,chat", "no rate is given for EUR"),
        ("p,m,0,0.0,,CNY,,,,chat", "no price above zero"),
        ("p,m,,,,CNY,,,,chat", "no price above zero"),
        ("p,m,3,2,,CNY,,,,chat", "output is cheaper than input"),
        ("p,m,-1,2,,CNY,,,,chat", "in_per_1m is not a price"),
        ("p,m,1,nan,,CNY,,,,chat", "out_per_1m is not a price"),
        ("p,m,1/2,2,,CNY,,,,chat", "in_per_1m is not a price"),
        ("p,m,1,2,,CNY,,,2025-12-31,chat", "the price ended on 2025-12-31"),
        ("p,m,2e-05,2,,CNY,,,,chat", "the price is less than half a tick of 0.0001 yuan"),
        ("p,m,1,21475,,CNY,,,,chat", "the price is above 21474 yuan"),
        ("p,m", "currency is empty"),
    ],
)
def test_a_bad_line_says_why(row, reason):
    found = prices("q,m,1,2,,CNY,,,,chat", row)
    assert found.bad == [BadRow(3, reason)]
    assert {wanted.line for wanted in found.wanted} == {2}


def test_a_small_price_with_an_exponent_is_read_exactly():
    assert prices("p,m,2e-04,,,CNY,,,,chat").wanted[0].price_ticks == 2


def test_the_same_again_is_read_once_and_another_price_is_bad():
    found = prices("p,m,1,2,,CNY,,,,chat", "p,p/m,1,2,,CNY,,,,chat", "p,m,1,3,,CNY,,,,chat", "p,m,1,,,CNY,,,,chat")
    assert (len(found.wanted), found.repeated_count) == (2, 2)
    assert found.bad == [BadRow(4, "line 2 lists TA.P.M.OUT.NAT.E90.G0A at another price")]


def test_two_models_of_one_symbol_are_not_taken_for_one():
    found = prices("p,a.b,1,2,,CNY,,,,chat", "p,a-b,1,2,,CNY,,,,chat")
    assert found.bad == [BadRow(3, "line 2 lists TA.P.A-B.IN.NAT.E90.G0A for another")]


def test_a_dataset_has_a_licence_without_a_price():
    found = datasets("Big Corpus,2020-1,Acme,EN,c,CI,All,1 GB,,1000,,MIT", "X,2020-1,Acme,EN,c,CI,Partial,-,5,,,")
    assert found.bad == []
    assert [(row.symbol, row.issuer, row.price_ticks) for row in found.wanted] == [
        ("DL.BIG-CORPUS.PT.Y1S1", "Acme", 0),
        ("DL.X.PT.Y1S1", "Acme", 0),
    ]
    assert found.wanted[0].description == "Big Corpus by Acme, MIT"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2020-1,Acme,EN,c,CI,All,-,,,,-", "name is empty"),
        ("X,2020-1,,EN,c,CI,All,-,,,,-", "publisher is empty"),
        ("X,2020-1,Acme,EN,c,CI,Not,-,,,,-", "its availability is 'Not': All or Partial can be licensed"),
        ("X,2020-1,Acme,EN,c,CI,All,-,1.5,,,-", "tokens is not a whole number"),
        ("X,2020-1,Acme,EN,c,CI,All,-,,1 GB,,-", "bytes is not a whole number"),
    ],
)
def test_a_bad_dataset_says_why(row, reason):
    assert datasets(row).bad == [BadRow(2, reason)]


def test_long_names_are_cut_and_told_apart():
    names = [f"a rather long model name of version {number}" for number in range(2_000)]
    codes = {code(name) for name in names}
    assert len(codes) == len(names)
    assert {len(found) for found in codes} == {CODE_CHARACTERS_MAX}
    assert code("GPT 4.o") == "GPT-4-O"
    assert code("语言模型") == code("语言模型") != code("模型")


def test_other_files_are_refused():
    for text in ([], ["a,b\n", "1,2\n"], ["\n"]):
        with pytest.raises(FormatError, match="does not name the columns"):
            read(text, {})
    with pytest.raises(FormatError, match="line 1"):
        read([PRICES + "\n", "x" * 200_000], {})


@pytest.mark.real_data
def test_the_public_lists_are_read(data_dir):
    with (data_dir / "prices" / "llm_token_prices.csv").open(newline="", encoding="utf-8") as lines:
        found = read(lines, RATES, "2026-01-01")
    assert found.row_count == 6_397
    assert len(found.wanted) > 10_000
    assert sum("EUR" in row.reason for row in found.bad) == 14
    assert len({row.symbol for row in found.wanted}) == len(found.wanted)
    assert max(len(row.symbol) for row in found.wanted) <= 40
    assert all(0 < row.price_ticks <= PRICE_TICKS_MAX // 10 for row in found.wanted)
    with (data_dir / "datasets" / "datasets_pretraining.csv").open(newline="", encoding="utf-8") as lines:
        found = read(lines, RATES)
    assert (found.row_count, len(found.wanted), len(found.bad)) == (80, 73, 7)
