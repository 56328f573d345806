"""Draws are exact in the number of hash words: counted by the ends of each run of words, never by sampling.

The hash is a bijection, so for any word there is a key whose first draw has just this word.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from negatives import kernels
from negatives.kernels import AliasTable
from negatives.kernels.alias import CELLS, FINE
from negatives.kernels.walks import walks
from negatives.kernels.words import Windows, window_starts
from negatives.randomness import EXAMPLE_STEP, MASK64, MIX_1, MIX_2, SLOT_STEP, again, bits, bounded, integers, mix
from negatives.types import Csr

SIZES = [1, 3, 1000, 10**7, 2**31 - 1]
EVERY = ("numba", "torch", "numpy")
FIRST = torch.tensor([0])


def unmixed(word: int) -> int:
    """What :func:`mix` makes ``word`` of."""

    def unshifted(value: int, by: int) -> int:
        for _ in range(64 // by):
            value = word_ ^ (value >> by)
        return value

    word_ = word
    word = unshifted(word, 31) * pow(MIX_2, -1, 1 << 64) & MASK64
    word_ = word
    word = unshifted(word, 27) * pow(MIX_1, -1, 1 << 64) & MASK64
    word_ = word
    return unshifted(word, 30)


def key_of(word: int, slot: int = 0) -> int:
    """The key under which example 0 has this word in a slot."""
    key = unmixed(unmixed(word) - slot * SLOT_STEP & MASK64)
    assert int(bits(key, FIRST, slot)[0]) & MASK64 == word
    return key


def first_word(bucket: int, n: int, cell: int = 0) -> int:
    """The least word of a cell of a bucket; words and cells are taken as whole numbers, so nothing is rounded."""
    return -(-((bucket << 64) + (cell << 56)) // n)


def ends(n: int) -> list[tuple[int, int]]:
    """First and last words of the first, the middle and the last bucket, and their buckets."""
    some = {0, n // 2, n - 1}
    return [(word, b) for b in sorted(some) for word in (first_word(b, n), first_word(b + 1, n) - 1)]


@pytest.mark.parametrize("n", SIZES)
def test_every_integer_has_its_share_of_all_words(n: int) -> None:
    for bucket in (0, n // 2, n - 1):
        words = first_word(bucket + 1, n) - first_word(bucket, n)
        assert abs(Fraction(words * n, 1 << 64) - 1) < Fraction(1, 10**6)
    for word, bucket in ends(n):
        held = torch.tensor([word - (word >> 63 << 64)])
        assert int(bounded(held, n)[0]) == bucket
        assert int(bounded(held, torch.tensor([n]))[0]) == bucket
        assert int(integers(key_of(word), FIRST, 0, n)[0]) == bucket
        for path in EVERY:
            with kernels.use(path):
                assert int(kernels.draw_uniform(FIRST, 1, n, key_of(word))) == bucket, path


@pytest.mark.parametrize("path", EVERY)
def test_enumeration_after_refusal_is_exact_too(path: str) -> None:
    """All items but two are known, at the ends of the range; each has half of the words of the last try."""
    n = 2000
    known = Csr.from_pairs(torch.zeros(n - 2, dtype=torch.int64), torch.arange(1, n - 1), 1, n)
    with kernels.use(path):
        for word, item in ((0, 0), (2**63 - 1, 0), (2**63, n - 1), (MASK64, n - 1)):
            drawn = kernels.draw_uniform(FIRST, 1, n, key_of(word, 1), queries=FIRST, known=known, tries=1)
            assert int(drawn) == item


@pytest.mark.parametrize("path", EVERY)
def test_rare_items_are_enumerated_in_proportion(path: str) -> None:
    """What one heavy, known item leaves: ``1e-15`` and ``3e-15``, which units of 2^-52 hold as 4 and 13."""
    table = kernels.build_alias(torch.tensor([1.0, 1e-15, 3e-15], dtype=torch.float64))
    known = Csr.from_pairs(FIRST, FIRST, 1, 3)
    shares = [Fraction(float(p)) for p in table.probability]
    border = shares[1] / (shares[1] + shares[2]) * (1 << 64)
    with kernels.use(path):
        for word, item in ((int(border * (1 - Fraction(1, 10**6))), 1), (int(border * (1 + Fraction(1, 10**6))), 2)):
            drawn = kernels.draw_alias(table, FIRST, 1, key_of(word, 1), queries=FIRST, known=known, tries=1)
            assert int(drawn) == item


@pytest.mark.parametrize("n", SIZES)
def test_cells_of_a_bucket_have_equal_numbers_of_words(n: int) -> None:
    for bucket in (0, n // 2, n - 1):
        for cell in (0, 1, 128, 255):
            words = first_word(bucket, n, cell + 1) - first_word(bucket, n, cell)
            assert abs(Fraction(words * n, 1 << 56) - 1) < Fraction(1, 10**7)


@pytest.mark.parametrize("path", EVERY)
def test_a_threshold_cuts_its_bucket_where_it_says(path: str) -> None:
    n, cell, fine = 1000, 77, 3 << 51
    alias = torch.arange(n, dtype=torch.int32).roll(-1)
    parts = torch.full((n,), cell, dtype=torch.uint8), torch.full((n,), fine)
    table = AliasTable(*parts, alias, torch.full((n,), 1 / n))
    with kernels.use(path):
        for bucket in (0, 500, n - 1):
            inside = [first_word(bucket, n, cell) + i for i in range(40)]
            expected = [mix(word + EXAMPLE_STEP & MASK64) >> 11 < fine for word in inside]
            assert {True, False} == set(expected)
            borders = [first_word(bucket, n, c) for c in (0, cell, cell + 1, 256)]
            words = [borders[0], borders[1] - 1, borders[2], borders[3] - 1, *inside]
            for word, keeps in zip(words, [True, True, False, False, *expected], strict=True):
                drawn = int(kernels.draw_alias(table, FIRST, 1, key_of(word)))
                assert drawn == (bucket if keeps else int(alias[bucket])), (word, keeps)


def implied(table: AliasTable) -> list[Fraction]:
    """The probability of each item by the table alone."""
    n, whole = table.alias.numel(), int(CELLS * FINE)
    held = [0] * n
    for i, other in enumerate(table.alias.tolist()):
        keeps = int(table.cell[i]) * int(FINE) + int(table.fine[i])
        held[i] += keeps
        held[other] += whole - keeps
    return [Fraction(units, n * whole) for units in held]


def check(weights: Tensor) -> None:
    table = kernels.build_alias(weights)
    shares = [Fraction(float(w)) for w in weights]
    total = sum(shares)
    for found, share in zip(implied(table), shares, strict=True):
        assert abs(found - share / total) <= Fraction(1, 10**12)
        assert (found == 0) == (share == 0)
        if share / total * len(shares) > Fraction(1, 10**10):
            assert abs(found - share / total) <= share / total / 10**6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 1 / 3, 1.0, 7.0, 1e-9, 1e-13, 1e6]), min_size=1, max_size=50).filter(any))
def test_a_table_holds_its_weights(weights: list[float]) -> None:
    """Buckets that rounding leaves over at the end, as in ten times 0.1, among them."""
    check(torch.tensor(weights, dtype=torch.float64))


def test_one_heavy_item_gives_to_all_others() -> None:
    """It gives to a hundred thousand buckets one after another; what rounding would lose is kept."""
    weights = torch.rand(100_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights[7] = 1e9
    check(weights)


def test_a_rare_item_is_drawn_as_often_as_it_should() -> None:
    """``p N`` is 1.5e-12 for the rare item: 32 bits of a threshold hold nothing of it."""
    table = kernels.build_alias(torch.tensor([1.0, 1.0, 1e-12], dtype=torch.float64))
    assert int(table.cell[2]) == 0
    assert int(table.fine[2]) == pytest.approx(1.5e-12 * CELLS * FINE, rel=1e-3)
    assert int(again(torch.tensor([5]))[0]) & MASK64 == mix(5 + EXAMPLE_STEP)


def test_windows_and_walks_take_all_bits() -> None:
    """The last word of the first of three reaches, and of the first of three neighbours; 32 bits give the second."""
    last = first_word(1, 3) - 1
    words, examples = torch.arange(9), torch.arange(9)
    star = Csr.from_pairs(torch.zeros(3, dtype=torch.int64), torch.arange(1, 4), 4, 4)
    for path in ("numba", "numpy"):
        with kernels.use(path):
            for word, reach in ((last, 1), (last + 1, 2)):
                key = unmixed(word) ^ (4 * EXAMPLE_STEP & MASK64)
                sizes = window_starts(Windows(words, examples, 3, key)).diff()
                assert int(sizes[4]) == 2 * reach
                assert int(walks(star, FIRST, 1, key_of(word), examples=FIRST)[0, 1]) == reach
