"""What is read of the order histories: one order by its id or name, and lists of rows, chosen where they stand."""

from exchange.marketdata.folds.compiled import Record, entry, int64, kernel, record_at
from exchange.marketdata.folds.ordertables import (
    CHOICE,
    NAMED,
    ORDER,
    STATE,
    account_row,
    fill_row,
    id_list,
    is_same_name,
    link_at,
    name_list,
    order_row,
)


@entry
def find_order(state_at: int, order_id: int) -> int:
    """Return the row of an order, 0 if it is not known."""
    state = record_at(state_at, STATE)
    row = int64(id_list(state, order_id).value)
    while row != 0 and order_row(state, row).order_id != order_id:
        row = int64(order_row(state, row).same_id)
    return row


@entry
def find_name(state_at: int, wanted_at: int) -> int:
    """Return the row of the order that has the account and name of an ORDER, 0 if there is none."""
    state, wanted = record_at(state_at, STATE), record_at(wanted_at, ORDER)
    row = int64(name_list(state, wanted).value)
    while row != 0 and not is_same_name(order_row(state, row), wanted):
        row = int64(order_row(state, row).same_name)
    return row


@entry
def list_orders(state_at: int, choice_at: int, found_at: int) -> int:
    """Write the rows of the chosen orders, the nearest to where the choice begins first; return how many."""
    state, choice = record_at(state_at, STATE), record_at(choice_at, CHOICE)
    account, row, count = account_row(state, choice.account), int64(choice.begin), 0
    if row == 0:
        row = _begin(account, choice)
    while row != 0 and count < choice.limit:
        order = order_row(state, row)
        fits = choice.instrument == 0 or choice.instrument == order.instrument
        if fits and choice.first_ns <= order.time_ns and order.time_ns <= choice.last_ns:
            link_at(found_at, count).value = row
            count += 1
        if choice.is_open != 0:
            row = int64(order.behind)
        elif choice.is_forward != 0:
            row = int64(order.later)
        else:
            row = int64(order.earlier)
    return count


@kernel
def _begin(account: Record, choice: Record) -> int:
    if choice.is_open != 0:
        return int64(account.first_open)
    return int64(account.first) if choice.is_forward != 0 else int64(account.last)


@entry
def list_fills(state_at: int, choice_at: int, found_at: int) -> int:
    """Write the rows of the chosen fills, over those before them where there are more; return how many there are."""
    state, choice = record_at(state_at, STATE), record_at(choice_at, CHOICE)
    account, count = account_row(state, choice.account), 0
    row, left = int64(account.first_fill), int64(account.fill_count)
    while left > 0 and not (choice.is_forward != 0 and count >= choice.limit):
        fill = fill_row(state, row)
        fits = choice.instrument == 0 or choice.instrument == fill.instrument
        fits = fits and (choice.order_id < 0 or choice.order_id == fill.order_id) and fill.trade_id >= choice.from_id
        if fits and choice.first_ns <= fill.time_ns and fill.time_ns <= choice.last_ns:
            link_at(found_at, count % int64(choice.limit)).value = row
            count += 1
        row, left = int64(fill.next_of_account), left - 1
    return count


@entry
def list_order_fills(state_at: int, order: int, found_at: int) -> int:
    """Write the rows of the fills that are kept with an order; return how many."""
    state = record_at(state_at, STATE)
    row, count = int64(order_row(state, order).first_fill), int64(order_row(state, order).fill_count)
    for index in range(count):
        link_at(found_at, index).value = row
        row = int64(fill_row(state, row).next_of_order)
    return count


@entry
def spread(state_at: int, account_count: int) -> None:
    """Put every order into the lists of new tables, which the state names already."""
    state = record_at(state_at, STATE)
    for number in range(account_count):
        row = int64(account_row(state, number).first)
        while row != 0:
            order = order_row(state, row)
            found = id_list(state, order.order_id)
            order.same_id, found.value = found.value, row
            if order.named == NAMED:
                found = name_list(state, order)
                order.same_name, found.value = found.value, row
            row = int64(order.later)
