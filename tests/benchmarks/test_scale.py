"""The benchmark of size: every part runs, checks what it did, and tells it in a table."""

import pytest

from benchmarks import scale

SMALL = [
    "--commands",
    "2000",
    "--instruments",
    "300",
    "--orders",
    "2000",
    "--auctions",
    "20",
    "--batch",
    "50",
    "--runs",
    "1",
]

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels


@pytest.mark.parametrize("part", [name for name in scale.PARTS if name != "start"])
def test_a_part_tells_what_it_measured(part, capsys):
    scale.main([*SMALL, "--part", part])
    rows = scale.PARTS[part](scale.parse(SMALL))
    assert rows
    assert all(row.figure for row in rows)
    assert rows[0].what.split()[0] in capsys.readouterr().out


def test_a_refused_command_is_noticed():
    engine = scale.Engine()
    with pytest.raises(AssertionError, match="refused"):
        scale.must(engine, scale.orders(1, scale.CommandKind.NONE))


def test_sizes_grow_a_hundredfold_up_to_the_last():
    assert scale.sizes(1) == [1]
    assert scale.sizes(100_000) == [1, 100, 10_000, 100_000]
    assert scale.sizes(4_000_000, 1_000) == [1_000, 100_000, 4_000_000]
