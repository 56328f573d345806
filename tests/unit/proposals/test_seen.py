"""The proposal ``seen``, and that ``auto`` draws a pool of nothing else."""

from __future__ import annotations

import torch

from negatives.losses import SampledSoftmax
from negatives.proposals import registry
from negatives.sampler import build
from negatives.types import Catalogue, Context, Csr

COUNTS = torch.tensor([3, 0, 1, 0, 0])
GIVEN = Csr.from_pairs(torch.tensor([0, 1, 1]), torch.tensor([4, 4, 0]), 2, 5)
ONE = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
EVERY = torch.arange(5)[None]


def known() -> Csr:
    return Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([0, 2]), 2, 5)


def test_positives_and_given_negatives_are_seen() -> None:
    """Sentences of pairs that are rated low stand in the training data too, and are good negatives."""
    proposal = registry.build("seen")
    proposal.bind(Catalogue(2, 5, COUNTS, known(), given=GIVEN))
    third = 1 / 3
    torch.testing.assert_close(
        proposal.log_prob(EVERY, ONE).exp()[0], torch.tensor([third, 0.0, third, 0.0, third]), rtol=0, atol=1e-6
    )
    proposal.bind(Catalogue(2, 5, COUNTS, known()))
    torch.testing.assert_close(proposal.log_prob(EVERY, ONE).exp()[0], torch.tensor([0.5, 0.0, 0.5, 0.0, 0.0]))
    drawn, log_q = proposal.draw(ONE, 400, 7, known())
    assert set(drawn.unique().tolist()) == {2}
    torch.testing.assert_close(log_q, torch.zeros(log_q.shape))


def test_counts_that_are_given_stay() -> None:
    proposal = registry.build({"name": "seen", "counts": torch.tensor([0, 1, 0, 0, 0])})
    proposal.bind(Catalogue(2, 5, COUNTS, known(), given=GIVEN))
    assert proposal.draw(ONE, 9, 7)[0].unique().tolist() == [1]


def test_auto_calls_nothing_wrong_of_which_training_says_nothing() -> None:
    """Where items have content, a model that pushes unknown ones down pushes the answers of tomorrow."""
    n = 40
    counts = torch.zeros(n, dtype=torch.int64)
    counts[::2] = torch.arange(1, 21)
    items = torch.repeat_interleave(torch.arange(n), counts)
    queries = torch.arange(items.numel()) % 11
    sampler = build("auto", loss=SampledSoftmax())
    sampler.bind(Catalogue(11, n, counts, Csr.from_pairs(queries, items, 11, n)))
    found = sampler(queries, items)
    drawn = found.ids[found.ids >= 0]
    assert bool((drawn % 2 == 0).all())
    assert drawn.unique().numel() == 20
