"""The pieces of a frame, for compiled code: numbers, strings, names of fields, lists of levels.

Each function is given where its piece begins and where the frame ends. It returns where the piece ends, or `FAILED` where
the piece is cut or has a form that only the plain reader understands: an exponent, an escape, white space, more digits than a
word holds, a fraction finer than the scale. So nothing is ever guessed, and nothing is read beyond the end of the frame.
"""

from arb.venues.books.compiled.layout import HASH_PRIME, HASH_SPREAD, HASH_START, LEVELS_MAX, NAME_MAX
from arb.venues.books.compiled.memory import (
    DIGITS_MAX,
    SHORT,
    SHORT_EXP_MAX,
    alike,
    byte_at,
    hot,
    inlined,
    leading_digits,
    power_of_ten,
    put_word,
    quote_in,
    shifted_down,
    short_decimal,
    two_at,
    word_at,
)

FAILED = 0
QUOTE, COMMA, COLON, DOT, MINUS, ZERO, NINE = 34, 44, 58, 46, 45, 48, 57
OPEN_LIST, CLOSE_LIST, OPEN, CLOSE, BACKSLASH = 91, 93, 123, 125, 92
LEVEL_OPENS = OPEN_LIST | QUOTE << 8
MILLIS_DIGITS = 13
BETWEEN = QUOTE | COMMA << 8
LEVEL_CLOSES = QUOTE | CLOSE_LIST << 8


def packed(name: str) -> int:
    """Return the word of a field's name of at most eight characters, or of `prevSeqId`."""
    if name == "prevSeqId":
        return -1
    return int.from_bytes(name.encode(), "little")


@inlined
def digits(at: int, end: int):
    """Read at most sixteen digits: where they end, their value, how many; 99 where there are more."""
    if end - at >= 16:
        first = leading_digits(word_at(at))
        count = first & 15
        if count < 8:
            return at + count, first >> 4, count
        second = leading_digits(word_at(at + 8))
        more = second & 15
        if more == 8:
            return at, 0, 99
        return at + 8 + more, (first >> 4) * power_of_ten(more) + (second >> 4), 8 + more
    value, count = 0, 0
    while at < end and count < 16:
        digit = byte_at(at) - ZERO
        if digit < 0 or digit > 9:
            return at, value, count
        value = value * 10 + digit
        at, count = at + 1, count + 1
    return (at, value, count) if count < 16 else (at, 0, 99)


@inlined
def decimal(at: int, end: int, exp: int):
    """Read digits, perhaps a point and more: where they end and the value times 10**exp, if that is whole."""
    at, value, count = digits(at, end)
    if count == 0 or count + exp > DIGITS_MAX:
        return FAILED, 0
    value *= power_of_ten(exp)
    if at < end and byte_at(at) == DOT:
        at, fraction, places = digits(at + 1, end)
        if places == 0 or places > 16:
            return FAILED, 0
        if places <= exp:
            value += fraction * power_of_ten(exp - places)
        else:
            unit = power_of_ten(places - exp)
            whole = fraction // unit
            if whole * unit != fraction:
                return FAILED, 0
            value += whole
    return at, value


@hot
def quoted_decimal(at: int, end: int, exp: int):
    """Read a number as `decimal` does, which a quotation mark follows: where that is, and the value."""
    if end - at >= 9 and exp <= SHORT_EXP_MAX:
        word = word_at(at)
        size = quote_in(word)
        if size < SHORT or byte_at(at + SHORT) == QUOTE:
            value = short_decimal(word, size, exp)
            if value >= 0:
                return at + size, value
    at, value = decimal(at, end, exp)
    if at == FAILED or at >= end or byte_at(at) != QUOTE:
        return FAILED, 0
    return at, value


@inlined
def integer(at: int, end: int):
    """Read a number of JSON that is whole and not negative: where it ends and its value."""
    began = at
    at, value, count = digits(at, end)
    if count == 0 or count > 16 or at >= end:
        return FAILED, 0
    if count > 1 and byte_at(began) == ZERO:
        return FAILED, 0
    return at, value


