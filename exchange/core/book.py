"""Limit order books of all instruments over shared pools.

A queue of a book is a trie of pages: a page holds 64 levels under a bitmap, a page of pages holds 64 children, and a
trie grows only as high as its prices need, so an empty book holds no page at all. The best price and its page are kept
at hand. A level is a list of order slots, first in, first out; its first order knows its last. A book has four queues:
buys and sells, and in the opposite sense of price the stops that sleep.
"""

import numpy as np

from exchange.core.jit import Record, highest_bit, int64, kernel, lowest_bit, routine, scatter
from exchange.core.state import LEAF_BITS
from exchange.core.types import GENERATION_MAX, NIL, SLOT_BITS, OrderFlag, Side

PAGES_PER_PRICE_MAX = 10  # a new price needs at most five pages above the old root, and five below the new one
UNPRICED_BUY_TICKS = (1 << 31) + 1  # where market orders wait for an auction: better than any price
UNPRICED_SELL_TICKS = 0
SLOT_MASK = (1 << SLOT_BITS) - 1
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ONE = np.uint64(1)


@kernel
def crosses(side: int, price: int, opposite_price: int) -> bool:
    """Tell whether an order of this side and limit meets a best opposite price (NIL: none)."""
    if opposite_price == NIL:
        return False
    return (price - opposite_price) * (1 - 2 * side) >= 0  # no branch: which side comes next nobody can foretell


@kernel
def queue_of(order: Record) -> int:
    """Return which queue an order stands in: its side, or 3 less its side while it sleeps.

    Even queues have their highest price first, odd ones the lowest.
    """
    if order.flags & OrderFlag.SLEEPING:
        return 3 ^ int64(order.side)  # not 3 -: this way the compiler knows that it is no negative index
    return int64(order.side)


@kernel
def order_slot(state: Record, order_id: int) -> int:
    """Return the slot of an order that is on a book, NIL if the id is none."""
    slot = order_id & SLOT_MASK
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
    return len(state.orders) - int64(state.order_count) + int64(state.free_order_count)


@kernel
def nodes_free(state: Record) -> int:
    """Count the pages that prices may still take."""
    return len(state.nodes) - int64(state.node_count) + int64(state.free_node_count)


@routine
def is_empty(instrument: Record) -> bool:
    """Tell whether an instrument has no open order, awake or asleep."""
    queues = instrument.queues
    return (queues[0].best_node | queues[1].best_node | queues[2].best_node | queues[3].best_node) == NIL


@routine
def is_crossed(instrument: Record) -> bool:
    """Tell whether the best bid reaches the best ask; orders without a price reach everything."""
    bids, asks = instrument.queues[Side.BUY], instrument.queues[Side.SELL]
    return bids.best_node != NIL and asks.best_node != NIL and bids.best_price >= asks.best_price


@kernel
def take_slot(state: Record) -> int:
    """Take the slot freed last, or the next unused one, and raise its generation."""
    slot = int64(state.free_order)
    if slot == NIL:
        slot = int64(state.order_count)
        state.order_count += 1
    else:
        state.free_order = int64(state.orders[slot].next)
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
    slot = int64(state.free_node)
    if slot == NIL:
        slot = int64(state.node_count)
        state.node_count += 1
    else:
        state.free_node = int64(state.nodes[slot].parent)
        state.free_node_count -= 1
    node = state.nodes[slot]
    node.prefix = prefix
    node.height = height
    node.queue = NIL
    node.parent = NIL
    return slot


@routine
def _adopt(state: Record, parent: int, child: int) -> None:
    index = int64(state.nodes[child].prefix) & 63
    state.nodes[parent].heads[index] = child
    state.nodes[parent].mask |= _ONE << np.uint64(index)
    state.nodes[child].parent = parent


@routine
def _make_leaf(state: Record, queue: Record, price: int) -> int:
    """Return the leaf of a price, growing the trie upwards and downwards as needed."""
    if queue.root == NIL:
        queue.root = _take_node(state, price >> 6, 0)
    root = int64(queue.root)
    while price >> (6 * (int64(state.nodes[root].height) + 1)) != state.nodes[root].prefix:
        height = int64(state.nodes[root].height) + 1
        above = _take_node(state, int64(state.nodes[root].prefix) >> 6, height)
        _adopt(state, above, root)
        queue.root = above
        root = above
    slot = root
    height = int64(state.nodes[root].height)
    while height > 0:
        index = (price >> (6 * height)) & 63
        height -= 1
        child = int64(state.nodes[slot].heads[index])
        if child == NIL:
            child = _take_node(state, price >> (6 * (height + 1)), height)
            _adopt(state, slot, child)
        slot = child
    return slot


@routine
def _free_nodes(state: Record, queue: Record, leaf: int) -> None:
    """Give an empty leaf back, and every page above it that becomes empty by that."""
    slot = leaf
    while state.nodes[slot].mask == 0:
        node = state.nodes[slot]
        parent = int64(node.parent)
        index = int64(node.prefix) & 63
        node.parent = state.free_node
        node.queue = NIL
        state.free_node = slot
        state.free_node_count += 1
        if parent == NIL:
            queue.root = NIL
            return
        state.nodes[parent].heads[index] = NIL
        state.nodes[parent].mask &= ~(_ONE << np.uint64(index))
        slot = parent


