"""Items that are never drawn: by no proposal, in no row and no pool; and what is left keeps its exact probability."""

from functools import partial

import numpy as np
import pytest
import torch

import negatives
from negatives.errors import ConfigError, InputError
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import Every, InBatch, Mixed, Popularity, Queue, Retrieved, Uniform, registry
from negatives.proposals.base import Proposal
from negatives.sampler import Sampler, build, presets
from negatives.sampler.narrowed import Narrowed, Never
from negatives.testing import proposals as contract
from negatives.testing.problems import problem
from negatives.types import Catalogue, Context, Csr

N = 23
PROBLEM = problem(N)
FEW, MOST = torch.arange(N) % 7 == 1, torch.arange(N) % 3 != 1
PARTS: dict[str, dict[str, object]] = {
    "queue": {"size": 50},
    "cached": {"size": 12, "fresh": 4},
    "retrieved": {"stop": 15},
    "mixed": {"parts": ["typed", "in_batch", "uniform"]},
    "matched": {"best": 2},
    "shortlist": {"size": 12},
}
CHECKED = (
    contract.draws_have_their_shape,
    contract.probabilities_sum_to_one,
    contract.log_q_is_the_probability_of_the_draw,
    contract.log_allowed_is_what_is_left,
    contract.excluded_items_are_never_drawn,
    contract.it_tells_for_which_rows_it_is_empty,
)


def narrowed(name: str, mask: torch.Tensor) -> Proposal:
    return Narrowed(registry.build({"name": name, **PARTS.get(name, {})}), Never(mask))


@pytest.mark.parametrize("name", sorted(registry))
def test_a_proposal_without_some_items_has_their_exact_probabilities(name: str) -> None:
    context, make = PROBLEM.batch(48, 3), partial(narrowed, name)
    inner = contract.ProposalCase(partial(make, torch.zeros(N).bool()), PROBLEM).trained(3).inner
    contract.look(inner, PROBLEM, context)
    for mask in (FEW, MOST):
        proposal = Narrowed(inner, Never(mask))
        for exclude in (None, PROBLEM.excluded):
            ids, log_q = proposal.draw(context, 20, 7, exclude)
            left = contract.probabilities(inner, context, N, exclude).masked_fill(mask, 0.0)
            share = left / left.sum(1, keepdim=True)
            there = ids >= 0
            assert not bool(mask[ids[there]].any())
            assert torch.equal(there.any(1), (left > 0).any(1)) or proposal.of_batch
            wanted = share.gather(1, ids.clamp(min=0))[there]
            torch.testing.assert_close(log_q[there].double().exp(), wanted, rtol=1e-5, atol=1e-7)
            order = torch.randperm(48, generator=torch.Generator().manual_seed(1))
            assert torch.equal(proposal.draw(context.take(order), 20, 7, exclude)[0], ids[order])
        if not proposal.conditional:
            ids, log_q = proposal.pool(context, 40, 7)
            assert not bool(mask[ids[ids >= 0]].any())
            torch.testing.assert_close(log_q, proposal.log_prob(ids[None], context.pooled())[0])


@pytest.mark.nightly
@pytest.mark.parametrize("mask", [FEW, MOST], ids=["few", "most"])
@pytest.mark.parametrize("name", sorted(registry))
def test_a_proposal_without_some_items_keeps_what_proposals_promise(name: str, mask: torch.Tensor) -> None:
    make = partial(narrowed, name, mask)
    case = contract.ProposalCase(make, PROBLEM, make().of_batch, not make().conditional)
    for check in CHECKED:
        check(case)


@pytest.mark.parametrize("exclude", [None, PROBLEM.excluded], ids=["nothing", "some"])
@pytest.mark.parametrize("mask", [FEW, MOST], ids=["few", "most"])
@pytest.mark.parametrize("name", ["popularity", "mixed"])
def test_draws_follow_what_is_left(name: str, mask: torch.Tensor, exclude: Csr | None) -> None:
    parts = {"mixed": {"parts": ["typed", "uniform"]}}.get(name)
    make = partial(narrowed, name, mask) if parts is None else lambda: Narrowed(Mixed(parts["parts"]), Never(mask))
    contract.draws_follow_the_claim(contract.ProposalCase(make, PROBLEM), exclude, draws=10_000)


