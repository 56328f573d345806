"""Adaptive negatives in a PyTorch Geometric loop: the source is seen, known edges are not drawn, the example runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from negatives import losses
from negatives.errors import ConfigError, InputError
from negatives.integrations.pyg import Embedded, LinkNegatives, inner_product
from negatives.models.graph.parts import layers_of_pyg
from negatives.sampler import build

N = 40
RING = torch.stack([torch.arange(N), (torch.arange(N) + 1) % N])


def embeddings() -> Tensor:
    return torch.randn(N, 6, generator=torch.Generator().manual_seed(1))


def test_the_source_and_the_model_are_seen() -> None:
    z, negatives = embeddings(), LinkNegatives(RING, N, {"candidates": 400, "select": {"name": "hardest", "k": 1}})
    wrong = negatives(z, RING)
    scores = z @ z.T
    known = torch.eye(N, dtype=torch.bool)
    known[RING[0], RING[1]] = known[RING[1], RING[0]] = True
    assert torch.equal(wrong.ids[:, 0], scores.masked_fill(known, -torch.inf).argmax(1))
    assert len(set(wrong.ids[:, 0].tolist())) > 5


def test_directions_decide_what_is_known() -> None:
    z = torch.zeros(N, 1)
    spec = {"proposal": "uniform", "candidates": 300}
    for directed in (False, True):
        ids = LinkNegatives(RING, N, spec, directed=directed)(z, RING).ids
        assert not (ids == RING[0][:, None]).any()
        assert not (ids == RING[1][:, None]).any()
        assert bool((ids == (RING[0][:, None] - 1) % N).any()) == directed


def test_a_decoder_of_ones_own() -> None:
    weight = torch.rand(6, generator=torch.Generator().manual_seed(2))

    def decode(z: Tensor, edges: Tensor) -> Tensor:
        return (z[edges[0]] * weight * z[edges[1]]).sum(-1)

    z = embeddings()
    negatives = LinkNegatives(RING, N, "dns", decode)
    wrong = negatives(z, RING)
    edges = negatives.edges(RING, wrong)
    assert edges.shape == (2, N, 1)
    assert wrong.scores is not None
    torch.testing.assert_close(wrong.scores, decode(z, edges))
    scorer = Embedded(z, decode)
    pool = torch.tensor([3, 4]).expand(N, -1)
    torch.testing.assert_close(
        scorer.score(RING[0], pool), decode(z, torch.stack([RING[0][:, None].expand(-1, 2), pool]))
    )
    torch.testing.assert_close(Embedded(z).score(RING[0], pool), z[RING[0]] @ z[[3, 4]].T)


def test_gradients_flow_through_the_loss_only() -> None:
    z = embeddings().requires_grad_()
    negatives = LinkNegatives(RING, N, "dns")
    wrong = negatives(z, RING)
    losses.bpr(inner_product(z, RING), inner_product(z, negatives.edges(RING, wrong)), wrong).backward()
    assert z.grad is not None
    assert float(z.grad.abs().sum()) > 0


def test_draws_follow_the_seed_and_a_sampler_may_be_given() -> None:
    z = embeddings()
    first, again, other = (LinkNegatives(RING, N, "uniform", seed=seed)(z, RING).ids for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(LinkNegatives(RING, N, build("uniform", 1))(z, RING).ids, other)


def test_faults() -> None:
    with pytest.raises(InputError, match=r"shape \(2, n\), not \(40, 2\)"):
        LinkNegatives(RING.T, N)
    with pytest.raises(InputError, match=r"nodes outside 0 to 9"):
        LinkNegatives(RING, 10)
    with pytest.raises(ConfigError, match="did you mean uniform"):
        LinkNegatives(RING, N, "unifrom")


def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    layers_of_pyg()  # its import warns about PyTorch's own functions
    path = Path(__file__).parents[3] / "examples" / "pyg_links.py"
    assert len(path.read_text().splitlines()) < 60
    with torch.random.fork_rng():
        runpy.run_path(str(path), run_name="__main__")
    uniform, adaptive = (float(one) for one in re.findall(r"rank ([\d.]+)", capsys.readouterr().out))
    assert adaptive > uniform > 0.3
