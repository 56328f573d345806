"""Feeds of text and of cells, and the engines that train word vectors on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from negatives import kernels
from negatives.data.cooccurrence import count_cooccurrence
from negatives.data.corpus import Corpus, encode
from negatives.errors import ConfigError
from negatives.kernels.words import PLACES
from negatives.losses import BPR, Logistic, SampledSoftmax, Squared
from negatives.losses.base import Loss
from negatives.models.words.cbow import Cbow
from negatives.models.words.glove import Glove
from negatives.models.words.skip_gram import SkipGram
from negatives.sampler import Sampler, build
from negatives.training.cell_feed import CellFeed
from negatives.training.corpus_feed import CorpusFeed
from negatives.training.engines import Update, engine_for
from negatives.training.feeds import Feed
from negatives.types import Catalogue, Context, Csr

GROUPS, EACH = 5, 8


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Sentences of words of one group each."""
    random = np.random.default_rng(0)
    groups = random.integers(0, GROUPS, 700)
    return encode([[f"g{g}w{i}" for i in random.integers(0, EACH, 11)] for g in groups], min_count=1)


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    before = kernels.threads()
    kernels.set_threads(1)
    yield
    kernels.set_threads(before)


def sampler(corpus: Corpus, spec: object = None) -> Sampler:
    n = len(corpus.words)
    each = torch.arange(n)
    made = build(spec or {"name": "popularity", "guards": ["own_positive"], "candidates": 5})  # type: ignore[arg-type]
    made.bind(Catalogue(n, n, corpus.counts, Csr.from_pairs(each, each, n, n), query_anchors=each))
    return made


def train(model: object, feed: Feed, made: Sampler, loss: Loss, lr: float, epochs: int = 4) -> list[float]:
    optimiser = "adagrad" if isinstance(model, Glove) else "sgd"
    engine = engine_for(model, made, loss, Update(optimiser))  # type: ignore[arg-type]
    losses = []
    for epoch in range(epochs):
        for index in range(feed.steps(500)):
            batch = feed.batch(0, epoch, index, 500)
            context = Context(batch.queries, batch.items, batch.examples, 0, epoch, len(losses))
            losses.append(engine.step(context, lr).loss)
    return losses


def found_groups(vectors: torch.Tensor, corpus: Corpus) -> float:
    """Share of words whose nearest word is of the same group."""
    unit = torch.nn.functional.normalize(vectors, dim=1)
    near = (unit @ unit.T).fill_diagonal_(-9).argmax(1)
    return float(np.mean([corpus.words[i][:2] == corpus.words[j][:2] for i, j in enumerate(near.tolist())]))


def test_a_batch_holds_whole_sentences_in_order(corpus: Corpus) -> None:
    feed = CorpusFeed(corpus, 0.0)
    assert feed.rows == corpus.n_tokens
    seen = []
    for index in range(feed.steps(500)):
        batch = feed.batch(3, 1, index, 500)
        assert batch.items.numel() <= 511
        sentence, place = batch.examples // PLACES, batch.examples % PLACES
        assert bool((batch.examples.diff() > 0).all())
        tokens, bounds = corpus.tokens(int(sentence[0]), int(sentence[-1]) + 1)
        assert torch.equal(tokens[bounds[sentence - sentence[0]] + place].long(), batch.items)
        inner = place > 0
        assert torch.equal(batch.queries[inner], batch.items.roll(1)[inner])
        assert torch.equal(batch.queries[~inner], batch.items.roll(-1)[~inner])
        seen.append(batch.examples)
    assert torch.cat(seen).unique().numel() == corpus.n_tokens
    first = torch.cat(seen).tolist()
    assert first != sorted(first)


def test_frequent_words_are_thinned_out_anew_in_each_epoch(corpus: Corpus) -> None:
    feed = CorpusFeed(corpus, 2e-3)
    rows = [sum(feed.batch(0, epoch, i, 500).items.numel() for i in range(feed.steps(500))) for epoch in range(2)]
    assert feed.rows < 0.9 * corpus.n_tokens
    assert rows[0] != rows[1]
    assert abs(np.mean(rows) / feed.rows - 1) < 0.02
    again = CorpusFeed(corpus, 2e-3).batch(0, 1, 2, 500)
    assert torch.equal(again.examples, feed.batch(0, 1, 2, 500).examples)


def test_a_block_of_frequent_words_is_never_empty() -> None:
    feed = CorpusFeed(encode([["a", "b"]] * 50, min_count=1), 1e-9)
    assert all(feed.batch(0, 0, i, 4).items.numel() > 0 for i in range(feed.steps(4)))