@kernel
def _worse(mask: Record, index: int, order: int) -> Record:
    """Return the bits of a mask beyond an index, away from the best price."""
    if order & 1:
        return mask & (_ALL << np.uint64(index)) & ~(_ONE << np.uint64(index))
    return mask & ~(_ALL << np.uint64(index))


@kernel
def _best_bit(mask: Record, order: int) -> int:
    if order & 1:
        return lowest_bit(mask)
    return highest_bit(mask)


@routine
def _descend(state: Record, node: int, order: int) -> tuple[int, int]:
    """Return leaf and price of the first level below a page."""
    slot = node
    index = _best_bit(state.nodes[slot].mask, order)
    while state.nodes[slot].height > 0:
        slot = int64(state.nodes[slot].heads[index])
        index = _best_bit(state.nodes[slot].mask, order)
    return slot, int64(state.nodes[slot].prefix) << 6 | index


@routine
def next_level(state: Record, order: int, leaf: int, price: int) -> tuple[int, int]:
    """Return leaf and price of the level after `price`, (NIL, NIL) when there is none.

    An odd `order` goes to higher prices, an even one to lower. The level of `price` need not be there any more.
    """
    slot = leaf
    mask = _worse(state.nodes[slot].mask, price & 63, order)
    while mask == 0:
        node = state.nodes[slot]
        slot = int64(node.parent)
        if slot == NIL:
            return NIL, NIL
        mask = _worse(state.nodes[slot].mask, int64(node.prefix) & 63, order)
    index = _best_bit(mask, order)
    if state.nodes[slot].height == 0:
        return slot, int64(state.nodes[slot].prefix) << 6 | index
    return _descend(state, int64(state.nodes[slot].heads[index]), order)


@routine
def first_level(state: Record, queue: Record, order: int) -> tuple[int, int]:
    """Return leaf and price of a queue's first level in an order of prices, (NIL, NIL) when it is empty."""
    if queue.root == NIL:
        return NIL, NIL
    return _descend(state, int64(queue.root), order)


@kernel
def head_of(state: Record, leaf: int, price: int) -> int:
    """Return the first order of a level."""
    return int64(state.nodes[leaf].heads[price & 63])


@kernel
def _find_leaf(state: Record, queue: Record, key: int, price: int) -> int:
    """Return the leaf of a price: the one that was found for it before, or by descending from the root.

    `key` tells the queue from all others. What was found is checked, not kept up: leaves come and go.
    """
    prefix = price >> 6
    place = scatter(key << 32 | prefix, LEAF_BITS)
    leaf = int64(state.leaves[place])
    if state.nodes[leaf].queue != key or state.nodes[leaf].prefix != prefix:
        leaf = _make_leaf(state, queue, price)
        state.nodes[leaf].queue = key
        state.leaves[place] = leaf
    return leaf


@kernel
def put(state: Record, slot: int) -> None:
    """Put an order at the end of its level; at least PAGES_PER_PRICE_MAX pages must be free."""
    order = state.orders[slot]
    which = queue_of(order)
    index = int64(state.details[slot].instrument)
    queue = state.instruments[index].queues[which]
    price = int64(order.price_ticks)
    leaf = _find_leaf(state, queue, index << 2 | which, price)
    node = state.nodes[leaf]
    head = int64(node.heads[price & 63])
    tail = int64(state.orders[head].prev) if head != NIL else NIL
    order.node = leaf
    order.next = NIL
    order.prev = tail if head != NIL else slot
    state.orders[tail].next = slot  # row NIL takes what is for no order: whether a level is new nobody can foretell
    state.orders[head].prev = slot
    node.heads[price & 63] = head if head != NIL else slot
    node.mask |= _ONE << np.uint64(price & 63)
    best = queue.best_node == NIL or (price < queue.best_price) == (which & 1 == 1)
    queue.best_price = price if best else int64(queue.best_price)
    queue.best_node = leaf if best else int64(queue.best_node)


@kernel
def unlink(state: Record, slot: int) -> None:
    """Take an order off its level; an emptied level leaves the trie, and a new best price is found."""
    order = state.orders[slot]
    leaf = int64(order.node)
    price = int64(order.price_ticks)
    node = state.nodes[leaf]
    head = int64(node.heads[price & 63])
    before, following = int64(order.prev), int64(order.next)
    order.node = NIL
    state.orders[before if head != slot else NIL].next = following  # see put: row NIL
    state.orders[following if following != NIL else head].prev = before
    node.heads[price & 63] = head if head != slot else following
    if head == slot and following == NIL:
        which = queue_of(order)
        queue = state.instruments[state.details[slot].instrument].queues[which]
        _close_level(state, queue, which, leaf, price)


@kernel
def _close_level(state: Record, queue: Record, which: int, leaf: int, price: int) -> None:
    node = state.nodes[leaf]
    node.mask &= ~(_ONE << np.uint64(price & 63))
    if queue.best_price == price:
        worse = _worse(node.mask, price & 63, which)
        if worse != 0:
            queue.best_price = int64(node.prefix) << 6 | _best_bit(worse, which)
        else:
            best_node, best_price = next_level(state, which, leaf, price)
            queue.best_node = best_node
            queue.best_price = best_price
    if node.mask == 0:
        _free_nodes(state, queue, leaf)
