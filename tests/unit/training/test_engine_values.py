"""What engines tell and move, against formulas that are written out."""

from __future__ import annotations

import math

import pytest
import torch
from test_tower_engine import CATALOGUE, KNOWN, POOL, ROWS, Dense, Penalised, both
from test_tower_engine import context as tower_context
from torch import Tensor, nn

from negatives.errors import NonFiniteScores
from negatives.guards import AbsoluteMargin, OwnPositive
from negatives.losses import BSL, Logistic, SampledSoftmax, Squared
from negatives.models import registry as models
from negatives.models.factorization import MatrixFactorization
from negatives.models.knowledge import ComposedModel
from negatives.models.lightgcn import LightGCN
from negatives.models.steps import TowerSteps
from negatives.models.words.glove import Glove
from negatives.models.words.skip_gram import SkipGram
from negatives.proposals import Uniform
from negatives.randomness import Purpose
from negatives.sampler import Sampler, build
from negatives.training.engines import Update, engine_for, pool, windows
from negatives.training.engines.autograd import AutogradEngine
from negatives.training.engines.base import finite
from negatives.training.engines.dense import DenseOptimiser
from negatives.training.engines.tower import TowerEngine
from negatives.types import Context

N = 12


def rows(n: int = 30, step: int = 0) -> Context:
    places = torch.arange(n)
    return Context(places % 5, places * 7 % N, places, seed=2, step=step)


@pytest.mark.parametrize("sampler", [POOL, ROWS])
def test_a_tower_descends_along_the_mean_however_its_negatives_are_drawn(sampler: dict) -> None:
    """Plain descent tells the length of a gradient; optimisers that rescale it do not."""
    mine, plain = both(Dense, sampler, "sampled_softmax" if sampler is POOL else "logistic", "sgd")
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value, atol=1e-6, rtol=1e-4)


def test_the_table_moves_at_its_own_rate_and_penalties_move_the_tower() -> None:
    moved = {}
    for kind, rate in ((Dense, 1.0), (Dense, 0.25), (Penalised, 1.0)):
        model, sampler = kind(), build(POOL)
        sampler.bind(CATALOGUE)
        model.table_steps = TowerSteps(table_rate=rate)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        TowerEngine(model, sampler, SampledSoftmax(), Update("sgd")).step(tower_context(), 0.1)
        moved[kind, rate] = {name: value - before[name] for name, value in model.state_dict().items()}
    whole, slow, kept = moved.values()
    torch.testing.assert_close(slow["item_table"], whole["item_table"] / 4)
    torch.testing.assert_close(slow["mixed"], whole["mixed"])
    torch.testing.assert_close(kept["mixed"], whole["mixed"] - 0.1 * 0.2 * Dense().mixed.detach())


class Heavy(LightGCN):
    def penalty(self, context: Context) -> Tensor | None:
        return 0.3 * self.item_table.square().sum()


