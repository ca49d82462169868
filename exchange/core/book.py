"""Limit order books of all instruments over shared pools.

A side of a book is a trie of pages: a page holds 64 levels under a bitmap, a page of pages holds 64 children, and a
trie grows only as high as its prices need, so an empty book holds no page at all. The best price and its page are
kept at hand. A level is a doubly linked queue of order slots, first in, first out.
"""

import numpy as np

from exchange.core.jit import Record, highest_bit, int64, kernel, lowest_bit, routine
from exchange.core.types import GENERATION_MAX, NIL, SLOT_BITS, WORK_MAX, SelfTradePrevention, Side

PAGES_PER_PRICE_MAX = 10  # a new price needs at most five pages above the old root, and five below the new one
_SLOT_MASK = (1 << SLOT_BITS) - 1
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ONE = np.uint64(1)


@kernel
def crosses(side: int, price: int, opposite_price: int) -> bool:
    """Tell whether an order of this side and limit meets a best opposite price (NIL: none)."""
    if opposite_price == NIL:
        return False
    if side == Side.BUY:
        return price >= opposite_price
    return price <= opposite_price


@kernel
def order_slot(state: Record, order_id: int) -> int:
    """Return the slot of an order that is on a book, NIL if the id is none."""
    slot = order_id & _SLOT_MASK
    if order_id <= 0 or slot == NIL or slot >= state.order_count:
        return NIL
    if state.details[slot].generation != order_id >> SLOT_BITS or state.orders[slot].node == NIL:
        return NIL
    return slot


@kernel
def order_id_of(state: Record, slot: int) -> int:
    """Return the id of the order in a slot."""
    return int64(state.details[slot].generation) << SLOT_BITS | int64(slot)


@kernel
def orders_free(state: Record) -> int:
    """Count the slots that an order may still take."""
    return len(state.orders) - state.order_count + state.free_order_count


@kernel
def nodes_free(state: Record) -> int:
    """Count the pages that prices may still take."""
    return len(state.nodes) - state.node_count + state.free_node_count


@kernel
def take_slot(state: Record) -> int:
    """Take the slot freed last, or the next unused one, and raise its generation."""
    slot = state.free_order
    if slot == NIL:
        slot = state.order_count
        state.order_count += 1
    else:
        state.free_order = state.orders[slot].next
        state.free_order_count -= 1
    state.details[slot].generation += 1
    return slot


@kernel
def free_slot(state: Record, slot: int) -> None:
    """Give a slot back, unless its generations are used up: an order id must never come twice."""
    state.orders[slot].node = NIL
    if state.details[slot].generation != GENERATION_MAX:
        state.orders[slot].next = state.free_order
        state.free_order = slot
        state.free_order_count += 1


@routine
def _take_node(state: Record, prefix: int, height: int) -> int:
    slot = state.free_node
    if slot == NIL:
        slot = state.node_count
        state.node_count += 1
    else:
        state.free_node = int64(state.nodes[slot].parent)
        state.free_node_count -= 1
    node = state.nodes[slot]
    node.prefix = prefix
    node.height = height
    node.parent = NIL
    return slot


@routine
def _adopt(state: Record, parent: int, child: int) -> None:
    index = int64(state.nodes[child].prefix) & 63
    state.nodes[parent].slots[index].head = child
    state.nodes[parent].mask |= _ONE << np.uint64(index)
    state.nodes[child].parent = parent


@routine
def _make_leaf(state: Record, side: Record, price: int) -> int:
    """Return the leaf of a price, growing the trie upwards and downwards as needed."""
    if side.root == NIL:
        side.root = _take_node(state, price >> 6, 0)
    root = int64(side.root)
    while price >> (6 * (int64(state.nodes[root].height) + 1)) != state.nodes[root].prefix:
        height = int64(state.nodes[root].height) + 1
        above = _take_node(state, int64(state.nodes[root].prefix) >> 6, height)
        _adopt(state, above, root)
        side.root = above
        root = above
    slot = root
    height = int64(state.nodes[root].height)
    while height > 0:
        index = (price >> (6 * height)) & 63
        height -= 1
        child = int64(state.nodes[slot].slots[index].head)
        if child == NIL:
            child = _take_node(state, price >> (6 * (height + 1)), height)
            _adopt(state, slot, child)
        slot = child
    return slot


@routine
def _free_nodes(state: Record, side: Record, leaf: int) -> None:
    """Give an empty leaf back, and every page above it that becomes empty by that."""
    slot = leaf
    while state.nodes[slot].mask == 0:
        node = state.nodes[slot]
        parent = int64(node.parent)
        index = int64(node.prefix) & 63
        node.parent = state.free_node
        state.free_node = slot
        state.free_node_count += 1
        if parent == NIL:
            side.root = NIL
            return
        state.nodes[parent].slots[index].head = NIL
        state.nodes[parent].mask &= ~(_ONE << np.uint64(index))
        slot = parent


