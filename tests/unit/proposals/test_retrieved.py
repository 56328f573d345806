"""Windows that the model retrieves, and a teacher's vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from negatives.errors import ConfigError, InputError
from negatives.guards import Teacher
from negatives.models.factorization import MatrixFactorization
from negatives.proposals import Retrieved
from negatives.randomness import integers
from negatives.sampler import Sampler
from negatives.types import Candidates, Catalogue, Context, Csr

N_QUERIES, N_ITEMS = 6, 30


def catalogue() -> Catalogue:
    rows = torch.arange(N_QUERIES).repeat_interleave(2)
    known = Csr.from_pairs(rows, (rows * 5 + torch.tensor([0, 3]).repeat(N_QUERIES)) % N_ITEMS, N_QUERIES, N_ITEMS)
    return Catalogue(N_QUERIES, N_ITEMS, torch.bincount(known.indices.long(), minlength=N_ITEMS), known)


def batch(step: int = 0, rows: int = 12) -> Context:
    at = torch.arange(rows)
    return Context(at % N_QUERIES, at % N_QUERIES * 5, at + 100 * step, step=step)


def expected(model: MatrixFactorization, start: int, stop: int) -> list[set[int]]:
    queries, items = model.tables()
    known, found = catalogue().known, []
    assert known is not None
    for query in range(N_QUERIES):
        own = set(known.row(query).tolist())
        order = [item for item in (queries[query] @ items.T).argsort(descending=True).tolist() if item not in own]
        found.append(set(order[start:stop]))
    return found


def test_windows_are_those_of_the_ranking() -> None:
    model, proposal = MatrixFactorization(N_QUERIES, N_ITEMS, 8), Retrieved(2, 9, every=5)
    proposal.bind(catalogue())
    proposal.refresh(batch(), model)
    ids, log_q = proposal.draw(batch(), 400, 7)
    wanted = expected(model, 2, 9)
    for row, query in enumerate(batch().queries.tolist()):
        assert set(ids[row].tolist()) == wanted[query]
    torch.testing.assert_close(log_q.exp(), torch.full_like(log_q, 1 / 7))


def test_the_search_is_repeated_when_it_is_due() -> None:
    model, proposal = MatrixFactorization(N_QUERIES, N_ITEMS, 8), Retrieved(0, 5, every=5)
    proposal.bind(catalogue())
    proposal.refresh(batch(0), model)
    before = proposal.draw(batch(), 200, 7)[0]
    with torch.no_grad():
        model.item_table.neg_()
    proposal.refresh(batch(4), model)
    assert torch.equal(proposal.draw(batch(), 200, 7)[0], before)
    other = Retrieved(0, 5, every=5)
    other.bind(catalogue())
    other.load_state(proposal.state())
    for one in (proposal, other):
        one.refresh(batch(5), model)
        assert set(one.draw(batch(), 200, 7)[0][0].tolist()) == expected(model, 0, 5)[0]


def test_a_shared_pool_serves_the_rows_of_the_batch() -> None:
    model, proposal = MatrixFactorization(N_QUERIES, N_ITEMS, 8), Retrieved(0, 6, shared=True)
    sampler = Sampler(proposal, pool=24)
    sampler.bind(catalogue())
    negatives = sampler.sample(batch(), model)
    assert negatives.pool is not None
    assert negatives.pool.numel() == 24
    windows = expected(model, 0, 6)
    for place, item in enumerate(negatives.pool.tolist()):
        assert item in windows[place // 2 % N_QUERIES]
    whole = proposal.log_prob(torch.arange(N_ITEMS)[None], batch()).double().exp()
    share = torch.tensor([sum(item in window for window in windows) / 36 for item in range(N_ITEMS)])
    torch.testing.assert_close(whole[0], share.double(), atol=1e-6, rtol=0)


def test_pools_over_random_batches_hold_items_as_log_q_says() -> None:
    model, proposal = MatrixFactorization(N_QUERIES, N_ITEMS, 8), Retrieved(0, 6, shared=True, every=10**9)
    proposal.bind(catalogue())
    totals = torch.zeros(N_ITEMS)
    for step in range(2000):
        queries = integers(4, torch.tensor(step), torch.arange(8), N_QUERIES)
        context = Context(queries, queries * 5, torch.arange(8) + 8 * step, step=step)
        proposal.refresh(context, model)
        totals += torch.bincount(proposal.pool(context, 16, 3 + step)[0], minlength=N_ITEMS)
    q = proposal.log_prob(torch.arange(N_ITEMS)[None], batch()).exp()[0]
    torch.testing.assert_close(totals / totals.sum(), q, atol=0.006, rtol=0)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="start < stop"):
        Retrieved(5, 5)
    with pytest.raises(ConfigError, match="known positives"):
        Retrieved().bind(Catalogue(2, 3, torch.ones(3)))


def test_a_teacher_from_a_file(tmp_path: Path) -> None:
    queries, items = torch.eye(N_QUERIES, 8), torch.randn(N_ITEMS, 8, generator=torch.Generator().manual_seed(1))
    path = tmp_path / "teacher.safetensors"
    save_file({"queries": queries, "items": items}, path)
    guard = Teacher(vectors=str(path), margin=0.1)
    guard.bind(catalogue())
    pool = torch.arange(N_ITEMS).expand(12, -1)
    drawn = Candidates(pool, None, torch.ones(1, 1, dtype=torch.bool).expand(12, N_ITEMS))
    cosine = queries @ torch.nn.functional.normalize(items, dim=1).T
    for one in (drawn, Candidates(pool.clone(), None, drawn.ok)):
        found = guard.allow(batch(), one)
        for row in range(12):
            scores = cosine[row % N_QUERIES]
            assert found[row].tolist() == (scores < scores[row % N_QUERIES * 5] - 0.1).tolist()


def test_faults_of_a_teacher_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of score"):
        Teacher()
    with pytest.raises(InputError, match="no such file"):
        Teacher(vectors=str(tmp_path / "none")).bind(catalogue())
    save_file({"queries": torch.ones(2, 2)}, tmp_path / "half.safetensors")
    with pytest.raises(InputError, match="no table 'items'"):
        Teacher(vectors=str(tmp_path / "half.safetensors")).bind(catalogue())
    save_file({"queries": torch.ones(2, 2), "items": torch.ones(3, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="2 queries and 3 items"):
        Teacher(vectors=str(tmp_path / "other.safetensors")).bind(catalogue())
