"""The miner for PyTorch Metric Learning: labels are kept apart, selections choose, and its losses train."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import NTXentLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.integrations.metric_learning import SamplerMiner

LABELS = torch.arange(48) % 6
CHOOSING = ["hardest", "semi_hard", "softmax", "defensive", "simans", "random", "top_m", "rank_window", "hard_share"]


def embeddings(rows: int = 48, seed: int = 0) -> Tensor:
    return torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("select", CHOOSING)
def test_triplets_keep_labels_apart(select: str) -> None:
    miner = SamplerMiner(select)
    for rows in (48, 31):  # batches of one miner may differ in size
        labels = LABELS[:rows]
        anchors, positives, negatives = miner(embeddings(rows), labels)
        assert anchors.numel() > 20
        assert torch.equal(labels[anchors], labels[positives])
        assert (labels[anchors] != labels[negatives]).all()
        assert (anchors != positives).all()


def test_the_hardest_are_those_of_the_library() -> None:
    ours = SamplerMiner("hardest", positives="hardest")(embeddings(), LABELS)
    theirs = BatchHardMiner()(embeddings(), LABELS)
    assert all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))


def test_semi_hard_ones_are_among_those_of_the_library() -> None:
    """The library gives every negative that is further than the positive, within the margin; here it is the nearest."""
    ours = {
        (a, p): n for a, p, n in zip(*(part.tolist() for part in SamplerMiner()(embeddings(), LABELS)), strict=True)
    }
    every = TripletMarginMiner(margin=10.0, type_of_triplets="semihard")(embeddings(), LABELS)
    theirs: dict[tuple[int, int], set[int]] = {}
    for a, p, n in zip(*(part.tolist() for part in every), strict=True):
        theirs.setdefault((a, p), set()).add(n)
    assert ours.keys() == theirs.keys()
    unit = nn.functional.normalize(embeddings())
    for (a, p), n in ours.items():
        assert n == min(theirs[a, p], key=lambda other: float((unit[a] - unit[other]).norm()))


def test_one_positive_for_each_anchor() -> None:
    unit = nn.functional.normalize(embeddings())
    far = torch.cdist(unit, unit)
    for which, sign in (("easiest", 1.0), ("hardest", -1.0)):
        anchors, positives, _ = SamplerMiner("hardest", positives=which)(embeddings(), LABELS)
        same = (LABELS[:, None] == LABELS) & ~torch.eye(48, dtype=torch.bool)
        assert torch.equal(anchors, torch.arange(48))
        assert torch.equal(positives, (sign * far).masked_fill(~same, torch.inf).argmin(1))
    with pytest.raises(ConfigError, match="choose one of: all, hardest, easiest"):
        SamplerMiner(positives="some")


def test_references_beside_the_batch() -> None:
    """With references of its own a batch's first row may be a positive of itself there."""
    labels = torch.arange(30) % 6
    anchors, positives, negatives = SamplerMiner("hardest")(embeddings(), LABELS, embeddings(30, 1), labels)
    assert torch.equal(LABELS[anchors], labels[positives])
    assert (LABELS[anchors] != labels[negatives]).all()
    assert (anchors == positives).any()


def test_guards_and_distances() -> None:
    cosine = CosineSimilarity()
    plain = SamplerMiner("hardest", distance=cosine)
    guarded = SamplerMiner("hardest", [{"name": "relative_margin", "share": 0.95}], distance=cosine)
    plain(embeddings(), LABELS)
    anchors, positives, negatives = guarded(embeddings(), LABELS)
    table = cosine(embeddings())
    assert (table[anchors, negatives] < table[anchors, positives]).all()
    assert guarded.last is not None
    assert plain.last is not None
    assert int(guarded.last.ok.sum()) < int(plain.last.ok.sum())


def test_what_cannot_be_a_triplet_is_told() -> None:
    with pytest.raises(ConfigError, match="SelfAdversarial weights negatives"):
        SamplerMiner("self_adversarial")(embeddings(), LABELS)
    assert [one.numel() for one in SamplerMiner()(embeddings(), torch.arange(48))] == [0, 0, 0]
    assert [one.numel() for one in SamplerMiner("hardest")(embeddings(), torch.zeros(48))] == [0, 0, 0]


def batch(seed: int) -> Tensor:
    """Rows of planted classes, with much noise."""
    return 0.8 * embeddings(6, 9)[LABELS] + embeddings(48, seed)


def steps(miner: SamplerMiner, n: int, first: int = 0, model: nn.Module | None = None) -> nn.Module:
    """Train a line with a loss of the library."""
    torch.manual_seed(0)
    model = model or nn.Linear(8, 4)
    optimiser, loss = torch.optim.SGD(model.parameters(), lr=0.5), TripletMarginLoss(margin=0.3)
    for step in range(first, first + n):
        vectors = model(batch(10 + step))
        optimiser.zero_grad()
        loss(vectors, LABELS, miner(vectors, LABELS)).backward()
        optimiser.step()
    return model


def test_twenty_steps_and_a_resume() -> None:
    softmax = {"name": "softmax", "temperature": {"schedule": "linear", "start": 1.0, "stop": 0.05}}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        violated = TripletMarginLoss(margin=0.3, reducer=MeanReducer())  # over all triplets
        before = violated(nn.Linear(8, 4)(batch(5)), LABELS)
        model = steps(SamplerMiner(softmax, total_steps=20), 20)
        first, second = SamplerMiner(softmax, total_steps=20), SamplerMiner(softmax, total_steps=20)
        half = steps(first, 10)
        second.load_state_dict(first.state_dict())
        again = steps(second, 10, 10, half)
    assert violated(model(batch(5)), LABELS) < 0.8 * before
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))


def test_pair_losses_take_triplets_too() -> None:
    vectors = embeddings().requires_grad_()
    NTXentLoss()(vectors, LABELS, SamplerMiner("hardest")(vectors, LABELS)).backward()
    assert vectors.grad is not None
    assert vectors.grad.abs().sum() > 0


def test_draws_differ_from_step_to_step() -> None:
    miner = SamplerMiner({"name": "softmax", "temperature": 5.0})
    found = [miner(embeddings(), LABELS)[2] for _ in range(3)]
    assert all(not torch.equal(one, two) for one, two in pairwise(found))
