"""Steps of biased walks have node2vec's transition probabilities: chi-square with a million steps each."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from negatives.kernels.walks import walks
from negatives.randomness import Purpose, stream
from negatives.types import Csr

NODES, STEPS = 7, 1_000_000
EDGES = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (0, 5), (0, 6), (3, 6), (2, 6)]
ONE_WAY = [
    (0, 1),
    (1, 2),
    (1, 3),
    (1, 0),
    (2, 0),
    (3, 1),
    (2, 1),
    (3, 0),
    (0, 2),
    (2, 4),
    (4, 1),
    (4, 5),
    (5, 6),
    (6, 4),
]
CASES = [(1.0, 1.0), (0.25, 4.0), (4.0, 0.25), (0.05, 1.0), (20.0, 0.05), (0.5, 8.0)]
LEVEL = 0.001 / (2 * len(CASES))


def graph(edges: list[tuple[int, int]], directed: bool) -> Csr:
    sources, targets = torch.tensor(edges).T
    if not directed:
        sources, targets = torch.cat([sources, targets]), torch.cat([targets, sources])
    return Csr.from_pairs(sources, targets, NODES, NODES)


def table(near: Csr, p: float, q: float) -> Tensor:
    """``(nodes, nodes, nodes)`` float64: probability of x after t and v, by the paper's formula."""
    joined = [set(near.row(node).tolist()) for node in range(NODES)]
    found = torch.zeros(NODES, NODES, NODES, dtype=torch.float64)
    for came in range(NODES):
        for node in joined[came]:
            for x in joined[node]:
                found[came, node, x] = 1 / p if x == came else 1.0 if x in joined[came] else 1 / q
            found[came, node] /= found[came, node].sum().clamp(min=1e-300)
    return found


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(("p", "q"), CASES)
def test_steps_have_the_papers_probabilities(p: float, q: float, directed: bool) -> None:
    near = graph(ONE_WAY if directed else EDGES, directed)
    n = STEPS // 10
    starts = torch.arange(n) % NODES
    paths = walks(near, starts, 11, stream(9, Purpose.WALKS), examples=torch.arange(n), p=p, q=q).long()
    first = torch.bincount(starts * NODES + paths[:, 1], minlength=NODES**2).view(NODES, NODES)
    degrees = near.lengths().double()
    wanted = torch.zeros(NODES, NODES, dtype=torch.float64)
    for node in range(NODES):
        wanted[node, near.row(node).long()] = first[node].sum() / degrees[node]
    check(first.double(), wanted)
    came, node, x = (paths[:, i : paths.shape[1] - 2 + i].reshape(-1) for i in range(3))
    seen = torch.bincount((came * NODES + node) * NODES + x, minlength=NODES**3).view(NODES, NODES, NODES).double()
    check(seen, table(near, p, q) * seen.sum(2, keepdim=True))


def check(seen: Tensor, wanted: Tensor) -> None:
    """One chi-square over all rows; cells that are too rare for it are left out with their row."""
    assert float(seen[wanted == 0].sum()) == 0
    rows = [(s[w > 0], w[w > 0]) for s, w in zip(seen.view(-1, NODES), wanted.view(-1, NODES), strict=True)]
    rows = [(s, w) for s, w in rows if len(w) > 1 and float(w.min()) >= 5]
    assert len(rows) >= 5
    value = sum(float(((s - w) ** 2 / w).sum()) for s, w in rows)
    assert stats.chi2.sf(value, sum(len(w) - 1 for _, w in rows)) > LEVEL
