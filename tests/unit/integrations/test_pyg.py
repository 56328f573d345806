"""Adaptive negatives in a PyTorch Geometric loop: the source is seen, known edges are not drawn, the example runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from negatives import losses
from negatives.errors import ConfigError, InputError
from negatives.integrations.pyg import Embedded, LinkNegatives, inner_product, with_negatives
from negatives.integrations.pyg_temporal import TemporalNegatives
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


def test_a_graph_between_users_and_items_gets_items_only() -> None:
    users, items = torch.arange(30), torch.arange(30) % 5
    z = torch.randn(30, 4), torch.randn(9, 4)
    edges = torch.stack([users, items])
    negatives = LinkNegatives(edges, (30, 9), {"candidates": 200, "select": {"name": "hardest", "k": 1}})
    wrong = negatives(z, edges)
    scores = z[0] @ z[1].T
    scores[users, items] = -torch.inf
    assert torch.equal(wrong.ids[:, 0], scores.argmax(1))
    torch.testing.assert_close(inner_product(z, negatives.edges(edges, wrong))[:, 0], scores.max(1).values)
    pool = LinkNegatives(edges, (30, 9), "softmax")(z, edges)
    assert set(pool.ids.flatten().tolist()) == set(range(9))
    assert torch.equal(~pool.ok, pool.ids == items[:, None])
    for found in (wrong, pool):
        torch.testing.assert_close(negatives.scores(z, edges, found), inner_product(z, negatives.edges(edges, found)))
    with pytest.raises(InputError, match="nodes outside 0 to 3"):
        LinkNegatives(edges, (30, 4))


def test_edge_types_of_a_heterogeneous_graph() -> None:
    layers_of_pyg()
    from torch_geometric.data import HeteroData

    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 4, 6
    data["user", "likes", "item"].edge_index = torch.tensor([[0, 1, 3], [5, 0, 2]])
    data["item", "near", "item"].edge_index = torch.tensor([[0, 1], [1, 2]])
    likes = LinkNegatives.of(data, ("user", "likes", "item"), sampler="uniform")
    near = LinkNegatives.of(data, ("item", "near", "item"), sampler="uniform", seed=3)
    assert (likes.num_nodes, near.num_nodes) == ((4, 6), 6)
    with pytest.raises(InputError, match=r"no edges of the type \('user', 'sees', 'item'\); give one of .*'likes'"):
        LinkNegatives.of(data, ("user", "sees", "item"))


class Around:
    """A sampler of neighbourhoods that takes each node's first neighbour; PyG's own needs a compiled package."""

    edge_permutation = None

    def __init__(self, edges: Tensor) -> None:
        self.edges = edges

    def sample_from_edges(self, inputs: Any, neg_sampling: Any = None) -> Any:
        from torch_geometric.sampler import SamplerOutput

        assert neg_sampling is None
        seeds = torch.unique(torch.cat([inputs.row, inputs.col]))
        kept = torch.isin(self.edges[1], seeds).nonzero()[:, 0]
        nodes = torch.unique(torch.cat([seeds, self.edges[:, kept].flatten()]))
        row, col = torch.searchsorted(nodes, self.edges[:, kept])
        label_index = torch.searchsorted(nodes, torch.stack([inputs.row, inputs.col]))
        about = (inputs.input_id, label_index, inputs.label, inputs.time)
        return SamplerOutput(node=nodes, row=row, col=col, edge=kept, batch=None, metadata=about)


def test_a_loader_samples_neighbours_of_wrong_targets_too() -> None:
    layers_of_pyg()
    from torch_geometric.data import Data
    from torch_geometric.loader import LinkLoader

    data = Data(edge_index=RING, num_nodes=N, x=torch.arange(N))
    negatives = LinkNegatives.of(
        data, sampler={"candidates": 400, "select": {"name": "hardest", "k": 2}}
    )  # may be one twice
    z = embeddings()
    negatives.remember(z[:5], torch.arange(5))
    assert not negatives.kept[5:].any()
    negatives.remember(z)
    loader = LinkLoader(data, Around(RING), batch_size=8, shuffle=True)
    batches = list(with_negatives(loader, negatives))
    assert len(batches) == 5
    scores = z @ z.T
    scores[RING[0], RING[1]] = scores[RING[1], RING[0]] = scores[range(N), range(N)] = -torch.inf
    for batch in batches:
        edges = batch.n_id[batch.edge_label_index]
        right, wrong = edges[:, batch.edge_label == 1], edges[:, batch.edge_label == 0]
        assert torch.equal((right[0] + 1) % N, right[1])
        assert torch.equal(wrong[0].view(8, 2), right[0][:, None].expand(8, 2))
        assert torch.equal(wrong[1].view(8, 2), scores[right[0]].argmax(1, keepdim=True).expand(8, 2))
        assert torch.isin(wrong[1], batch.n_id[batch.edge_index[1]]).all()
        assert torch.equal(batch.x, batch.n_id)
    with pytest.raises(ConfigError, match="negatives or labels of its own"):
        with_negatives(LinkLoader(data, Around(RING), neg_sampling="binary"), negatives)


def test_a_wrong_destination_was_there_before_and_is_free_at_the_time() -> None:
    src = torch.tensor([0, 1, 0, 0, 2, 1])
    dst = torch.tensor([7, 8, 9, 7, 6, 9])
    t = torch.tensor([1, 2, 3, 3, 4, 5])
    negatives = TemporalNegatives(src, dst, t, 10, {"candidates": 200})
    order = torch.tensor([5, 0, 3, 2, 4, 1])
    wrong = negatives(src[order], dst[order], t[order])
    drawn = [set(ids[ok].tolist()) for ids, ok in zip(wrong.ids, wrong.ok, strict=True)]
    assert drawn == [{6, 7, 8}, set(), {8}, {8}, {7, 8, 9}, {7}]
    assert wrong.log_q is not None
    assert wrong.log_q[0].exp().tolist() == pytest.approx([1 / 3] * 200)
    z = torch.randn(10, 4)
    hard = TemporalNegatives(src, dst, t, 10, {"candidates": 60, "select": {"name": "hardest", "k": 1}})
    found = hard(src, dst, t, z)
    assert int(found.ids[5, 0]) == max((6, 7, 8), key=lambda item: float(z[1] @ z[item]))
    with pytest.raises(InputError, match="no edge of node 2 at time 1 was given"):
        negatives(src[4:5], dst[4:5], t[:1])
    with pytest.raises(ConfigError, match="uniform candidates for each row"):
        TemporalNegatives(src, dst, t, 10, "softmax")
    with pytest.raises(InputError, match="5 sources, 6 destinations and 6 times"):
        TemporalNegatives(src[1:], dst, t, 10)
