"""Equal draws of a pool made one: exact, in even numbers, for losses that only estimate, and seen by no signal."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from negatives.control.signals import false_negative_signals, signals
from negatives.diagnostics import Probes
from negatives.errors import LogQUnknown
from negatives.guards import KnownPositives
from negatives.losses import NCE, SampledSoftmax, SLAtK, Talos
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import Every, InBatch, Mixed, Popularity, Uniform
from negatives.sampler import Sampler, build
from negatives.sampler.merging import EVEN, merged
from negatives.selection import SelfAdversarial
from negatives.testing import check_sampler, problem
from negatives.training.callbacks import Step
from negatives.types import Catalogue, Context, Csr, Negatives

ITEMS, ROWS = 30, 90


def _pool(k: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(seed)
    ids = torch.randint(-1, n, (k,), generator=made)
    return ids, (torch.rand(n + 1, generator=made) + 0.01).log()[ids]


@pytest.mark.parametrize("k", [0, 1, 2, 63, 64, 65, 200, 2048])
@pytest.mark.parametrize("n", [1, 3, 50, 300, 5000])
def test_the_estimate_is_that_of_all_draws(k: int, n: int) -> None:
    ids, log_q = _pool(k, n, k + n)
    of = torch.rand(n + 1, generator=torch.Generator().manual_seed(9)).double()
    slots, corrected, repeats = merged(ids, log_q)
    wanted = (of[ids] / log_q.double().exp()).sum() / max(k, 1)
    found = (of[slots] / corrected.double().exp()).sum() / max(slots.numel(), 1)
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)
    assert torch.equal(slots.repeat_interleave(repeats.long()), ids.sort().values)


@pytest.mark.parametrize("k", [1, 63, 64, 65, 200, 2048])
@pytest.mark.parametrize("n", [1, 50, 300, 5000])
def test_slots_are_few_and_come_in_even_numbers(k: int, n: int) -> None:
    ids, log_q = _pool(k, n, k)
    slots = merged(ids, log_q)[0].numel()
    assert slots == k or slots % EVEN == 0
    assert ids.unique().numel() <= slots < ids.unique().numel() + EVEN


def _bound(sampler: Sampler) -> tuple[Sampler, Context, MatrixFactorization]:
    made = torch.Generator().manual_seed(3)
    users = torch.randint(0, 12, (400,), generator=made)
    items = (torch.rand(400, generator=made).square() * ITEMS).long()
    known = Csr.from_pairs(users, items, 12, ITEMS)
    sampler.bind(Catalogue(12, ITEMS, torch.bincount(items, minlength=ITEMS), known))
    context = Context(users[:ROWS], items[:ROWS], torch.arange(ROWS))
    return sampler, context, MatrixFactorization(12, ITEMS, dim=4)


def _both(sampler: Sampler) -> tuple[Negatives, Negatives, Context, MatrixFactorization]:
    sampler, context, model = _bound(sampler)
    apart = sampler.sample(context, model)
    sampler.merges = True
    return apart, sampler.sample(context, model), context, model


PROPOSALS = {
    "uniform": Uniform,
    "popularity": Popularity,
    "in_batch": InBatch,
    "every": Every,
    "mixed": lambda: Mixed(["seen", "in_batch"]),
}


@pytest.mark.parametrize("loss", [SampledSoftmax(), SampledSoftmax(0.3), SLAtK(at=3), Talos(at=3)], ids=repr)
@pytest.mark.parametrize("name", PROPOSALS)
def test_losses_and_gradients_are_those_of_all_draws(name: str, loss: SampledSoftmax) -> None:
    made = Sampler(PROPOSALS[name](), guards=[KnownPositives()], pool=300)  # type: ignore[operator]
    apart, one, context, model = _both(made)
    assert one.k <= 64 <= apart.k or name == "every"
    found = []
    for negatives in (apart, one):
        model.zero_grad()
        value = loss(*(model.score(context.queries, ids) for ids in (context.positives, negatives.ids)), negatives)
        value.backward()  # type: ignore[no-untyped-call]
        found.append((value.detach(), *(p.grad for p in model.parameters())))
    for wanted, got in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


def test_signals_and_probes_count_draws() -> None:
    apart, one, context, model = _both(Sampler(Mixed(["seen", "in_batch"]), guards=[KnownPositives()], pool=300))
    canaries = Csr.from_pairs(torch.arange(12), torch.arange(12), 12, ITEMS)
    told, probed = [], []
    for negatives in (apart, one):
        scores = [model.score(context.queries, ids).detach() for ids in (context.positives, negatives.ids)]
        found = signals(*scores, negatives)
        lift = false_negative_signals(negatives, context, canaries, ITEMS, 0.1)
        told.append(found | {name: lift[name] for name in ("false_negative_lift", "false_negative_rate")})
        probes = Probes(torch.arange(ITEMS, 0, -1))
        probes.on_step(Step(context, negatives, *scores, 1.0, {}, 1.0, {}))
        probed.append(probes.take())
    apart_repeats = told[0].pop("duplicate_share"), told[1].pop("duplicate_share")
    assert apart_repeats[1] == pytest.approx(1 - one.k / apart.k)  # a few stay apart
    assert told[1] == pytest.approx(told[0], rel=1e-4)
    for found in probed:
        found.pop("duplicate_share")
    assert probed[1] == pytest.approx(probed[0], rel=1e-4)


def test_a_selection_that_chooses_is_given_all_draws() -> None:
    for select in ({"name": "self_adversarial"}, {"name": "random", "k": 5}, {"name": "hardest", "k": 5}):
        sampler = build({"proposal": "uniform", "pool": 300, "select": select})
        sampler.merges = True
        sampler, context, model = _bound(sampler)
        assert sampler.sample(context, model).repeats is None
    apart = Sampler(Uniform(), guards=[KnownPositives()], candidates=50, merges=True)
    sampler, context, model = _bound(apart)
    assert sampler.sample(context, model).repeats is None


def test_what_compares_densities_is_not_given_merged_draws() -> None:
    _, one, context, model = _both(Sampler(Popularity(), guards=[KnownPositives()], pool=300))
    scores = [model.score(context.queries, ids) for ids in (context.positives, one.ids)]
    with pytest.raises(LogQUnknown, match="positives' log-probability"):
        NCE()(*scores, one)
    assert not NCE().estimates
    assert not SampledSoftmax(correction=False).estimates
    assert SelfAdversarial(alpha=1.0).takes_all is False


def test_batches_with_padding_keep_what_slots_stand_for() -> None:
    sampler, context, _ = _bound(Sampler(Uniform(), guards=[KnownPositives()], pool=300, merges=True))
    grid = context.positives.view(9, 10)
    found = sampler(context.queries.view(9, 10), grid, mask=torch.arange(90).view(9, 10) % 7 > 0)
    assert found.repeats is not None
    assert found.repeats.shape == found.ids.shape
    assert float(found.flat().repeats[0].sum()) == 300  # type: ignore[index]


def test_the_contract_holds_for_a_sampler_that_merges() -> None:
    check_sampler(lambda seed: Sampler(Popularity(), guards=[KnownPositives()], pool=70, merges=True, seed=seed))
    assert problem().n_items < 70
