"""Batches as loops have them: arrays, sequences with padding, rows without ids; progress; what does not fit is told."""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import negatives
from negatives import Vectors, losses
from negatives.control import Linear
from negatives.errors import ConfigError, InputError, NegativesWarning
from negatives.losses.base import Loss
from negatives.types import Negatives, shared_pool

N, BATCH, LENGTH, DIM = 50, 4, 6, 3
GENERATOR = torch.Generator().manual_seed(1)
PAIRS = torch.arange(120) % 20, torch.arange(120) % 47
POSITIVES = torch.randint(47, (BATCH, LENGTH), generator=GENERATOR)
LENGTHS = torch.tensor([6, 2, 0, 3])
MASK = torch.arange(LENGTH) < LENGTHS[:, None]
VECTORS = torch.randn(BATCH, LENGTH, DIM, generator=GENERATOR)
TABLE = torch.randn(N, DIM, generator=GENERATOR)
USERS = torch.tensor([3, 1, 0, 7])
ROWS = {"dns": {"name": "dns", "select": {"k": 3}}, "softmax": {"name": "softmax", "pool": 9}}


def made(name: str) -> negatives.Sampler:
    return negatives.sampler(ROWS[name], PAIRS, n_items=N, seed=2)


def scores(ids: Tensor) -> Tensor:
    return torch.einsum("bld,blkd->blk", VECTORS, TABLE[ids])


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int64, torch.int32, torch.int16, list])
def test_ids_of_any_kind_are_ids(kind) -> None:
    users, items = PAIRS[0][:20], PAIRS[1][:20]
    wanted = made("dns")(users, items, Vectors(VECTORS.view(-1, DIM)[:20], TABLE))
    as_kind = (lambda ids: ids.tolist()) if kind is list else (lambda ids: ids.to(kind))
    if isinstance(kind, type) and kind is not list:
        as_kind = lambda ids: ids.numpy().astype(kind)  # noqa: E731
    found = made("dns")(as_kind(users), as_kind(items), Vectors(VECTORS.view(-1, DIM)[:20], TABLE))
    assert torch.equal(found.ids, wanted.ids)
    assert found.ids.dtype == torch.int64


@pytest.mark.parametrize("queries", ["(batch,)", "(batch, length)"])
@pytest.mark.parametrize("name", ROWS)
def test_a_sequence_is_answered_place_by_place(name: str, queries: str) -> None:
    """The rows that count get what they would get one after another, and padding gets nothing."""
    each = USERS[:, None].expand(BATCH, LENGTH)
    flat = made(name)(each[MASK], POSITIVES[MASK], Vectors(VECTORS[MASK], TABLE))
    padded = POSITIVES.masked_fill(~MASK, -1)
    asked = USERS if queries == "(batch,)" else each
    found = made(name)(asked, padded, Vectors(VECTORS, TABLE), mask=MASK.int().numpy())
    for one in ("ids", "ok", "log_q", "scores", "positive_scores", "positive_log_q"):
        part, wanted = getattr(found, one), getattr(flat, one)
        assert (part is None) == (wanted is None)
        if part is not None:
            assert part.shape == (BATCH, LENGTH, *wanted.shape[1:])
            assert torch.equal(part[MASK], wanted)
    assert found.shape == (BATCH, LENGTH)
    assert found.k == flat.k
    assert not bool(found.ok[~MASK].any())
    assert torch.equal(found.mask, MASK)
    again = found.flat()
    assert again.mask is None
    assert torch.equal(again.ids, flat.ids)
    assert (again.pool is None) == (flat.pool is None) == (name == "dns")


@pytest.mark.parametrize("masked", [False, True])
def test_a_pool_of_sequences_stays_a_pool(masked: bool) -> None:
    found = made("softmax")(USERS, POSITIVES, mask=MASK if masked else None)
    assert found.ids.shape == (BATCH, LENGTH, 9)
    assert found.ids.stride()[:2] == (0, 0)
    assert torch.equal(found.pool, found.ids[3, 5])
    assert found.flat().pool is not None
    assert len(found.flat().ids) == (int(MASK.sum()) if masked else BATCH * LENGTH)


def test_one_flag_for_each_row_stays_one() -> None:
    """A pool in which no guard marks anything costs no flags, with padding either."""
    found = negatives.Sampler(negatives.Uniform(N), pool=9, guards=[])(USERS, POSITIVES, mask=MASK)
    assert found.ok.stride(-1) == 0
    assert torch.equal(found.ok.all(-1), MASK)
    assert found.flat().ok.stride() == (0, 0)
    assert bool(found.flat().ok.all())