@pytest.mark.parametrize("name", sorted(presets))
def test_no_preset_draws_them(name: str) -> None:
    sampler, model = build(name), PROBLEM.model()
    sampler.bind(PROBLEM.catalogue)
    for step, mask in enumerate((FEW, MOST, FEW.roll(1))):
        sampler.never(mask)
        context = PROBLEM.batch(48, step)
        found = sampler(context.queries, context.positives, model, progress=0.5)
        assert bool(found.ok.any())
        assert not bool(mask[found.ids[found.ok]].any())
        if found.log_q is not None:
            assert bool(found.log_q[found.ok].isfinite().all())
    sampler.never(None)
    seen = [sampler(context.queries, context.positives, model, progress=0.5).ids.flatten() for _ in range(9)]
    assert bool((FEW | MOST)[torch.cat(seen)].any())


def test_every_item_that_is_left_is_in_the_pool_of_all() -> None:
    sampler = Sampler(Every(N), pool=1, guards=[])
    sampler.never(FEW)
    found = sampler([0, 1], [2, 3])
    assert found.pool.tolist() == (~FEW).nonzero()[:, 0].tolist()
    torch.testing.assert_close(found.log_q.exp(), torch.full(found.ids.shape, 1 / int((~FEW).sum())))


def test_a_pool_that_draws_row_by_row_keeps_its_size() -> None:
    for proposal, size in ((Uniform(N), 30), (Popularity(torch.ones(N)), 30)):
        sampler = Sampler(proposal, pool=30, guards=[])
        sampler.never(MOST)
        assert sampler([0, 1], [2, 3]).k == size


def test_a_batch_of_them_alone_leaves_an_empty_slot() -> None:
    counts, pair = torch.ones(N), torch.isin(torch.arange(N), torch.tensor([1, 2]))
    for proposal in (InBatch(counts), Mixed([InBatch(counts)])):
        sampler = Sampler(proposal, pool=4, guards=[])
        sampler.never(pair)
        found = sampler([0, 1], [1, 2])
        assert not bool(found.ok.any())
        assert found.k == 1
    rows = Sampler(InBatch(counts), candidates=4, guards=[])
    rows.never(pair)
    found = rows([0, 1, 2], [1, 2, 9])
    assert found.ok.all(1).tolist() == [True, True, False]
    assert rows.unfilled == 4


@pytest.mark.parametrize("given", ["mask", "array mask", "list mask", "ids", "array of ids"])
def test_items_are_named_by_a_mask_or_by_ids(given: str) -> None:
    items = FEW.nonzero()[:, 0]
    short = items.numpy().astype(np.int16)
    forms = {"mask": FEW, "array mask": FEW.numpy(), "list mask": FEW.tolist(), "ids": items.int()}
    sampler = negatives.sampler("uniform", ([0, 1], [1, 2]), n_items=N, never=forms.get(given, short))
    assert torch.equal(sampler.state()["never"], FEW)


def test_what_they_are_goes_on_with_the_state() -> None:
    one, two = (negatives.sampler("dns", ([0, 1], [1, 2]), n_items=N, seed=4) for _ in range(2))
    one.never(FEW)
    two.load_state(one.state())
    scores = negatives.Vectors(torch.ones(2, 1), torch.arange(float(N))[:, None])
    assert torch.equal(one([0, 1], [1, 2], scores).ids, two([0, 1], [1, 2], scores).ids)
    one.never(None)
    two.load_state(one.state())
    assert two.state()["never"] is None
    old = {name: part for name, part in one.state().items() if name != "never"}
    two.never(FEW)
    two.load_state(old)
    assert torch.equal(two.state()["never"], FEW)


