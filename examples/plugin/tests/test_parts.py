"""Each part keeps the contract of its kind, and does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baskets.guard import Strikes
from baskets.loss import SquaredHinge
from baskets.metric import RBP
from baskets.model import RecentItems
from baskets.proposal import Geometric
from baskets.selection import ByRank
from negatives.data.readers import Options, read, reader_of
from negatives.data.readers.schema import PAIRS
from negatives.errors import ConfigError, InputError
from negatives.evaluation.values import Ranked
from negatives.losses import registry as losses
from negatives.sampler import build, preset
from negatives.testing import (
    check_guard,
    check_loss,
    check_metric,
    check_model,
    check_proposal,
    check_sampler,
    check_selection,
)
from negatives.types import Candidates, Catalogue, Context, Csr, Negatives


@pytest.mark.parametrize("share", [0.1, 2.0])
def test_the_proposal(share: float) -> None:
    check_proposal(lambda: Geometric(share), draws=100_000)


def test_ranks_fall_by_one_factor() -> None:
    proposal = Geometric(share=0.5)
    proposal.bind(Catalogue(1, 4, torch.tensor([1, 9, 4, 4])))
    context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    chances = proposal.log_prob(torch.tensor([[1, 2, 3, 0]]), context).exp()[0]
    torch.testing.assert_close(chances[1:] / chances[:-1], torch.full((3,), -0.5).exp())
    with pytest.raises(ConfigError, match="share"):
        Geometric(share=0.0)


@pytest.mark.parametrize("most", [1, 2])
def test_the_guard(most: int) -> None:
    check_guard(lambda: Strikes(most))


def test_the_guard_leaves_out_what_was_struck() -> None:
    guard = Strikes(most=2)
    guard.bind(Catalogue(2, 5, torch.ones(5, dtype=torch.int64)))
    context = Context(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([0, 1]))
    ids, ok = torch.tensor([[3, 4, 1], [3, 4, 1]]), torch.tensor([[True, True, False], [True, True, True]])
    scores, positive = torch.tensor([[2.0, 0.5, 9.0], [2.0, 0.5, 0.0]]), torch.tensor([1.0, 1.5])
    drawn = Candidates(ids, None, ok, scores, positive)
    for step in range(3):
        allowed = guard.allow(context, drawn).tolist()
        assert allowed == ([[True] * 3] * 2 if step < 2 else [[False, True, True], [False, True, True]])
        guard.observe(context, Negatives(ids, None, ok, None, scores, positive))


@pytest.mark.parametrize("k", [1, 5])
def test_the_selection(k: int) -> None:
    check_selection(lambda: ByRank(k, scale=1.5))


def test_the_hardest_is_chosen_most() -> None:
    rows = torch.arange(4000)
    ok = torch.tensor([True, True, False, True]).expand(4000, -1)
    drawn = Candidates(torch.arange(4).expand(4000, -1), None, ok, torch.tensor([0.0, 5.0, 9.0, 1.0]).expand(4000, -1))
    found = ByRank(1, scale=1.0).pick(Context(rows, rows, rows), drawn, drawn.scores, key=7)
    shares = torch.bincount(found.ids[:, 0], minlength=4) / 4000
    wanted = torch.tensor([-2.0, 0.0, -torch.inf, -1.0]).softmax(0)
    torch.testing.assert_close(shares, wanted, atol=0.03, rtol=0.0)


def test_the_loss() -> None:
    check_loss(SquaredHinge)
    assert losses.get("squared_hinge").pairwise


def lists(*rows: str) -> Ranked:
    """Ranked lists from words such as ``"x.x"``, where x is a hit."""
    gains = torch.tensor([[mark == "x" for mark in row] for row in rows])
    items = torch.arange(gains.numel()).reshape(gains.shape)
    return Ranked(items=items, gains=gains, relevant=torch.full((len(rows),), 4), n_candidates=30)


def test_the_metric() -> None:
    check_metric(lambda: RBP(4), [lists("x..x", "....", "xxx."), lists(".xx.")], high=1 - 0.8**4, best=[lists("xxxx")])
    assert RBP(2).of(lists(".x")).item() == pytest.approx(0.16)
    assert RBP().of(lists(".x.x")).item() == pytest.approx(0.16 + 0.2 * 0.8**3)


def histories() -> tuple[Csr, torch.Tensor]:
    """Six users with five of nine items each; user 0 takes item ``8 - i`` at time ``i``."""
    users, places = torch.arange(6).repeat_interleave(5), torch.arange(30) % 5
    known = Csr.from_pairs(users, (8 - places + users) % 9, 6, 9)
    return known, ((8 + torch.arange(6).repeat_interleave(5) - known.indices) % 9).double()


def model(seed: int = 0, length: int = 3) -> RecentItems:
    return RecentItems(*histories(), dim=4, length=length, seed=seed)


def test_the_model() -> None:
    known, _ = histories()
    queries = torch.arange(6).repeat_interleave(5)[::3]
    check_model(model, batch=Context(queries, known.indices.long()[::3], torch.arange(10)))


def test_a_row_sees_what_was_before_its_positive() -> None:
    one = model()

    def encoded(*items: int) -> torch.Tensor:
        return one.start + one.weights[: len(items)] @ one.past_table[list(items)]

    queries = torch.tensor([0, 0, 0, 0])
    one.refresh(Context(queries, torch.tensor([8, 7, 4, 1]), torch.arange(4)))
    wanted = torch.stack([encoded(), encoded(8), encoded(5, 6, 7), encoded(4, 5, 6)])
    torch.testing.assert_close(one.encode_queries(queries), wanted)
    one.refresh()
    torch.testing.assert_close(one.encode_queries(queries[:1])[0], encoded(4, 5, 6))
    one.extend(Csr.from_pairs(torch.zeros(6, dtype=torch.int64), torch.tensor([8, 7, 6, 5, 4, 0]), 6, 9))
    torch.testing.assert_close(one.encode_queries(queries[:1])[0], encoded(0, 4, 5))


def test_items_of_one_time_do_not_see_each_other() -> None:
    known = Csr.from_pairs(torch.zeros(4, dtype=torch.int64), torch.arange(4), 1, 5)
    one = RecentItems(known, torch.tensor([1.0, 1.0, 2.0, 2.0]), dim=4, length=2)
    queries = torch.zeros(4, dtype=torch.int64)
    one.refresh(Context(queries, torch.arange(4), torch.arange(4)))
    found = one.encode_queries(queries)
    torch.testing.assert_close(found[:2], one.start.expand(2, -1))
    torch.testing.assert_close(found[2], one.start + one.weights @ one.past_table[[1, 0]])
    torch.testing.assert_close(found[3], found[2])


def test_the_preset() -> None:
    assert preset("oversampled").loss == "squared_hinge"
    check_sampler(lambda seed: build("oversampled", seed))


def test_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "shop.baskets"
    path.write_text("# a shop\nanna milk bread\nben milk\n\nanna tea\n")
    assert type(reader_of(path)).__name__ == "BasketLines"
    found = read(path, PAIRS)["train"]
    times = found.numbers("time")
    assert times is not None
    assert list(zip(found.ids("user").text(), found.ids("item").text(), times, strict=True)) == [
        ("anna", "milk", 1.0), ("anna", "bread", 1.0), ("ben", "milk", 2.0), ("anna", "tea", 3.0)
    ]  # fmt: skip
    path.write_text("anna milk\nben\n")
    with pytest.raises(InputError, match=r"shop.baskets, line 2: the basket of ben is empty"):
        read(path, PAIRS)["train"]
    assert "1 empty baskets dropped" in read(path, PAIRS, Options(missing="drop"))["train"].notes[1]
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="no basket"):
        read(path, PAIRS)["train"]
