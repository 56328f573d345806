"""Columns of text: one pass over the bytes for each column, a hash table for its distinct texts."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.fields import LONGEST, Names
from negatives.kernels.jit.compile import array, inner_kernel
from negatives.kernels.jit.prefetch import fetch_byte, fetch_cell

_FEED, _RETURN, _BLANK, _TAB, _MINUS, _ZERO = 10, 13, 32, 9, 45, 48
_DIGITS = 18
_BASIS, _PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)
_SHIFT, _TAG, _PLACE = np.uint64(29), np.uint64(41), np.int64(40)
_OFFSET = np.int64((1 << 40) - 1)
_AHEAD = 16
"""Texts whose slots are fetched before the first of them is looked up."""
BEGIN, FIELD, ROW, COUNT, USED, FULL = range(6)
"""Places of the state in which a pass stops and goes on."""
LOW, HIGH, AT, FROM = range(4)
"""What is known of a text that waits: its ends, its row, and where its cell begins."""


@inner_kernel
def _whole(raw, separator, width, place, out):
    """Rows that were read; -1 where a cell is no plain number or a line is of another width."""
    field, begin, row = 0, 0, 0
    for p in range(raw.size):
        c = raw[p]
        if c != separator and c != _FEED:
            continue
        if field == place:
            end = p
            if c == _FEED and end > begin and raw[end - 1] == _RETURN:
                end -= 1
            at = begin
            negative = at < end and raw[at] == _MINUS
            if negative:
                at += 1
            if end - at < 1 or end - at > _DIGITS or (raw[at] == _ZERO and (end - at > 1 or negative)):
                return -1
            value = np.int64(0)
            for q in range(at, end):
                digit = np.int64(raw[q]) - _ZERO
                if digit < 0 or digit > 9:
                    return -1
                value = value * 10 + digit
            out[row] = -value if negative else value
        begin = p + 1
        if c == _FEED:
            if field != width - 1:
                return -1
            field = 0
            row += 1
        else:
            field += 1
    return row


@inner_kernel
def _short(raw, low, high):
    """A text of few bytes in lower case as one number."""
    found = np.int64(0)
    for q in range(low, high):
        letter = np.int64(raw[q])
        if 65 <= letter <= 90:
            letter += 32
        found |= letter << (8 * (q - low))
    return found


@inner_kernel
def _hash(raw, low, high):
    """FNV-1a over bytes."""
    found = _BASIS
    for q in range(low, high):
        found = (found ^ np.uint64(raw[q])) * _PRIME
    return found ^ (found >> _SHIFT)


@inner_kernel
def _same(arena, offset, raw, low, high):
    """Whether a text of the arena is the one in ``raw``."""
    for q in range(high - low):
        if arena[offset + q] != raw[low + q]:
            return False
    return arena[offset + high - low] == _FEED


@inner_kernel
def _found(raw, low, high, hashed, slots, arena, state):
    """The code of a text, new or known; -2 where a table is full.

    A slot holds a part of the hash and the place of the text, plus one, in one number, and beside it the code.
    """
    mask, tag = np.uint64(slots.shape[0] - 1), np.int64(hashed >> _TAG)
    at = hashed & mask
    while slots[at, 0]:
        if slots[at, 0] >> _PLACE == tag and _same(arena, (slots[at, 0] & _OFFSET) - 1, raw, low, high):
            return np.int32(slots[at, 1])
        at = (at + np.uint64(1)) & mask
    count, used = state[COUNT], state[USED]
    if 2 * (count + 1) > slots.shape[0] or used + high - low + 1 > arena.size:
        return np.int32(-2)
    slots[at, 0] = tag << _PLACE | (used + 1)
    slots[at, 1] = count
    for q in range(high - low):
        arena[used + q] = raw[low + q]
    arena[used + high - low] = _FEED
    state[COUNT], state[USED] = count + 1, used + high - low + 1
    return np.int32(count)


@inner_kernel
def _settle(raw, waiting, hashes, n, slots, arena, codes, state):
    """Codes of the texts that wait, their slots and texts fetched ahead; how many were given one."""
    mask = np.uint64(slots.shape[0] - 1)
    for i in range(n):
        entry = slots[hashes[i] & mask, 0]
        if entry:
            fetch_byte(arena, (entry & _OFFSET) - 1)
    for i in range(n):
        code = _found(raw, waiting[i, LOW], waiting[i, HIGH], hashes[i], slots, arena, state)
        if code == -2:
            return i
        codes[waiting[i, AT]] = code
    return n


@inner_kernel
def _coded(raw, separator, width, place, missing, slots, arena, codes, state, waiting, hashes):
    """Goes on where ``state`` says, until the end or until a table is full; False where a line is of another width."""
    begin, field, row = state[BEGIN], state[FIELD], state[ROW]
    mask = np.uint64(slots.shape[0] - 1)
    state[FULL] = n = 0
    for p in range(begin, raw.size):
        c = raw[p]
        if c != separator and c != _FEED:
            continue
        if field == place:
            low, high = begin, p
            while low < high and (raw[low] == _BLANK or raw[low] == _TAB):
                low += 1
            while high > low and (raw[high - 1] == _BLANK or raw[high - 1] == _TAB or raw[high - 1] == _RETURN):
                high -= 1
            absent = False
            if high - low <= LONGEST:
                short = _short(raw, low, high)
                for one in missing:
                    absent |= one == short
            if not absent:
                waiting[n, LOW], waiting[n, HIGH], waiting[n, AT], waiting[n, FROM] = low, high, row, begin
                hashes[n] = _hash(raw, low, high)
                fetch_cell(slots, hashes[n] & mask)
                n += 1
        begin = p + 1
        if c == _FEED:
            if field != width - 1:
                return False
            field = 0
            row += 1
        else:
            field += 1
        if n == hashes.size:
            done = _settle(raw, waiting, hashes, n, slots, arena, codes, state)
            if done < n:
                state[BEGIN], state[FIELD], state[ROW], state[FULL] = waiting[done, FROM], place, waiting[done, AT], 1
                return True
            n = 0
    done = _settle(raw, waiting, hashes, n, slots, arena, codes, state)
    if done < n:
        state[BEGIN], state[FIELD], state[ROW], state[FULL] = waiting[done, FROM], place, waiting[done, AT], 1
    return True


def whole_numbers(raw: Tensor, separator: int, width: int, place: int) -> Tensor | None:
    text = array(raw, np.uint8)
    out = np.empty(int(np.count_nonzero(text == _FEED)), np.int64)
    rows = _whole(text, separator, width, place, out)
    return None if rows < 0 else torch.from_numpy(out)


def coded(raw: Tensor, separator: int, width: int, place: int, names: Names) -> Tensor | None:
    text = array(raw, np.uint8)
    codes = np.full(int(np.count_nonzero(text == _FEED)), -1, np.int32)
    state = np.array([0, 0, 0, names.count, names.used, 0], np.int64)
    waiting, hashes = np.zeros((_AHEAD, 4), np.int64), np.zeros(_AHEAD, np.uint64)
    while True:
        tables = names.slots, names.arena
        even = _coded(text, separator, width, place, names.missing, *tables, codes, state, waiting, hashes)
        names.count, names.used = int(state[COUNT]), int(state[USED])
        if not even:
            return None
        if not state[FULL]:
            return torch.from_numpy(codes)
        _grow(names, text.size)


def _grow(names: Names, block: int) -> None:
    """Room for twice as many names, and for the letters of what may come."""
    if 2 * (names.count + 1) > names.slots.shape[0]:
        names.slots = np.zeros((4 * names.slots.shape[0], 2), np.int64)
        _place(names.arena, names.used, names.slots)
    if names.used + block + 1 > names.arena.size:
        more = max(names.arena.size, min(block, 1 << 22) + LONGEST)
        names.arena = np.concatenate([names.arena, np.zeros(more, np.uint8)])


@inner_kernel
def _place(arena, used, slots):
    """Every name's slot in a larger table."""
    mask, begin, code = np.uint64(slots.shape[0] - 1), 0, 0
    for p in range(used):
        if arena[p] == _FEED:
            hashed = _hash(arena, begin, p)
            at = hashed & mask
            while slots[at, 0]:
                at = (at + np.uint64(1)) & mask
            slots[at, 0] = np.int64(hashed >> _TAG) << _PLACE | (begin + 1)
            slots[at, 1] = code
            begin = p + 1
            code += 1
