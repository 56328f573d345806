"""The kernels of word vectors against their naive twins, and what they promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from negatives import kernels
from negatives.kernels import words
from negatives.randomness import generator
from negatives.types import Negatives

V, D = 40, 21
CLOSE = {"rtol": 1e-5, "atol": 0.0}


def text(seed: int = 0, n: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(0, V, (n,), generator=generator(seed), dtype=torch.int32)
    return tokens, torch.tensor([0, 30, 31, 31, 75, n])


def windows(mean: bool = False, width: int = 4) -> words.Windows:
    tokens, bounds = text()
    kept, examples = words.keep_words(tokens, bounds, 7, words.chances(torch.full((V,), 9), 0.01), key=3)
    return words.Windows(kept, examples, width, key=5, mean=mean)


def tables() -> tuple[torch.Tensor, torch.Tensor]:
    random = generator(1)
    return torch.randn(V, D, generator=random) * 0.3, torch.randn(V, D, generator=random) * 0.3


def negatives(rows: int, k: int = 5, marked: bool = True) -> Negatives:
    random = generator(2)
    ids = torch.randint(0, V, (rows, k), generator=random)
    ok = torch.rand(rows, k, generator=random) < 0.8 if marked else torch.ones(1, 1).bool().expand(rows, k)
    return Negatives(ids, None, ok, torch.rand(rows, k, generator=random) if marked else None)


def test_the_same_words_stay_on_both_paths() -> None:
    tokens, bounds = text()
    keep = words.chances(torch.arange(V) + 1, 0.005)
    found = words.keep_words(tokens, bounds, 7, keep, key=3)
    with kernels.use("numpy"):
        expected = words.keep_words(tokens, bounds, 7, keep, key=3)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert 10 < found[0].numel() < tokens.numel()
    assert set((found[1] // words.PLACES).tolist()) <= {7, 10, 11}
    place = found[1] % words.PLACES + bounds[found[1] // words.PLACES - 7]
    assert torch.equal(tokens[place].long(), found[0])


def test_words_stay_as_often_as_word2vec_says() -> None:
    counts = torch.tensor([900_000, 90_000, 10_000])
    keep = words.chances(counts, 1e-3)
    share = counts.double() / counts.sum() / 1e-3
    torch.testing.assert_close(
        keep.double() / 2.0**32, torch.clamp((share.sqrt() + 1) / share, max=1).double(), rtol=1e-5, atol=0
    )
    tokens = torch.zeros(200_000, dtype=torch.int32)
    stayed = words.keep_words(tokens[:60_000], torch.tensor([0, 60_000]), 0, keep, key=9)[0].numel()
    chance = float(keep[0]) / 2.0**32
    assert abs(stayed / 60_000 - chance) < 5 * (chance * (1 - chance) / 60_000) ** 0.5
    assert torch.equal(words.chances(counts, 0.0), torch.full((3,), 1 << 32))


def test_windows_never_cross_a_sentence_and_are_of_all_widths() -> None:
    starts = words.window_starts(windows())
    with kernels.use("numpy"):
        assert torch.equal(starts, words.window_starts(windows()))
    assert set(starts.diff().tolist()) >= {2, 4, 6, 8}
    assert int(starts.diff().max()) == 8


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("marked", [False, True])
def test_a_pass_over_windows_is_that_of_the_twin(mean: bool, marked: bool) -> None:
    around = windows(mean)
    given = negatives(around.words.numel(), marked=marked)
    found, expected = tables(), tables()
    words.train_windows_(*found, around, given, 0.1)
    with kernels.use("numpy"):
        words.train_windows_(*expected, around, given, 0.1)
    for mine, theirs, start in zip(found, expected, tables(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)  # the logistic function stands in a table
        assert not torch.allclose(mine, start, atol=1e-2)


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_scores_and_updates_are_those_of_the_twin(mean: bool, some: bool) -> None:
    around = windows(mean)
    if some:
        around = replace(around, first=9, stop=30)
    ids = negatives(len(around.centres)).ids
    scores = words.window_scores(*tables(), around, ids)
    grad = torch.randn(scores.shape, generator=generator(4))
    found, expected = tables(), tables()
    words.window_update_(*found, around, ids, grad, 0.05)
    with kernels.use("numpy"):
        torch.testing.assert_close(scores, words.window_scores(*tables(), around, ids), rtol=1e-4, atol=1e-5)
        words.window_update_(*expected, around, ids, grad, 0.05)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_windows_of_a_part_reach_into_the_rest() -> None:
    whole, part = windows(), replace(windows(), first=9, stop=30)
    assert torch.equal(words.window_starts(part).diff(), words.window_starts(whole).diff()[9:30])


def test_one_thread_gives_the_same_bits_twice() -> None:
    before, results = kernels.threads(), []
    kernels.set_threads(1)
    for _ in range(2):
        found = tables()
        words.train_windows_(*found, windows(), negatives(windows().words.numel()), 0.1)
        results.append(found)
    kernels.set_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_what_does_not_fit_is_refused() -> None:
    around = windows()
    with pytest.raises(ValueError, match="same number of rows"):
        words.train_windows_(*tables(), around, negatives(3), 0.1)
    with pytest.raises(ValueError, match="at least one word"):
        words.train_windows_(*tables(), windows(width=0), negatives(around.words.numel()), 0.1)
    far = negatives(around.words.numel(), marked=False)
    with pytest.raises(IndexError, match="negatives"):
        words.train_windows_(*tables(), around, Negatives(far.ids + V, None, far.ok), 0.1)
