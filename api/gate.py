"""The gate of registered datasets' licences, as every door asks it before an order is sent."""

from api.errors import NO_RESALE, NOT_CLEARED, RequestError
from exchange.core.types import Side
from exchange.registry.entries import Instrument
from exchange.registry.gates import GateRefusal, refuse_order
from exchange.registry.registry import Registry


def check_gate(registry: Registry, account: int, side: Side, instrument: Instrument) -> None:
    """Refuse an order on a registered dataset's licence that its terms do not allow; BOTH is a quote."""
    gate = registry.gates.get(instrument.index)
    if gate is None:
        return
    for is_buy in (True, False) if side == Side.BOTH else (side == Side.BUY,):
        refusal = refuse_order(gate, account, is_buy=is_buy)
        if refusal is not None:
            raise RequestError(NOT_CLEARED if refusal is GateRefusal.NOT_CLEARED else NO_RESALE)
