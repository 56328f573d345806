"""A scorer of whole sentences as a model of queries and items, and the noise sentences that it trains against."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from negatives.data.ngrams import Ngram, Sentences, sentences_of
from negatives.errors import ConfigError
from negatives.models import registry
from negatives.models.language.noise import NoiseBank
from negatives.models.language.sentence import ITSELF, SentenceModel, SentenceScorer
from negatives.types import Context

END, WORDS, SIZE, EVERY = 0, 9, 40, 5


def text(n: int = 60) -> Tensor:
    """Words count up by one, from a start that turns."""
    rows = [[1 + (i * 5 + at) % 8 for at in range(3 + i % 4)] + [END] for i in range(n)]
    return torch.tensor([word for row in rows for word in row])


def bank(**more: bool) -> NoiseBank:
    return NoiseBank(Ngram(text(), END, 2), SIZE, EVERY, longest=12, seed=3, **more)


def model() -> SentenceModel:
    made = registry.build(
        {"name": "sentence", "real": sentences_of(text(), END), "noise": bank(), "n_words": WORDS, "dim": 8}
    )
    assert isinstance(made, SentenceModel)
    return made


def context(step: int) -> Context:
    rows = torch.arange(4)
    return Context(rows, torch.zeros_like(rows), rows, step=step)


def test_a_score_does_not_depend_on_the_other_sentences_of_the_batch() -> None:
    scorer = SentenceScorer(WORDS, 8)
    short = Sentences(torch.tensor([[1, 2, END]]), torch.tensor([3]))
    beside = Sentences(torch.tensor([[1, 2, END, END, END, END], [3, 4, 5, 6, 7, END]]), torch.tensor([3, 6]))
    torch.testing.assert_close(scorer(short)[0], scorer(beside)[0])


def test_item_0_is_the_sentence_itself_and_the_others_are_noise() -> None:
    made, queries = model(), torch.tensor([3, 0, 7])
    own = made.told(sentences_of(text(), END).pick(queries))
    noise = made.told(made.noise.pick(torch.arange(SIZE)))
    items = torch.tensor([[ITSELF, 1, SIZE], [2, 2, ITSELF], [5, 6, 7]])
    expected = torch.where(items == ITSELF, own[:, None], noise[(items - 1).clamp(min=0)])
    torch.testing.assert_close(made.score(queries, items), expected)
    torch.testing.assert_close(made.score(queries, torch.zeros(3, dtype=torch.int64)), own)
    torch.testing.assert_close(made.score(queries, items[:, 0]), expected[:, 0])
    pool = torch.tensor([4, ITSELF, 9])
    torch.testing.assert_close(made.score(queries, pool.expand(3, 3)), made.score(queries, pool.repeat(3, 1)))
    torch.testing.assert_close(made.score(queries, pool[:1].expand(3, 1)), noise[3].expand(3, 1))


def test_scores_are_inner_products_of_the_encodings() -> None:
    made, queries, items = model(), torch.tensor([3, 0]), torch.tensor([[ITSELF, 4], [8, ITSELF]])
    products = torch.einsum("rd,rkd->rk", made.encode_queries(queries), made.encode_items(items))
    torch.testing.assert_close(products, made.score(queries, items))


def test_gradients_reach_real_and_noise_sentences() -> None:
    made = model()
    made.score(torch.tensor([0]), torch.tensor([[ITSELF]])).sum().backward()
    real = made.scorer.words.grad.clone() if made.scorer.words.grad is not None else None
    made.zero_grad()
    made.score(torch.tensor([0]), torch.tensor([[1]])).sum().backward()
    assert real is not None
    assert made.scorer.words.grad is not None
    assert bool(real.any())
    assert bool(made.scorer.words.grad.any())


def test_noise_is_renewed_when_it_is_due() -> None:
    made, held = model(), []
    for step in range(2 * EVERY + 1):
        made.refresh(context(step))
        made.refresh(None)
        held.append(made.noise.words.clone())
    changed = [step for step in range(1, len(held)) if not torch.equal(held[step], held[step - 1])]
    assert changed == [EVERY, 2 * EVERY]


def test_what_fools_the_scorer_becomes_more_likely() -> None:
    """A scorer that takes sentences with word 8 for real gets more of them; without re-estimation it does not."""

    def likes_eights(sentences: Sentences) -> Tensor:
        return (sentences.words == 8).any(1).float() - 0.5

    def share(made: NoiseBank) -> float:
        made.follow(0, likes_eights)
        made.follow(EVERY, likes_eights)
        return float((likes_eights(made.pick(torch.arange(made.size))) > 0).float().mean())

    made = {yes: NoiseBank(Ngram(text(), END, 1), 1000, EVERY, reestimate=yes, longest=12) for yes in (False, True)}
    assert share(made[True]) > share(made[False]) + 0.1


def test_a_saved_bank_goes_on_with_the_same_sentences() -> None:
    first, second = model(), model()
    for step in range(EVERY + 2):
        first.refresh(context(step))
    second.load_state_dict(first.state_dict())
    second.refresh(context(EVERY + 2))
    assert torch.equal(first.noise.words, second.noise.words)
    assert int(second.noise.renewals) == 1


def test_a_size_below_one() -> None:
    with pytest.raises(ConfigError, match="give 1 or more"):
        NoiseBank(Ngram(text(), END, 2), 0, EVERY)