def test_a_positive_that_is_never_drawn_has_no_chance_as_a_negative() -> None:
    sampler = negatives.sampler("nce", ([0, 1, 1], [1, 2, 3]), n_items=N, never=[2])
    found = sampler([1, 1], [2, 3])
    assert found.positive_log_q[0] == -torch.inf
    assert found.positive_log_q.exp().tolist() == [0.0, 0.5]


def test_a_knob_of_the_proposal_is_found_once() -> None:
    from negatives.control.base import schedules_in
    from negatives.proposals import Bigram

    sampler = Sampler(Bigram(weight=negatives.Linear(0.1, 0.9)), candidates=3)
    sampler.never(FEW)
    assert [path for path, _ in schedules_in(sampler)] == ["proposal.weight"]


def test_what_cannot_be_is_told() -> None:
    sampler = negatives.sampler("uniform", ([0, 1], [1, 2]), n_items=4)
    for items, told in (
        ([0, 1, 2, 3], "no item is left to draw"),
        ([4], "item 4 at place 0 is out of range; there are 4"),
        ([True] * 3, r"a mask of items has the shape \(3,\); give \(4,\)"),
        ([0.5], "item ids are float"),
    ):
        with pytest.raises(InputError, match=told):
            sampler.never(items)
    with pytest.raises(ConfigError, match="does not know how many items there are; bind it first, or give a mask"):
        Sampler(Uniform(9), candidates=1, guards=[]).never([3])


def test_nothing_that_remains_is_lost_to_rounding() -> None:
    """Of a distribution that is nearly all gone, what is left is drawn with its exact share."""
    counts = torch.ones(1000)
    counts[7] = 1e9
    mask = torch.zeros(1000, dtype=torch.bool)
    mask[7] = True
    proposal = Narrowed(Popularity(counts, alpha=1.0), Never(mask))
    known = Csr.from_pairs(torch.zeros(500, dtype=torch.int64), torch.arange(100, 600), 1, 1000)
    rows = torch.arange(50)
    context = Context(torch.zeros(50, dtype=torch.int64), rows, rows)
    for exclude, left in ((None, 999), (known, 499)):
        ids, log_q = proposal.draw(context, 20, 3, exclude)
        assert not bool((ids == 7).any())
        torch.testing.assert_close(log_q.exp(), torch.full((50, 20), 1 / left), rtol=1e-5, atol=0.0)


def test_queue_and_retrieved_are_narrowed_as_they_stand() -> None:
    """What such a proposal holds may all be gone; then nothing is drawn, and it is counted."""
    queue = Queue(4, N)
    queue.observe(Context(*[torch.tensor([5, 5, 6, 6])] * 3))
    sampler = Sampler(queue, candidates=3, guards=[])
    sampler.never(torch.arange(N) < 9)
    assert not bool(sampler([0], [1]).ok.any())
    assert sampler.unfilled == 3
    catalogue = Catalogue(2, N, torch.ones(N, dtype=torch.int64), Csr.from_pairs(*[torch.arange(2)] * 2, 2, N))
    sampler = Sampler(Retrieved(stop=3), candidates=5, guards=[])
    sampler.bind(catalogue)
    model = MatrixFactorization(2, N, 4)
    first = sampler(torch.arange(2), torch.arange(2), model).ids
    sampler.never(torch.unique(first[0]))
    assert not bool(torch.isin(sampler(torch.arange(2), torch.arange(2), model).ids[0], first[0]).any())


def test_a_mask_of_other_data_is_refused() -> None:
    sampler = Sampler(Uniform(), candidates=2)
    sampler.never(FEW)
    sampler.bind(PROBLEM.catalogue)
    assert not bool(FEW[sampler([0] * 50, [1] * 50).ids].any())
    with pytest.raises(ConfigError, match="was said of 23 items, and the data has 9; say it after binding"):
        sampler.bind(Catalogue(2, 9, torch.ones(9, dtype=torch.int64)))
