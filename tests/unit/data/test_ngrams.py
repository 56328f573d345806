"""N-gram models: exact probabilities, draws that follow them, more text."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from scipy.stats import chi2

from negatives.data.ngrams import Ngram, Sentences, cut_behind, sentences_of, shuffled_words
from negatives.errors import ConfigError

END = 0
TEXT = torch.tensor([1, 2, 3, END, 1, 3, END, 2, 2, 1, END, 1, 2, 3, END, 3, END])


def batch(rows: list[list[int]]) -> Sentences:
    width = max(map(len, rows))
    lengths = torch.tensor([len(row) for row in rows])
    return Sentences(torch.tensor([row + [END] * (width - len(row)) for row in rows]), lengths)


def naive(row: list[int], order: int, weight: float) -> float:
    """The probability of a sentence by counting in a plain list."""
    text, total = TEXT.tolist(), 1.0
    history = [END, END, *row]
    marked: list[tuple[tuple[int, ...], int]] = []
    first = before = END
    for word in text:
        marked.append(((first, before), word))
        first, before = (END, END) if word == END else (before, word)
    for at, word in enumerate(row):
        left, chance = 1.0, 0.0
        for size in range(order - 1, -1, -1):
            context = tuple(history[at + 2 - size : at + 2])
            seen = [w for c, w in marked if c[2 - size :] == context]
            if seen:
                share = weight if size else 1.0
                chance += left * share * seen.count(word) / len(seen)
                left *= 1 - share
        total *= chance
    return total


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_by_counting(order: int) -> None:
    model = Ngram(TEXT, END, order, 0.7)
    rows = [[*words, END] for n in range(1, 4) for words in product((1, 2, 3), repeat=n)]
    found = model.log_prob(batch(rows)).exp().tolist()
    assert found == pytest.approx([naive(row, order, 0.7) for row in rows])
    assert sum(found) < 1.0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_draws_follow_the_probabilities(order: int) -> None:
    model, n = Ngram(TEXT, END, order, 0.6), 60_000
    drawn = model.draw(n, 99)
    assert bool((drawn.words.gather(1, drawn.lengths[:, None] - 1) == END).all())
    rows = [[*words, END] for size in range(0, 4) for words in product((1, 2, 3), repeat=size)]
    expected = model.log_prob(batch(rows)).exp() * n
    seen = torch.zeros(len(rows), dtype=torch.float64)
    short = drawn.pick((drawn.lengths <= 4).nonzero()[:, 0])
    place = {tuple(row): index for index, row in enumerate(rows)}
    for words, length in zip(short.words.tolist(), short.lengths.tolist(), strict=True):
        seen[place[tuple(words[:length])]] += 1
    usual = expected > 10
    rest = torch.tensor([n - float(expected[usual].sum())]), torch.tensor([n - float(seen[usual].sum())])
    expected, seen = torch.cat([expected[usual], rest[0]]), torch.cat([seen[usual], rest[1]])
    assert chi2.sf(float(((seen - expected) ** 2 / expected).sum()), len(expected) - 1) > 1e-4


def test_more_text_changes_the_counts() -> None:
    model = Ngram(TEXT, END, 2)
    row = batch([[3, 3, END]])
    assert float(model.with_more(torch.tensor([3, 3, END] * 5)).log_prob(row)) > float(model.log_prob(row)) + 1
    assert torch.equal(model.tokens, TEXT)


def test_lines_of_a_text() -> None:
    found = sentences_of(torch.tensor([5, 6, 0, 0, 7, 7, 7, 7, 0, 8, 0]), END, 4)
    assert found.words.tolist() == [[5, 6, 0], [8, 0, 0]]
    assert found.text().tolist() == [5, 6, 0, 8, 0]


def test_shuffling_keeps_the_words_and_the_end() -> None:
    real = batch([[1, 2, 3, 4, 5, 6, 7, END], [1, END]])
    mixed = shuffled_words(real, 3)
    assert sorted(mixed.words[0, :7].tolist()) == list(range(1, 8)) != mixed.words[0, :7].tolist()
    assert mixed.words[:, -1].tolist() == [END, END]
    assert mixed.words[1].tolist() == real.words[1].tolist()


@pytest.mark.parametrize("values", [{"order": 4}, {"weight": 1.5}])
def test_values_out_of_range(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Ngram(TEXT, END, **values)  # type: ignore[arg-type]


def test_a_text_without_words_has_no_sentence() -> None:
    found = sentences_of(TEXT[:0], END)
    assert found.lengths.numel() == 0
    assert found.words.shape[0] == 0


@pytest.mark.parametrize("seed", range(5))
def test_an_end_stands_behind_every_mark_once(seed: int) -> None:
    tokens = torch.randint(0, 6, (200,), generator=torch.Generator().manual_seed(seed))
    tokens = torch.cat([tokens, torch.tensor([END])])
    marks = {3, 4}
    wanted = []
    for at, word in enumerate(tokens.tolist()):
        wanted.append(word)
        if word in marks and int(tokens[at + 1]) != END:
            wanted.append(END)
    assert cut_behind(tokens, torch.tensor(sorted(marks)), END).tolist() == wanted


def test_a_text_without_marks_stays_as_it_is() -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert torch.equal(cut_behind(TEXT, none, END), TEXT)
    assert cut_behind(none, torch.tensor([1]), END).numel() == 0
