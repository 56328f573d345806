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
from negatives.integrations.pyg import Embedded, LinkNegatives, inner_product
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


def test_right_edges_that_a_split_keeps_apart_are_not_drawn() -> None:
    """``RandomLinkSplit`` takes the edges that are trained on out of those that messages follow."""
    layers_of_pyg()
    from torch_geometric.data import Data, HeteroData
    from torch_geometric.transforms import RandomLinkSplit

    spec = {"candidates": 300}
    apart = {"num_val": 0.1, "num_test": 0.1, "disjoint_train_ratio": 0.5}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        train, _, _ = RandomLinkSplit(is_undirected=False, **apart)(Data(edge_index=RING, num_nodes=N))
        data = HeteroData()
        data["user"].num_nodes, data["item"].num_nodes = N, N
        data["user", "likes", "item"].edge_index = RING
        data["item", "rev_likes", "user"].edge_index = RING.flip(0)
        split = RandomLinkSplit(
            edge_types=[("user", "likes", "item")], rev_edge_types=[("item", "rev_likes", "user")], **apart
        )
        both, _, _ = split(data)
    likes = both["user", "likes", "item"]
    for store, drawn in (
        (train, LinkNegatives.of(train, sampler=spec, directed=True)),
        (likes, LinkNegatives.of(both, ("user", "likes", "item"), spec)),
    ):
        assert store.edge_index.shape[1] < 20
        right = torch.cat([store.edge_index, store.edge_label_index[:, store.edge_label > 0]], 1)
        assert right.shape[1] == 32
        known = {tuple(edge) for edge in right.T.tolist()}
        found = drawn(None, right)
        edges = drawn.edges(right, found).flatten(1)
        assert not known & {tuple(edge) for edge in edges.T.tolist()}
        assert len(set(edges[1].tolist())) == N  # held back edges are free
    train.edge_index = None
    with pytest.raises(InputError, match="the graph has no edge_index"):
        LinkNegatives.of(train)


@pytest.mark.parametrize("kind", ["int32", "uint8", "numpy"])
def test_ids_of_any_type(kind: str) -> None:
    z, negatives = embeddings(), LinkNegatives(RING, N, "dns")
    expected = negatives(z, RING)
    edges: Any = RING.numpy().astype("int16") if kind == "numpy" else RING.to(getattr(torch, kind))
    other = LinkNegatives(edges, N, "dns")
    found = other(z, edges)
    assert torch.equal(found.ids, expected.ids)
    assert torch.equal(other.edges(edges, found), negatives.edges(RING, expected))
    torch.testing.assert_close(other.scores(z, edges, found), negatives.scores(z, RING, expected))
    times = torch.arange(N)
    plain, typed = TemporalNegatives(RING[0], RING[1], times, N), TemporalNegatives(edges[0], edges[1], times, N)
    assert torch.equal(plain(RING[0], RING[1], times).ids, typed(edges[0], edges[1], times).ids)
    with pytest.raises(InputError, match="node ids are float32"):
        LinkNegatives(RING.float(), N)


def test_embeddings_of_a_batch_alone_are_told() -> None:
    negatives = LinkNegatives(RING, N, "dns")
    with pytest.raises(
        InputError, match=r"embeddings of 30 nodes for a graph of 40; give those of all nodes.*with_neg"
    ):
        negatives(embeddings()[:30], RING)
    both = LinkNegatives(RING, (N, 50), "dns")
    with pytest.raises(InputError, match="embeddings of 40 nodes for a graph of 50"):
        both((embeddings(), embeddings()), RING)


def test_a_state_goes_on_where_it_was() -> None:
    z = embeddings()
    sampler = {"candidates": 8, "select": {"name": "softmax", "k": 2}}
    for sizes, tables in ((N, z), ((N, N), (z, -z))):
        whole = LinkNegatives(RING, sizes, sampler)
        whole.remember(tables)
        drawn = [whole(None, RING).ids for _ in range(20)]
        first = LinkNegatives(RING, sizes, sampler)
        first.remember(tables)
        for _ in range(10):
            first(None, RING)
        second = LinkNegatives(RING, sizes, sampler)
        second.load_state(first.state())
        first.kept = None
        assert all(torch.equal(second(None, RING).ids, one) for one in drawn[10:])
    t = torch.arange(N)
    one, other = (TemporalNegatives(RING[0], RING[1], t, N) for _ in range(2))
    one(RING[0], RING[1], t)
    other.load_state(one.state())
    assert torch.equal(one(RING[0], RING[1], t).ids, other(RING[0], RING[1], t).ids)


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
    later = TemporalNegatives(src, dst, t * 10, 10)
    for when in (45, 99):  # not taken for the next time, at 50, when more has come
        with pytest.raises(InputError, match=f"no edge of node 1 at time {when} was given"):
            later(src[5:], dst[5:], torch.tensor([when]))
    with pytest.raises(InputError, match="destination 9 at place 2 is out of range; there are 9"):
        TemporalNegatives(src, dst, t, 9)
    with pytest.raises(ConfigError, match="uniform candidates for each row"):
        TemporalNegatives(src, dst, t, 10, "softmax")
    with pytest.raises(InputError, match="5 sources, 6 destinations and 6 times"):
        TemporalNegatives(src[1:], dst, t, 10)
