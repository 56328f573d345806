"""Negatives drawn in a loader's workers: the same with none or two, features once for each item."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import negatives
from negatives import Collate, Pairs, Sampler
from negatives.errors import ConfigError, InputError
from negatives.sampler import build, presets
from negatives.testing.problems import problem

N = 90
USERS, ITEMS = torch.arange(64) % 20, torch.arange(64) * 7 % N
SPECS = {
    "uniform": {"name": "uniform", "candidates": 3},
    "softmax": {"name": "softmax", "pool": 12},
    "in_batch": "in_batch",
    "mixed": {"name": "mixed", "pool": 12},
}


def features(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"tokens": ids[:, None] * torch.tensor([1, 10])}


def sampler(name: str) -> Sampler:
    return negatives.sampler(SPECS[name], (USERS, ITEMS), n_items=N, seed=3)


def batches(name: str, workers: int) -> list[object]:
    pairs = Pairs(USERS.numpy().astype(np.int32), ITEMS)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2)).tolist()
    loader = DataLoader(pairs, 16, sampler=order, num_workers=workers, collate_fn=Collate(sampler(name), features))
    return list(loader)


def test_two_workers_draw_what_one_process_draws() -> None:
    for name in ("uniform", "softmax"):
        alone, together = batches(name, 0), batches(name, 2)
        assert len(alone) == len(together) == 4
        for one, two in zip(alone, together, strict=True):
            assert torch.equal(one.negatives.ids, two.negatives.ids)
            assert torch.equal(one.negatives.log_q, two.negatives.log_q)
            assert torch.equal(one.features["tokens"], two.features["tokens"])
            assert (two.negatives.pool is None) == (name == "uniform")
        assert not torch.equal(alone[0].negatives.ids, alone[1].negatives.ids)


@pytest.mark.parametrize("name", SPECS)
def test_features_are_those_of_every_item_once(name: str) -> None:
    for batch in batches(name, 0):
        assert torch.equal(batch.items, batch.items.unique())
        assert torch.equal(batch.features["tokens"][:, 1], batch.items * 10)
        assert torch.equal(batch.items[batch.positive_at], ITEMS[batch.examples])
        assert torch.equal(batch.items[batch.negative_at], batch.negatives.ids)
        assert torch.equal(batch.queries, USERS[batch.examples])
        assert (batch.negative_at.stride(0) == 0) == (batch.negatives.pool is not None)
        held = set(batch.negatives.ids.unique().tolist()) | set(batch.positives.tolist())
        assert set(batch.items.tolist()) == held


def test_draws_are_those_of_the_numbers_and_the_epoch() -> None:
    pairs, collate = Pairs(USERS, ITEMS), Collate(sampler("uniform"))
    rows = [pairs[9], pairs[3], pairs[50]]
    direct = sampler("uniform")(USERS[[9, 3, 50]], ITEMS[[9, 3, 50]], examples=[9, 3, 50], epoch=2)
    collate.epoch = 2
    assert torch.equal(collate(rows).negatives.ids, direct.ids)
    collate.epoch = 3
    assert not torch.equal(collate(rows).negatives.ids, direct.ids)
    assert collate(rows).features is None


def test_sequences_are_padded_and_masked() -> None:
    pairs = Pairs(None, [[5, 6, 7], np.array([8]), torch.tensor([9, 4])])
    spec = {"proposal": "uniform", "candidates": 4, "guards": ["own_positive"]}
    collate = Collate(negatives.sampler(spec, (None, ITEMS), n_items=N, never=[0]), features)
    batch = collate([pairs[0], pairs[1], pairs[2]])
    assert batch.queries is None
    assert batch.positives.tolist() == [[5, 6, 7], [8, 0, 0], [9, 4, 0]]
    mask = batch.positives > 0
    assert torch.equal(batch.negatives.mask, mask)
    assert torch.equal(batch.items[batch.positive_at][mask], batch.positives[mask])
    assert torch.equal(batch.items[batch.negative_at][mask], batch.negatives.ids[mask])


def test_a_collated_batch_moves_with_its_pool() -> None:
    (batch, *_) = batches("softmax", 0)
    moved = batch.to("meta")
    assert moved.features["tokens"].device.type == moved.negatives.log_q.device.type == "meta"
    assert moved.negatives.pool.shape == (12,)
    assert moved.negative_at.stride(0) == 0


@pytest.mark.parametrize("name", sorted(presets))
def test_every_sampler_can_be_pickled_and_goes_on(name: str) -> None:
    made = problem(40)
    one = build(name)
    one.bind(made.catalogue)
    model = made.model()
    for step in range(2):
        context = made.batch(16, step)
        one(context.queries, context.positives, model, progress=0.5)
    two = pickle.loads(pickle.dumps(one))
    context = made.batch(16, 2)
    pair = [each(context.queries, context.positives, model, progress=0.5) for each in (one, two)]
    assert torch.equal(pair[0].ids, pair[1].ids)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dns", "looks at the model, which a loader's worker does not have"),
        ("cluster", "looks at the model"),
        ("nv_retriever", "looks at the model"),
        ("learned_unigram", "LearnedUnigram learns from the batches, of which a worker sees some only"),
        ("queue", "Mixed learns from the batches"),
    ],
)
def test_what_a_worker_cannot_draw_is_told(name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Collate(negatives.sampler(name, (USERS, ITEMS)))


def test_pairs_go_together() -> None:
    with pytest.raises(InputError, match="2 queries for 3 positives; give one each per row"):
        Pairs([1, 2], [1, 2, 3])