@inlined
def long_integer(at: int, end: int):
    """Read a whole number as `integer` does, of at most eighteen digits."""
    began, value, count = at, 0, 0
    while at < end and count <= DIGITS_MAX:
        digit = byte_at(at) - ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at, count = at + 1, count + 1
    if count == 0 or count > DIGITS_MAX or at >= end or (count > 1 and byte_at(began) == ZERO):
        return FAILED, 0
    return at, value


@inlined
def sequence_number(at: int, end: int):
    """Read an id: where it ends and its value."""
    after, value = integer(at, end)
    if after:
        return after, value
    return long_integer(at, end)


@inlined
def millis(at: int, end: int):
    """Read an instant in milliseconds, at most 13 digits between marks or a whole number: where it ends, and its value."""
    if at >= end:
        return FAILED, 0
    if byte_at(at) != QUOTE:
        return integer(at, end)
    at, value, count = digits(at + 1, end)
    if count == 0 or count > MILLIS_DIGITS or at >= end or byte_at(at) != QUOTE:
        return FAILED, 0
    return at + 1, value


@inlined
def field(at: int, end: int):
    """Read the name of a field and its colon: where the value begins, and the name as `packed`."""
    if at >= end or byte_at(at) != QUOTE:
        return FAILED, 0
    at += 1
    if end - at >= 12:
        word = word_at(at)
        size = quote_in(word)
        if size == 0:
            return FAILED, 0
        if size < 8:
            word &= (1 << (8 * size)) - 1
        elif byte_at(at + 8) != QUOTE:
            if word != PREV_SEQ_I or byte_at(at + 8) != LOWER_D or byte_at(at + 9) != QUOTE:
                return FAILED, 0
            word, size = -1, 9
        at += size + 1
    else:
        word, size = 0, 0
        while at < end and byte_at(at) != QUOTE:
            if size == 8:
                return FAILED, 0
            word |= byte_at(at) << (8 * size)
            at, size = at + 1, size + 1
        at += 1
    if at >= end or byte_at(at) != COLON:
        return FAILED, 0
    return at + 1, word


PREV_SEQ_I = packed("prevSeqI")
LOWER_D = ord("d")
EACH_BYTE = 0x0101010101010101


@inlined
def name(at: int, end: int, mark: int):
    """Read the name of a book up to a mark: where it ends (after that), where it begins, and its hash as `layout.hashed`.

    Its characters are those of a book that is known, or it is looked up in vain.
    """
    if at >= end or byte_at(at) != QUOTE:
        return FAILED, 0, 0
    at, mixed = at + 1, HASH_START
    began, turned = at, (mark ^ QUOTE) * EACH_BYTE
    while end - at >= 8 and at - began <= NAME_MAX:
        word = word_at(at)
        size = quote_in(word ^ turned)
        if size < 8:
            mixed = (mixed ^ (word & ((1 << (8 * size)) - 1))) * HASH_PRIME
            return at + size + 1, began, (mixed ^ shifted_down(mixed, 32)) * HASH_SPREAD
        mixed = (mixed ^ word) * HASH_PRIME
        at += 8
    return FAILED, 0, 0


@inlined
def text(at: int, end: int):
    """Read a short string of plain ASCII: where it ends, after its mark."""
    if at >= end or byte_at(at) != QUOTE:
        return FAILED
    began = at
    at += 1
    while at < end and at - began <= NAME_MAX:
        letter = byte_at(at)
        if letter == QUOTE:
            return at + 1
        if letter < 32 or letter > 126 or letter == BACKSLASH:
            return FAILED
        at += 1
    return FAILED


BETWEEN_NUMBERS = packed('","')
NEXT_LEVEL, LIST_ENDS = packed('"],["'), packed('"]]')
LEVEL_READ = 32
"""Characters that must follow where price and size of at most eight each are read at once, with the next text."""


