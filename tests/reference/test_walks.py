"""The walk kernel against its naive twin, whatever the threads, and on graphs with dead ends."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from negatives import kernels
from negatives.kernels.jit import walks as compiled
from negatives.kernels.walks import walks
from negatives.randomness import Purpose, generator, integers, stream
from negatives.types import Csr

KEY = stream(4, Purpose.WALKS)
WEIGHTS = st.sampled_from([0.02, 0.25, 0.9, 1.0, 3.0, 50.0])


def graph(n: int, density: float, seed: int, directed: bool) -> Csr:
    table = torch.rand(n, n, generator=generator(seed)) < density
    table = table if directed else table | table.T
    rows, cols = (table & ~torch.eye(n, dtype=torch.bool)).nonzero(as_tuple=True)
    return Csr.from_pairs(rows, cols, n, n)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.floats(0.05, 1), st.booleans(), WEIGHTS, WEIGHTS, st.integers(1, 40))
def test_walks_are_the_same_bits_as_the_twins(
    n: int, density: float, directed: bool, p: float, q: float, tries: int
) -> None:
    near, starts = graph(n, density, tries, directed), torch.arange(n)
    examples, key = starts * 3 + 2**33, stream(tries, Purpose.WALKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("negatives.kernels.walks.TRIES", tries)
        found = walks(near, starts, 9, key, examples=examples, p=p, q=q)
        with kernels.use("numpy"):
            assert torch.equal(found, walks(near, starts, 9, key, examples=examples, p=p, q=q))
    assert found.shape == (n, 10)
    ends = found[:, 1:] < 0
    assert not (ends[:, :-1] & ~ends[:, 1:]).any()
    steps = torch.stack([found[:, :-1][~ends], found[:, 1:][~ends]]).long()
    assert kernels.contains(near, steps[0], steps[1][:, None]).all()


@pytest.mark.parametrize("q", [1.0, 0.3])
def test_a_walk_depends_on_its_example_only(q: float, monkeypatch: pytest.MonkeyPatch) -> None:
    near = graph(300, 0.03, 1, False)
    starts = integers(KEY, torch.arange(2000), 0, 300)
    before = kernels.threads()
    try:
        kernels.set_threads(1)
        whole = walks(near, starts, 30, KEY, examples=torch.arange(2000), q=q)
        kernels.set_threads(3)
        assert torch.equal(walks(near, starts, 30, KEY, examples=torch.arange(2000), q=q), whole)
    finally:
        kernels.set_threads(before)
    some = torch.tensor([1999, 5, 700])
    assert torch.equal(walks(near, starts[some], 30, KEY, examples=some, q=q), whole[some])
    assert not torch.equal(walks(near, starts, 30, KEY + 1, examples=torch.arange(2000), q=q), whole)


def test_a_step_ends_where_rejection_would_not() -> None:
    """All neighbours of 0 but one are neighbours of 1, and the one way out weighs a million times more."""
    n = 100
    rim = torch.arange(1, n)
    rows = torch.cat([torch.zeros(n - 1, dtype=torch.int64), rim, torch.ones(n - 3, dtype=torch.int64)])
    cols = torch.cat([rim, torch.zeros(n - 1, dtype=torch.int64), torch.arange(2, n - 1)])
    star, starts = Csr.from_pairs(rows, cols, n, n), torch.ones(3000, dtype=torch.int64)
    found = walks(star, starts, 2, KEY, examples=torch.arange(3000), p=1e6, q=1e-6)
    through = found[found[:, 1] == 0][:, 2]
    assert through.numel() > 0
    assert float((through == n - 1).double().mean()) > 0.99


def test_what_does_not_fit_is_refused() -> None:
    near, starts = graph(5, 0.9, 0, False), torch.arange(5)
    for change in ({"length": 0}, {"p": 0.0}, {"q": -1.0}, {"examples": torch.arange(4)}):
        given_ = {"starts": starts, "length": 3, "key": KEY, "examples": starts} | change
        with pytest.raises(ValueError, match=r"must be positive|do not fit"):
            walks(near, **given_)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="starts must lie"):
        walks(near, starts + 1, 3, KEY, examples=starts)


def test_groups_of_walks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    near, starts = graph(40, 0.2, 3, False), torch.arange(40).repeat(5)
    one = walks(near, starts, 12, KEY, examples=torch.arange(200), p=0.5)
    parts = [
        walks(near, starts[i : i + 7], 12, KEY, examples=torch.arange(200)[i : i + 7], p=0.5) for i in range(0, 200, 7)
    ]
    assert torch.equal(torch.cat(parts), one)
    assert compiled.GROUP > 1