@kernel
def _worse(mask: Record, index: int, side: int) -> Record:
    """Return the bits of a mask beyond an index, away from the best price."""
    if side == Side.SELL:
        return mask & (_ALL << np.uint64(index)) & ~(_ONE << np.uint64(index))
    return mask & ~(_ALL << np.uint64(index))


@kernel
def _best_bit(mask: Record, side: int) -> int:
    if side == Side.SELL:
        return lowest_bit(mask)
    return highest_bit(mask)


@routine
def next_level(state: Record, side: int, leaf: int, price: int) -> tuple[int, int]:
    """Return the leaf and the price of the next worse level, (NIL, NIL) when there is none.

    The level of `price` itself need not be there any more.
    """
    slot = leaf
    index = price & 63
    mask = _worse(state.nodes[slot].mask, index, side)
    while mask == 0:
        node = state.nodes[slot]
        slot = int64(node.parent)
        if slot == NIL:
            return NIL, NIL
        mask = _worse(state.nodes[slot].mask, int64(node.prefix) & 63, side)
    index = _best_bit(mask, side)
    while state.nodes[slot].height > 0:
        slot = int64(state.nodes[slot].slots[index].head)
        index = _best_bit(state.nodes[slot].mask, side)
    return slot, int64(state.nodes[slot].prefix) << 6 | index


@kernel
def _find_leaf(state: Record, side: Record, price: int) -> int:
    best = int64(side.best_node)
    if best != NIL and state.nodes[best].prefix == price >> 6:
        return best
    return _make_leaf(state, side, price)


@kernel
def rest(state: Record, slot: int) -> None:
    """Put an order at the end of its level; at least PAGES_PER_PRICE_MAX pages must be free."""
    order = state.orders[slot]
    side = state.instruments[state.details[slot].instrument].sides[order.side]
    price = int64(order.price_ticks)
    leaf = _find_leaf(state, side, price)
    node = state.nodes[leaf]
    level = node.slots[price & 63]
    order.node = leaf
    order.next = NIL
    order.prev = level.tail
    if level.tail == NIL:
        level.head = slot
        node.mask |= _ONE << np.uint64(price & 63)
        if side.best_price == NIL or (price < side.best_price) == (order.side == Side.SELL):
            side.best_price = price
            side.best_node = leaf
    else:
        state.orders[level.tail].next = slot
    level.tail = slot


@kernel
def unlink(state: Record, slot: int) -> None:
    """Take an order off its level; an emptied level leaves the trie, and a new best price is found."""
    order = state.orders[slot]
    leaf = int64(order.node)
    price = int64(order.price_ticks)
    level = state.nodes[leaf].slots[price & 63]
    if order.prev == NIL:
        level.head = order.next
    else:
        state.orders[order.prev].next = order.next
    if order.next == NIL:
        level.tail = order.prev
    else:
        state.orders[order.next].prev = order.prev
    order.node = NIL
    if level.head == NIL:
        side = state.instruments[state.details[slot].instrument].sides[order.side]
        _close_level(state, side, int64(order.side), leaf, price)


@kernel
def _close_level(state: Record, side: Record, which: int, leaf: int, price: int) -> None:
    node = state.nodes[leaf]
    node.mask &= ~(_ONE << np.uint64(price & 63))
    if side.best_price == price:
        worse = _worse(node.mask, price & 63, which)
        if worse != 0:
            side.best_price = int64(node.prefix) << 6 | _best_bit(worse, which)
        else:
            best_node, best_price = next_level(state, which, leaf, price)
            side.best_node = best_node
            side.best_price = best_price
    if node.mask == 0:
        _free_nodes(state, side, leaf)


@routine
def gather(
    state: Record,
    instrument: Record,
    side: int,
    price: int,
    wanted: int,
    group: int,
    prevention: int,
    stop_at_own: bool,
) -> tuple[int, int]:
    """Return (lots, price_ticks times lots) that an order would find on the opposite side, changing nothing.

    Visits at most WORK_MAX orders. Orders of the own group are passed over, or end the walk when `stop_at_own`,
    unless self-trade prevention is NONE.
    """
    found = 0
    cost_ticks = 0
    visited = 0
    opposite = instrument.sides[1 - side]
    leaf = int64(opposite.best_node)
    level_price = int64(opposite.best_price)
    while crosses(side, price, level_price) and found < wanted and visited < WORK_MAX:
        slot = int64(state.nodes[leaf].slots[level_price & 63].head)
        while slot != NIL and found < wanted and visited < WORK_MAX:
            order = state.orders[slot]
            visited += 1
            own = prevention != SelfTradePrevention.NONE and state.accounts[order.account].group == group
            if own and stop_at_own:
                return found, cost_ticks
            if not own:
                lots = min(wanted - found, order.leaves)
                found += lots
                cost_ticks += lots * level_price
            slot = int64(order.next)
        leaf, level_price = next_level(state, 1 - side, leaf, level_price)
    return found, cost_ticks