def test_vectors_may_be_those_of_the_rows_that_count() -> None:
    whole = made("dns")(USERS, POSITIVES, Vectors(VECTORS, TABLE), mask=MASK)
    packed = made("dns")(USERS, POSITIVES, Vectors(VECTORS[MASK], TABLE), mask=MASK)
    assert torch.equal(whole.ids, packed.ids)
    torch.testing.assert_close(whole.scores, scores(whole.ids).masked_fill(~MASK[..., None], 0.0))


def test_padding_is_neither_drawn_for_nor_counted() -> None:
    sampler, asked = made("dns"), []
    vectors = Vectors(VECTORS, lambda ids: asked.append(ids) or TABLE[ids])
    sampler(USERS, POSITIVES, vectors, mask=MASK & False)
    assert not sum(ids.numel() for ids in asked)
    first = torch.arange(BATCH * LENGTH).view(BATCH, LENGTH) < 1
    sampler(USERS, POSITIVES, vectors, mask=first)
    assert 0 < sum(ids.numel() for ids in asked) <= 32 + 1


def test_sequences_numbered_once_draw_the_same_in_any_batch() -> None:
    numbers = torch.tensor([9, 4, 30, 2])
    whole = made("dns")(USERS, POSITIVES, Vectors(VECTORS, TABLE), examples=numbers)
    for one in range(BATCH):
        here = slice(one, one + 1)
        alone = made("dns")(USERS[here], POSITIVES[here], Vectors(VECTORS[here], TABLE), examples=numbers[here])
        assert torch.equal(alone.ids, whole.ids[here])
    drawn = negatives.sampler({"proposal": "uniform", "candidates": 8}, PAIRS)(USERS, POSITIVES, examples=numbers).ids
    assert len(drawn.flatten(0, 1).unique(dim=0)) == BATCH * LENGTH
    by_row = made("dns")(USERS, POSITIVES, Vectors(VECTORS, TABLE), examples=torch.arange(24).view(BATCH, LENGTH))
    assert not torch.equal(by_row.ids, whole.ids)


@pytest.mark.parametrize("loss", [losses.BPR(), losses.SampledSoftmax(), losses.InfoNCE(), losses.Logistic()])
@pytest.mark.parametrize("name", ROWS)
def test_a_loss_is_the_mean_over_the_rows_that_count(name: str, loss: Loss) -> None:
    found = negatives.sampler({**ROWS[name], "select": "all"}, PAIRS, n_items=N)(USERS, POSITIVES, mask=MASK)
    positive, negative = (VECTORS * TABLE[POSITIVES]).sum(-1), scores(found.ids)
    wanted = loss.rows(positive[MASK], negative[MASK], found.flat()).mean()
    spoilt = negative.masked_fill(~MASK[..., None], torch.nan)
    assert torch.equal(loss(positive.masked_fill(~MASK, torch.nan), spoilt, found), wanted)
    assert torch.equal(loss(positive[MASK], negative[MASK], found), wanted)
    assert torch.equal(loss(positive[MASK], negative[MASK], found.flat()), wanted)
    every = negatives.sampler(ROWS["softmax"], PAIRS, n_items=N)(USERS, POSITIVES)
    torch.testing.assert_close(
        loss(positive, scores(every.ids), every),
        loss(positive.flatten(), scores(every.ids).flatten(0, 1), every.flat()),
    )


@pytest.mark.parametrize("name", ROWS)
def test_a_batch_of_padding_costs_nothing(name: str) -> None:
    found = made(name)(USERS, POSITIVES, Vectors(VECTORS, TABLE), mask=MASK & False)
    positive = torch.zeros(BATCH, LENGTH, requires_grad=True)
    loss = losses.bpr(positive, torch.zeros(*found.ids.shape), found)
    loss.backward()
    assert loss.item() == 0.0
    assert not bool(positive.grad.any())


def test_scores_of_other_shapes_are_refused_by_the_loss() -> None:
    found = made("dns")(USERS, POSITIVES, Vectors(VECTORS, TABLE), mask=MASK)
    with pytest.raises(InputError, match=r"scores of positives have the shape \(4, 5\) for negatives of \(4, 6, 3\)"):
        losses.bpr(torch.zeros(4, 5), torch.zeros(4, 6, 3), found)
    with pytest.raises(InputError, match=r"scores of negatives have the shape \(4, 6\) .*give one for each row"):
        losses.bpr(torch.zeros(4, 6), torch.zeros(4, 6), found)


