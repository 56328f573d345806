"""Two processes with half of a batch each do what one process does with the whole: loss, gradients, guards."""

from __future__ import annotations

import re
import runpy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, multiprocessing, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from negatives import Csr, InBatch, KnownPositives, Sampler
from negatives.errors import ConfigError
from negatives.guards import Duplicates, OwnPositive
from negatives.integrations.distributed import GatheredBatch, gather_ranks, joined_mean
from negatives.losses import InfoNCE, Loss, SampledSoftmax
from negatives.proposals.base import Proposal
from negatives.testing.gather import leave
from negatives.types import Context, Negatives

N_QUERIES, N_ITEMS, DIM, WIDE = 10, 7, 4, 12
QUERIES = torch.tensor([0, 3, 1, 4, 2, 3, 9, 8])
ITEMS = torch.tensor([2, 5, 2, 0, 6, 1, 5, 2])
"""Items 2 and 5 stand in both halves; query 3 stands in both, with two answers."""
FIRST = {"even": 4, "uneven": 5}
"""Rows of the first process."""
LOSSES: dict[str, Loss] = {"info_nce": InfoNCE(0.5), "sampled_softmax": SampledSoftmax()}


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        made = torch.Generator().manual_seed(5)
        self.query, self.item = nn.Linear(DIM, WIDE), nn.Linear(DIM, WIDE)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.5, generator=made)
        self.features = torch.randn(N_QUERIES + N_ITEMS, DIM, generator=made)

    def forward(self, queries: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        found = self.query(self.features[queries]), self.item(self.features[N_QUERIES + items])
        return found


@dataclass
class Step:
    """What one process saw: its loss, the gradients of all weights, and the pool with what was allowed."""

    loss: Tensor
    gradients: list[Tensor]
    negatives: Negatives


def sampler(proposal: Proposal, loss: str, pool: int = 8) -> Sampler:
    known = Csr.from_pairs(torch.cat([QUERIES, torch.tensor([0])]), torch.cat([ITEMS, torch.tensor([6])]), 10, 7)
    guards = [KnownPositives(known), *([Duplicates()] if loss == "info_nce" else [])]  # duplicates drop log_q
    return Sampler(proposal, pool=pool, guards=guards)


def counts() -> Tensor:
    return torch.bincount(ITEMS, minlength=N_ITEMS) + 1


def take_step(model: nn.Module, towers: Towers, rows: slice, proposal: Proposal, name: str) -> Step:
    queries, items = QUERIES[rows], ITEMS[rows]
    asked, answered = model(queries, items)
    negatives = sampler(proposal, name)(queries, items)
    everyone, ids = gather_ranks(answered, items)
    assert torch.equal(ids, negatives.ids[0])
    scores = (asked * answered).sum(1), asked @ everyone.T
    loss = joined_mean(LOSSES[name].rows(*scores, negatives))
    loss.backward()
    gradients = [parameter.grad for parameter in towers.parameters() if parameter.grad is not None]
    return Step(loss.detach(), gradients, negatives)


def work(rank: int, folder: str) -> None:
    """One of two processes; writes what it saw."""
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    seen: dict[str, Any] = {}
    for split, first in FIRST.items():
        rows = slice(0, first) if rank == 0 else slice(first, 8)
        for name in LOSSES:
            towers = Towers()
            step = take_step(DistributedDataParallel(towers), towers, rows, GatheredBatch(counts()), name)
            seen[f"{split} {name}"] = (step.loss, step.gradients, step.negatives.ok, step.negatives.log_q)
        vectors = torch.ones(rows.stop - rows.start, 2, requires_grad=True)
        everyone, _ = gather_ranks(vectors, ITEMS[rows])
        (everyone * (rank + 1.0) * torch.arange(8.0)[:, None]).sum().backward()
        seen[f"{split} rows"] = vectors.grad
    try:
        sampler(GatheredBatch(counts()), "info_nce", pool=7)(QUERIES[:4], ITEMS[:4])
    except ConfigError as error:
        seen["too small"] = str(error)
    torch.save(seen, f"{folder}/{rank}.pt")
    leave()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(work, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("split", FIRST)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradients_are_those_of_the_joined_batch(split: str, name: str, seen: list[dict[str, Any]]) -> None:
    towers = Towers()
    whole = take_step(towers, towers, slice(0, 8), InBatch(counts()), name)
    parts = [one[f"{split} {name}"] for one in seen]
    torch.testing.assert_close(sum(part[0] for part in parts) / 2, whole.loss)
    assert len(whole.gradients) == 4
    for _, gradients, _, _ in parts:  # DistributedDataParallel gives all ranks the same
        torch.testing.assert_close(gradients, whole.gradients)
    assert torch.equal(torch.cat([part[2] for part in parts]), whole.negatives.ok)
    if whole.negatives.log_q is not None:
        torch.testing.assert_close(torch.cat([part[3] for part in parts]), whole.negatives.log_q)
    assert (whole.negatives.log_q is None) == (name == "info_nce")


@pytest.mark.parametrize("split", FIRST)
def test_a_row_gets_the_gradients_of_all_ranks(split: str, seen: list[dict[str, Any]]) -> None:
    found = torch.cat([one[f"{split} rows"] for one in seen])
    torch.testing.assert_close(found, 3.0 * torch.arange(8.0)[:, None].expand(8, 2))


def test_a_pool_that_is_too_small_is_named(seen: list[dict[str, Any]]) -> None:
    assert all("pool is 7 but the batches of all ranks hold 8 rows" in one["too small"] for one in seen)


def test_one_process_keeps_what_it_has() -> None:
    vectors, losses = torch.randn(3, 2, requires_grad=True), torch.tensor([1.0, 2.0, 6.0])
    everyone, ids = gather_ranks(vectors, ITEMS[:3])
    assert everyone is vectors
    assert torch.equal(ids, ITEMS[:3])
    assert float(joined_mean(losses)) == 3.0
    one, two = (Sampler(make(counts()), pool=8, guards=[OwnPositive()]) for make in (GatheredBatch, InBatch))
    first, second = one(QUERIES, ITEMS), two(QUERIES, ITEMS)
    assert first.log_q is not None
    assert second.log_q is not None
    assert first.positive_log_q is not None
    assert second.positive_log_q is not None
    assert torch.equal(first.ids, second.ids)
    assert torch.equal(first.ok, second.ok)
    assert torch.equal(first.log_q, second.log_q)
    assert torch.equal(first.positive_log_q, second.positive_log_q)


def test_what_cannot_be_gathered() -> None:
    with pytest.raises(ConfigError, match="give one id each"):
        gather_ranks(torch.zeros(3, 2), ITEMS[:2])
    with pytest.raises(ConfigError, match="pool=, not candidates="):
        Sampler(GatheredBatch(counts()), candidates=4)(QUERIES, ITEMS)
    context = Context(QUERIES, ITEMS, torch.arange(len(ITEMS)))
    with pytest.raises(ConfigError, match="pool is 3"):
        GatheredBatch(counts()).pool(context, 3, 0)


def test_the_example_runs_in_one_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    path = Path(__file__).parents[3] / "examples" / "ranks.py"
    assert len(path.read_text().splitlines()) < 60
    with torch.random.fork_rng():
        runpy.run_path(str(path), run_name="__main__")
    (found,) = re.findall(r"ranks 1, right at the first place ([\d.]+)", capsys.readouterr().out)
    assert float(found) > 0.4
