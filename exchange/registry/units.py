"""Numbers as people write them and as integers, exactly: no float anywhere, and a refusal says what is wrong.

A number is 1 to 20 digits, perhaps a point and 1 to 20 more: no sign, exponent, blank, NaN or infinity.
"""

import re
from enum import Enum

INT64_MAX = (1 << 63) - 1
DECIMALS_MAX = 18  # 10**18 is the last power of ten in an int64
_POWERS = tuple(10**decimals for decimals in range(DECIMALS_MAX + 1))
_match = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?").fullmatch


class NumberRefusal(Enum):
    """Why a text is not taken as a number; not an integer itself, so that it cannot be mistaken for one."""

    NOT_A_NUMBER = "not a decimal number"
    NEGATIVE = "negative"
    TOO_FINE = "finer than the smallest step"
    TOO_LARGE = "too large"


def parse_units(text: str, decimals: int) -> int | NumberRefusal:
    """Return text * 10**decimals as an int64, or why not; zeros behind the last decimal are no finer, so they pass."""
    match = _match(text)
    if match is None:
        return _refuse(text)
    whole, fraction = match.groups("")
    missing = decimals - len(fraction)
    if missing < 0:
        if fraction[decimals:].strip("0"):
            return NumberRefusal.TOO_FINE
        fraction, missing = fraction[:decimals], 0
    units = int(whole + fraction) * _POWERS[missing]
    return units if units <= INT64_MAX else NumberRefusal.TOO_LARGE


def parse_steps(text: str, step: int, decimals: int) -> int | NumberRefusal:
    """Return how many steps of step / 10**decimals a number is: ticks of a price, lots of a quantity; or why not."""
    units = parse_units(text, decimals)
    if isinstance(units, NumberRefusal) or step == 1:
        return units
    count, rest = divmod(units, step)
    return NumberRefusal.TOO_FINE if rest else count


def format_units(units: int, decimals: int) -> str:
    """Return units / 10**decimals with exactly that many decimals."""
    if units < 0:
        return "-" + format_units(-units, decimals)
    if not decimals:
        return str(units)
    digits = str(units).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def format_steps(count: int, step: int, decimals: int) -> str:
    """Return count steps of step / 10**decimals with exactly that many decimals."""
    return format_units(count * step, decimals)


def _refuse(text: str) -> NumberRefusal:
    is_negative = text.startswith("-") and _match(text[1:]) is not None
    return NumberRefusal.NEGATIVE if is_negative else NumberRefusal.NOT_A_NUMBER
