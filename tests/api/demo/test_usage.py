"""Traces of metered use: read, refused with a line number, generated the same every time, and batched."""

import pytest

from api.demo.usage import Request, TraceError, batches, generate, read_trace

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def test_a_trace_is_read_in_order(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(HEADER + "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n")
    assert read_trace(path) == [Request(374, 44), Request(396, 109)]


@pytest.mark.real_data
def test_the_production_trace_has_the_published_totals(data_dir):
    requests = read_trace(data_dir / "usage" / "azure_conv.csv")
    assert len(requests) == 19_366
    assert (sum(r.tokens_in for r in requests), sum(r.tokens_out for r in requests)) == (22_361_870, 4_088_665)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "first line must name"),
        (HEADER + "x,12,\n", "line 2"),
        (HEADER + "x,12,3\nx,-4,5\n", "line 3"),
        (HEADER + "x,1.5,3\n", "line 2"),
        (HEADER, "no requests"),
        ("", "first line must name"),
    ],
)
def test_a_bad_trace_is_refused_with_its_place(tmp_path, text, words):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=words):
        read_trace(path)


def test_generated_requests_are_the_same_every_time_and_long_tailed():
    requests = generate(5_000)
    assert requests == generate(5_000)
    tokens = sorted(request.tokens_in for request in requests)
    assert min(tokens) >= 1
    assert tokens[len(tokens) * 99 // 100] > 5 * tokens[len(tokens) // 2]


def test_batches_hold_every_record_and_repeat_each_hundredth():
    requests = generate(1_000)
    sent = list(batches(requests, 64))
    names = [name for batch in sent for name, _ in batch]
    assert max(len(batch) for batch in sent) == 64
    assert len(names) == 1_010
    assert len(set(names)) == 1_000
    assert [request for batch in sent for name, request in batch if name == "usage-99"] == [requests[99]] * 2
