"""Say what happened: add an event of a command, or its refusal."""

from exchange.core.jit import Record, kernel, routine
from exchange.core.types import EventKind


@kernel
def emit(command: Record, output: Record, kind: int) -> Record:
    """Add an event of a command, all other fields zero, and return it to be filled in."""
    event = output.rows[output.count]
    output.count += 1
    event.sequence = command.sequence
    event.time_ns = command.time_ns
    event.kind = kind
    event.side = event.reason = event.order_type = event.time_in_force = 0
    event.self_trade_prevention = event.flags = event.state = 0
    event.account = event.counter_account = event.instrument = event.asset = 0
    event.order_id = event.counter_order_id = event.trade_id = 0
    event.price_ticks = event.quantity_lots = event.leaves_lots = 0
    event.amount = event.fee = event.counter_fee = 0
    return event


@routine
def say(command: Record, output: Record, kind: int) -> Record:
    """Do what `emit` does, apart from the caller: for what seldom happens."""
    return emit(command, output, kind)


@routine
def reject(command: Record, output: Record, reason: int) -> None:
    """Refuse a command: one event that says why and repeats what was asked."""
    event = say(command, output, EventKind.COMMAND_REJECTED)
    event.reason = reason
    event.state = command.kind
    event.side = command.side
    event.order_type = command.order_type
    event.time_in_force = command.time_in_force
    event.self_trade_prevention = command.self_trade_prevention
    event.flags = command.flags
    event.account = command.account
    event.instrument = command.instrument
    event.asset = command.asset
    event.order_id = command.order_id
    event.price_ticks = command.price_ticks
    event.quantity_lots = command.quantity_lots
    event.amount = command.amount