@hot
def point_of(at: int, size: int):
    """Return the place of the point in a number of `size` characters, `size` where it has none."""
    place = 0
    while place < size and byte_at(at + place) != DOT:
        place += 1
    return place


@inlined
def levels(at: int, end: int, price_exp: int, size_exp: int, target: int, more: bool):
    """Read a list of levels into `target`, price and size in turn: where it ends, and how many.

    A size may be 0, a price may not. `more`: a level may have more strings.
    """
    if end - at < 2 or byte_at(at) != OPEN_LIST:
        return FAILED, 0
    at += 1
    if byte_at(at) == CLOSE_LIST:
        return at + 1, 0
    count = 0
    # Prices of a list are mostly written alike: as long, and with the point in the same place.
    long, low, top, point, unit = 0, 0, 0, 0, 0
    while count < LEVELS_MAX:
        if end - at < 2 or two_at(at) != LEVEL_OPENS:
            return FAILED, 0
        at += 2
        price = -1
        while long and end - at > LEVEL_READ and word_at(at + long) & 0xFFFFFF == BETWEEN_NUMBERS:
            word = word_at(at)
            if word & (point * 255) != point * DOT:
                break
            price = alike(word, low, top)
            if price <= 0:
                break
            # So is the size mostly short, and the next level follows.
            word = word_at(at + long + 3)
            width = quote_in(word)
            beyond = at + long + 3 + width
            size = short_decimal(word, width, size_exp)
            closing = word_at(beyond)
            if size < 0 or count == LEVELS_MAX - 1:
                break
            put_word(target + 16 * count, price * unit)
            put_word(target + 16 * count + 8, size)
            if closing & 0xFFFFFFFFFF != NEXT_LEVEL:
                if closing & 0xFFFFFF == LIST_ENDS:
                    return beyond + 3, count + 1
                break
            at, price, count = beyond + 5, -1, count + 1
        if price > 0:
            at, price = at + long + 3, price * unit
        else:
            began = at
            at, price = quoted_decimal(at, end, price_exp)
            if at == FAILED or price == 0 or end - at < 3 or two_at(at) != BETWEEN or byte_at(at + 2) != QUOTE:
                return FAILED, 0
            long = at - began if at - began <= 8 and max(price_exp, size_exp) <= SHORT_EXP_MAX else 0
            place = point_of(began, long)
            pointed = place < long
            places = long - 1 - place if pointed else 0
            if places > price_exp:
                long = 0
            else:
                point, low = (1 << 8 * place, (1 << 8 * place) - 1) if pointed else (0, -1)
                top = 64 - 8 * (long - int(pointed))
                unit = power_of_ten(price_exp - places)
            at += 3
        at, size = quoted_decimal(at, end, size_exp)
        if at == FAILED or end - at < 3:
            return FAILED, 0
        if more:
            while two_at(at) == BETWEEN and byte_at(at + 2) == QUOTE:
                at, _, places = digits(at + 3, end)
                if places > 16 or end - at < 3:
                    return FAILED, 0
        if two_at(at) != LEVEL_CLOSES:
            return FAILED, 0
        put_word(target + 16 * count, price)
        put_word(target + 16 * count + 8, size)
        count += 1
        last = byte_at(at + 2)
        at += 3
        if last == CLOSE_LIST:
            return at, count
        if last != COMMA:
            return FAILED, 0
    return FAILED, 0


@inlined
def past_levels(at: int, end: int):
    """Return where a list of levels seems to end, to be read when its scale is known."""
    if end - at < 2 or byte_at(at) != OPEN_LIST:
        return FAILED
    if byte_at(at + 1) == CLOSE_LIST:
        return at + 2
    while end - at >= 2:
        if two_at(at) == CLOSE_LIST | CLOSE_LIST << 8:
            return at + 2
        at += 1
    return FAILED