@pytest.mark.parametrize(("kind", "lr"), [(SkipGram, 0.05), (Cbow, 0.2)])
def test_words_of_one_group_come_together(kind: type[SkipGram | Cbow], lr: float, corpus: Corpus) -> None:
    model = kind(len(corpus.words), dim=12, window=3)
    losses = train(model, CorpusFeed(corpus, 0.0), sampler(corpus), Logistic(), lr)
    assert found_groups(model.query_table.data, corpus) > 0.95
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("loss", "spec", "lr"),
    [
        (BPR(), "dns", 0.05),
        (SampledSoftmax(), {"name": "softmax", "pool": 64}, 0.02),
        (Logistic(mean=True), {"name": "self_adversarial", "candidates": 8}, 0.1),
        (Logistic(), {"name": "dns", "candidates": 8, "select": {"name": "softmax", "k": 4}}, 0.05),
        (
            Logistic(),
            {
                "proposal": {"name": "mixed", "parts": ["popularity", {"name": "nearest_items", "n": 5, "every": 7}]},
                "candidates": 5,
                "guards": ["own_positive"],
            },
            0.05,
        ),
    ],
)
def test_any_loss_and_any_sampler_trains(loss: Loss, spec: object, lr: float, corpus: Corpus) -> None:
    model = SkipGram(len(corpus.words), dim=12, window=3)
    train(model, CorpusFeed(corpus, 0.0), sampler(corpus, spec), loss, lr, 6)
    assert found_groups(model.query_table.data, corpus) > 0.9


def test_the_fused_step_is_the_general_one_on_one_window_after_another(corpus: Corpus) -> None:
    """With slices of one sentence each and a small step the two ways differ by second order only."""
    tables = []
    for loss in (Logistic(), Logistic(margin=1e-12)):
        model = SkipGram(len(corpus.words), dim=12, window=3)
        train(model, CorpusFeed(corpus, 0.0), sampler(corpus), loss, 1e-3, 1)
        tables.append(model.item_table.data.clone())
    assert float(tables[0].abs().max()) > 1e-3
    torch.testing.assert_close(tables[0], tables[1], atol=2e-5, rtol=0.05)


def test_cells_come_once_in_each_direction(corpus: Corpus) -> None:
    cells = count_cooccurrence(corpus, 4)
    feed = CellFeed(cells)
    batches = [feed.batch(0, 0, i, 100) for i in range(feed.steps(100))]
    pairs = torch.cat([torch.stack([b.queries, b.items], 1) for b in batches])
    assert len(pairs) == feed.rows == 2 * cells.counts.numel()
    n = cells.counts.numel()
    for batch in batches:
        cell = batch.examples % n
        straight = torch.stack([cells.rows[cell], cells.cols[cell]], 1).long()
        turned = (batch.examples >= n)[:, None]
        assert torch.equal(
            torch.stack([batch.queries, batch.items], 1), torch.where(turned, straight.flip(1), straight)
        )
    assert torch.cat([b.examples for b in batches]).unique().numel() == feed.rows


@pytest.mark.parametrize("zeros", [0.0, 0.1])
def test_glove_follows_the_logarithm_of_co_occurrence(zeros: float, corpus: Corpus) -> None:
    cells = count_cooccurrence(corpus, 4)
    n = len(corpus.words)
    model = Glove(n, cells.counts, dim=12)
    made = build({"name": "uniform", "candidates": 2})
    made.bind(Catalogue(n, n, corpus.counts, cells.known(n)))
    losses = train(model, CellFeed(cells), made, Squared(zeros), 0.1, 60)
    assert losses[-1] < 0.1 * losses[0]
    rows, cols = cells.rows.long(), cells.cols.long()
    fitted = model.score(rows, cols).detach()
    assert float((fitted - cells.counts.log()).abs().mean()) < 0.35
    group = [word[:2] for word in corpus.words]
    strange = torch.tensor([[j for j in range(n) if group[j] != group[i]] for i in range(n)])
    other = model.score(torch.arange(n), strange).detach()
    if zeros:
        assert float(other.mean()) < float(fitted.mean()) - 2
        assert found_groups(model.vectors()["query"], corpus) > 0.95
    assert bool((model.query_table.data[:, -1] == 1).all())


def test_what_cannot_be_trained_is_refused(corpus: Corpus) -> None:
    made, model = sampler(corpus), SkipGram(len(corpus.words), dim=4)
    for optimiser, decay in (("adam", 0.0), ("sgd", 0.1)):
        with pytest.raises(ConfigError, match=r"optimiser\.name=sgd"):
            engine_for(model, made, Logistic(), Update(optimiser, decay))
    with pytest.raises(ConfigError, match="squared"):
        engine_for(Glove(4, torch.ones(3)), made, Logistic(), Update("adagrad"))
    with pytest.raises(ConfigError, match="adagrad"):
        engine_for(Glove(4, torch.ones(3)), made, Squared(), Update("sgd"))
    with pytest.raises(ConfigError, match="window"):
        SkipGram(4, window=0)
    with pytest.raises(ConfigError, match="x_max"):
        Glove(4, torch.ones(3), x_max=0.0)