@pytest.mark.parametrize("multiplied", [True, False])
def test_a_penalty_is_part_of_what_is_minimised(multiplied: bool) -> None:
    moved = []
    for kind in (LightGCN, Heavy):
        model, sampler = kind(KNOWN, 4, seed=1), build({"name": "softmax", "pool": 6})
        model.inner_product = multiplied  # type: ignore[misc]
        sampler.bind(CATALOGUE)
        before = model.item_table.detach().clone()
        AutogradEngine(model, sampler, SampledSoftmax(), Update("sgd")).step(tower_context(), 0.5)
        moved.append((before, model.item_table.detach()))
    (before, plain), (_, heavy) = moved
    torch.testing.assert_close(heavy, plain - 0.5 * 0.6 * before, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_a_model_that_drops_is_scored_as_it_is_trained(shared: bool) -> None:
    queries = torch.arange(20)
    spec = {"name": "distmult", "query_heads": queries % N, "query_relations": queries % 4, "n_items": N, "dim": 8}
    model = models.build(spec | {"init": 0.5, "dropout": 0.5})
    assert isinstance(model, ComposedModel)
    sizes = {"pool": 6} if shared else {"candidates": 6}
    sampler = Sampler(Uniform(n_items=N), guards=[AbsoluteMargin(-99.0)], **sizes)  # type: ignore[arg-type]
    with torch.no_grad():
        vectors = model.composed(*model.gather(rows().queries), rows())
        start = model.entities.detach().clone()
    outcome = engine_for(model, sampler, SampledSoftmax(), Update("sgd")).step(rows(), 0.1)
    wanted = torch.einsum("rd,rkd->rk", vectors, start[outcome.negatives.ids])
    torch.testing.assert_close(outcome.negative, wanted)
    assert outcome.negatives.scores is not None
    assert not torch.allclose(outcome.negatives.scores, wanted)


@pytest.mark.parametrize("block", [60, 1 << 22])
@pytest.mark.parametrize("cells", [13, 1 << 19])
@pytest.mark.parametrize(
    "loss", [BSL(), Logistic()]
)  # one with a kernel for pools, and one that PyTorch differentiates
def test_blocks_and_pieces_do_not_show(
    block: int, cells: int, loss: BSL | Logistic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "BLOCK", block)
    monkeypatch.setattr(pool, "CELLS", cells)
    model = MatrixFactorization(5, N, 4, init=0.5, seed=1)
    sampler = Sampler(Uniform(n_items=N), guards=[OwnPositive()], pool=6)
    with torch.no_grad():
        scores = model.score(rows().queries, torch.arange(N).expand(30, N))
    outcome = engine_for(model, sampler, loss, Update("sgd")).step(rows(), 0.1)
    wanted = scores.gather(1, outcome.negatives.ids)
    torch.testing.assert_close(outcome.negative, wanted)
    each = loss.rows(scores.gather(1, rows().positives[:, None])[:, 0], wanted, outcome.negatives)
    assert outcome.loss == pytest.approx(float(each.mean()), rel=1e-4)


def text() -> Context:
    """Two sentences of fifteen words, of which each comes often."""
    words = torch.arange(30) * 7 % 6
    examples = torch.cat([torch.arange(15), (1 << 20) + torch.arange(15)])
    return Context(words.roll(1), words, examples, seed=3)


def test_a_centre_is_never_its_own_negative_whatever_the_loss() -> None:
    tables = []
    for guards in ([], [OwnPositive()]):
        model = SkipGram(6, dim=4, window=2, seed=1)
        model.item_table.data.copy_(torch.arange(24.0).view(6, 4) / 24)
        sampler = Sampler(Uniform(n_items=6), guards=guards, candidates=5)  # type: ignore[arg-type]
        engine_for(model, sampler, SampledSoftmax(), Update("sgd")).step(text(), 0.1)
        tables.append((model.query_table.detach(), model.item_table.detach()))
    for one, other in zip(*tables, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("loss", [Logistic(), SampledSoftmax()])
def test_the_reach_of_windows_has_a_key_of_its_own(
    loss: Logistic | SampledSoftmax, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, usual = [], windows.Windows

    def made(*parts: object) -> object:
        keys.append(parts[3])
        return usual(*parts)  # type: ignore[arg-type]

    monkeypatch.setattr(windows, "Windows", made)
    sampler = Sampler(Uniform(n_items=6), candidates=2)
    engine_for(SkipGram(6, dim=4, window=2), sampler, loss, Update("sgd")).step(text(), 0.1)
    others = {text().key(one) for one in Purpose if one is not Purpose.NOISE}
    assert keys == [text().key(Purpose.NOISE)]
    assert not others & set(keys)


def test_the_loss_of_cells_by_hand() -> None:
    counts = torch.tensor([1.0, 4.0, 20.0, 7.0])
    model = Glove(5, counts, dim=3, x_max=10.0, power=0.5, zero_target=-1.5, seed=2)
    for table in (model.query_table, model.item_table):
        table.data[:, :3] += torch.arange(15.0).view(5, 3) / 9
    context = Context(torch.tensor([0, 1, 2, 3]), torch.tensor([1, 2, 3, 4]), torch.arange(4), seed=1)
    sampler = Sampler(Uniform(n_items=5), guards=[], candidates=3)
    with torch.no_grad():
        scores = model.score(context.queries, torch.arange(5).expand(4, 5))
    outcome = engine_for(model, sampler, Squared(0.7), Update("adagrad")).step(context, 0.1)
    total = 0.0
    for row in range(4):
        weight = min(1.0, float(counts[row]) / 10) ** 0.5
        total += 0.5 * weight * (float(scores[row, row + 1]) - math.log(counts[row])) ** 2
        over = [max(0.0, float(scores[row, item]) + 1.5) for item in outcome.negatives.ids[row].tolist()]
        total += 0.5 * 0.7 * sum(one * one for one in over)
    assert outcome.loss == pytest.approx(total / 4, rel=1e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_training_ends_where_the_loss_is_no_number(value: float) -> None:
    with pytest.raises(NonFiniteScores, match="step 4"):
        finite(torch.tensor(value), rows(step=4))
    assert finite(torch.tensor(2.5), rows()) == 2.5


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam"])
def test_every_dense_optimiser_decays_and_takes_the_step_it_is_given(name: str) -> None:
    moves = []
    for lr, decay in ((0.1, 0.5), (0.2, 0.5), (0.1, 0.0)):
        parameter = nn.Parameter(torch.ones(3))
        parameter.grad = torch.zeros(3)
        DenseOptimiser([parameter], Update(name, decay)).step(lr)
        moves.append(1.0 - float(parameter[0].detach()))
    assert moves[2] == 0.0
    assert moves[0] > 0.04
    assert moves[1] == pytest.approx(2 * moves[0], rel=1e-4)