def test_rows_without_ids_are_numbered_where_nothing_looks_them_up() -> None:
    spec = {"proposal": "uniform", "candidates": 8, "select": "hardest", "guards": ["own_positive"]}
    sampler = negatives.sampler(spec, PAIRS, n_items=N)
    found = sampler(None, POSITIVES, Vectors(VECTORS, TABLE))
    assert bool((found.scores >= 0).any())
    model = nn.Module()
    model.score = lambda queries, items: torch.zeros(items.shape)
    for one, asked in (
        (made("softmax"), None),
        (sampler, model),
        (negatives.sampler("cluster", (None, [1, 2])), model),
    ):
        with pytest.raises(ConfigError, match="looks up the query, and there are none; pass query ids"):
            one(None, POSITIVES, asked)
    clustered = negatives.sampler("cluster", (None, PAIRS[1]), n_items=N)
    assert clustered(None, POSITIVES, Vectors(VECTORS, TABLE)).ids.shape == (BATCH, LENGTH, 64)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"queries": USERS[:3]}, r"queries have the shape \(3,\) for positives of \(4, 6\); give \(batch,\) or"),
        ({"positives": POSITIVES[None]}, r"positives have the shape \(1, 4, 6\); give \(rows,\) or \(batch, length\)"),
        ({"mask": MASK[:, :5]}, r"mask has the shape \(4, 5\) for positives of \(4, 6\)"),
        ({"examples": torch.arange(6)}, r"examples have the shape \(6,\) for positives of \(4, 6\)"),
        ({"scorer": Vectors(VECTORS[:2], TABLE)}, r"vectors of \(2, 6\) rows for .* or for the 11 that count"),
        ({"positives": [[1, 2], [3]]}, "positive ids are lists of several lengths; pad them, and give mask="),
        ({"positives": POSITIVES + 0.5}, "positive ids are float32; give whole numbers"),
        ({"queries": USERS + 20}, r"query 23 at place 0 is out of range; there are 20, .* give negatives.sampler n_qu"),
        ({"positives": POSITIVES + N}, r"positive \d+ at place 0 is out of range; there are 50, .* n_items="),
    ],
)
def test_what_does_not_fit_is_told(change, told) -> None:
    asked = {"queries": USERS, "positives": POSITIVES, "scorer": Vectors(VECTORS, TABLE), "mask": MASK} | change
    with pytest.raises(InputError, match=told):
        made("dns")(**asked)


def test_schedules_follow_the_steps() -> None:
    sampler = negatives.sampler("curriculum", PAIRS, total_steps=4)
    seen = []
    for _ in range(6):
        seen.append(sampler.progress)
        sampler(*PAIRS, Vectors(torch.ones(120, DIM), TABLE))
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    with pytest.raises(ConfigError, match="total_steps is 0; it must be at least 1"):
        negatives.Sampler(negatives.Uniform(9), candidates=1, total_steps=0)


def test_the_steps_and_not_only_progress_change_what_is_drawn() -> None:
    spec = {"proposal": "uniform", "pool": Linear(3.0, 30.0)}
    sampler = negatives.sampler(spec, PAIRS, total_steps=10)
    assert [sampler(*PAIRS).k for _ in range(3)] == [3, 6, 8]
    assert sampler(*PAIRS, progress=1.0).k == 30


def test_schedules_that_stand_still_are_told_once() -> None:
    sampler = negatives.sampler("curriculum", PAIRS)
    vectors = Vectors(torch.ones(120, DIM), TABLE)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            sampler(*PAIRS, vectors)
    assert [str(one.message)[:42] for one in told] == ["the sampler's candidates should change whi"]
    assert told[0].category is NegativesWarning
    assert told[0].filename == __file__
    for quiet in (negatives.sampler("dns", PAIRS), negatives.sampler("hold", PAIRS)):
        quiet(*PAIRS, vectors)
    negatives.sampler("curriculum", PAIRS)(*PAIRS, vectors, progress=0.0)


def test_a_pool_of_one_row_is_a_rows_own() -> None:
    ids = torch.arange(3)
    assert shared_pool(ids.expand(1, 1, 3)) is None
    assert shared_pool(ids.expand(1, 2, 3)).tolist() == [0, 1, 2]
    assert shared_pool(torch.zeros(2, 2, 3, dtype=torch.int64)) is None
    assert shared_pool(ids) is None
    assert shared_pool(torch.zeros(2, 1, 3)[:, :1].expand(2, 4, 3)) is None
    assert Negatives(ids.expand(2, 2, 3), None, torch.ones(2, 2, 3).bool()).pool.tolist() == [0, 1, 2]
