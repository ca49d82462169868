"""One command at a time, by the light way: the same as by the other, and what goes wrong is heard of."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.state import TEST
from exchange.core.types import Side
from tests.exchange.core.builders import ALICE, BOB, PLAIN, Market
from tests.exchange.core.test_engine import stream

BYTES = COMMAND.itemsize


class Named(bytes):
    """Bytes of another type, with something of their own."""

    name = "a command"


def test_commands_one_by_one_cause_what_they_cause_together():
    script = stream()
    whole, single = Engine(TEST), Engine(TEST)
    expected = whole.apply(script).tobytes()
    encoded = script.tobytes()
    kept = [single.apply_bytes(encoded[first : first + BYTES]) for first in range(0, len(encoded), BYTES)]
    assert {type(events) for events in kept} == {bytes}
    assert b"".join(kept) == expected
    assert (single.digest(), single.event_count) == (whole.digest(), whole.event_count)


@pytest.mark.parametrize("shape", [bytes, bytearray, memoryview, Named, lambda data: memoryview(bytearray(data))])
@pytest.mark.parametrize("count", [0, 1, 2, 65])
def test_any_bytes_will_do_in_any_number(shape, count):
    encoded = stream()[:count].tobytes()
    assert bytes(Engine(TEST).apply_bytes(shape(encoded))) == Engine(TEST).apply(stream()[:count]).tobytes()


def test_what_the_kernel_raises_is_raised():
    market = Market(Engine(TEST))
    market.sell(ALICE, 5, 30)
    state = market.engine._states[0]
    state["instruments"]["fee_balance"][PLAIN] = next(
        slot for slot in range(1, int(state["balance_count"])) if state["balances"]["account"][slot] == BOB
    )
    with pytest.raises(AssertionError):
        market.engine.apply_bytes(commands.new_order(BOB, PLAIN, Side.BUY, 30, 5))


def test_an_engine_applies_to_its_own_state_and_goes_on_after_a_restart():
    first, second = Market(Engine(TEST)), Market(Engine(TEST))
    order = np.frombuffer(commands.new_order(BOB, PLAIN, Side.BUY, 30, 5), COMMAND).tobytes()
    first.engine.apply_bytes(order)
    assert len(first.engine.open_order_rows()) == 1
    assert len(second.engine.open_order_rows()) == 0
    twin = Engine.restore(first.engine.snapshot())
    assert twin.apply_bytes(order) == first.engine.apply_bytes(order)
    assert len(twin.open_order_rows()) == 2
    assert twin.digest() == first.engine.digest()
