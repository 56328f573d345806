"""Wrong edges in PyTorch Geometric's own loader of links: neighbours, workers, two kinds of nodes, times.

``LinkNeighborLoader`` finds neighbours by a function of a compiled package; here that is written in Python, and all
else is PyTorch Geometric's.
"""

from __future__ import annotations

import pickle
import warnings
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.errors import ConfigError
from negatives.integrations.pyg import LinkNegatives, inner_product, with_negatives
from negatives.integrations.pyg_loader import WithNegatives
from negatives.integrations.pyg_temporal import TemporalNegatives
from negatives.models.graph.parts import layers_of_pyg

N = 40
RING = torch.stack([torch.arange(N), (torch.arange(N) + 1) % N])
HARDEST = {"candidates": 400, "select": {"name": "hardest", "k": 2}}  # may be one twice
Columns = dict[str, Tensor]


def around(
    nodes: list[str], edges: list[tuple[str, str, str]], ptr: Columns, row: Columns, seed: Columns, *_: Any
) -> tuple[Columns, Columns, Columns, Columns]:
    """All neighbours of the seeds: what ``torch_sparse.hetero_neighbor_sample`` answers for one hop."""
    found = {name: seed.get(name, torch.empty(0, dtype=torch.int64)).tolist() for name in nodes}
    begins = {name: len(ids) for name, ids in found.items()}
    rows, cols, kept = {}, {}, {}
    for source, relation, target in edges:
        key = f"{source}__{relation}__{target}"
        at = {node: place for place, node in enumerate(found[source])}
        lines: list[tuple[int, int, int]] = []
        for place, node in enumerate(found[target][: begins[target]]):
            for edge in range(int(ptr[key][node]), int(ptr[key][node + 1])):
                other = int(row[key][edge])
                if other not in at:
                    at[other] = len(found[source])
                    found[source].append(other)
                lines.append((at[other], place, edge))
        rows[key], cols[key], kept[key] = torch.tensor(lines, dtype=torch.int64).view(-1, 3).T
    return {name: torch.tensor(ids, dtype=torch.int64) for name, ids in found.items()}, rows, cols, kept


def around_one(ptr: Tensor, row: Tensor, seed: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same for one kind of nodes."""
    key = "n__e__n"
    node, rows, cols, edges = around(["n"], [("n", "e", "n")], {key: ptr}, {key: row}, {"n": seed})
    return node["n"], rows[key], cols[key], edges[key]


@pytest.fixture(autouse=True)
def _neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    layers_of_pyg()
    import torch_geometric.typing as about

    if about.WITH_PYG_LIB or about.WITH_TORCH_SPARSE:
        return  # the compiled one is there
    monkeypatch.setattr(about, "WITH_TORCH_SPARSE", True)
    ops = SimpleNamespace(neighbor_sample=around_one, hetero_neighbor_sample=around)
    monkeypatch.setattr(torch.ops, "torch_sparse", ops, raising=False)


def loader(data: Any, **given: Any) -> Any:
    from torch_geometric.loader import LinkNeighborLoader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a compiled package is missing
        return LinkNeighborLoader(data, num_neighbors=[-1], **{"batch_size": 8} | given)


def ring() -> Any:
    from torch_geometric.data import Data

    return Data(edge_index=RING, num_nodes=N, x=torch.arange(N))


def test_neighbours_of_wrong_targets_are_sampled_too() -> None:
    negatives = LinkNegatives.of(ring(), sampler=HARDEST)
    z = torch.randn(N, 6, generator=torch.Generator().manual_seed(1))
    negatives.remember(z[:5], torch.arange(5))
    assert not negatives.kept[5:].any()
    negatives.remember(z)
    batches = list(with_negatives(loader(ring(), shuffle=True), negatives))
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


def test_twenty_steps_over_two_kinds_of_nodes() -> None:
    """Users and items with the edges back, a network of PyTorch Geometric, and draws that see the model."""
    from torch_geometric.data import HeteroData
    from torch_geometric.nn import SAGEConv, to_hetero

    make = torch.Generator().manual_seed(0)
    likes = torch.stack([torch.arange(60) % 20, (torch.arange(60) % 20 + torch.arange(60) // 20) % 12])
    data = HeteroData()
    data["user"].x, data["item"].x = torch.randn(20, 8, generator=make), torch.randn(12, 8, generator=make)
    data["user", "likes", "item"].edge_index = likes
    data["item", "rev_likes", "user"].edge_index = likes.flip(0)
    spec = {"candidates": 6, "select": {"name": "top_m", "m": 3, "k": 1}}
    negatives = LinkNegatives.of(data, ("user", "likes", "item"), spec)
    batches = with_negatives(
        loader(data, edge_label_index=("user", "likes", "item"), batch_size=12, shuffle=True), negatives
    )

    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = SAGEConv((8, 8), 8)

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return self.layer(x, edge_index)  # type: ignore[no-any-return]

    known, losses = {tuple(edge) for edge in likes.T.tolist()}, []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = to_hetero(Layers(), data.metadata())
        optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
        for batch in chain(batches, batches, batches, batches):  # drawn one by one, as the model stands
            z = model(batch.x_dict, batch.edge_index_dict)
            edges = batch["user", "likes", "item"]
            ids = torch.stack(
                [batch[at].n_id[row] for at, row in zip(("user", "item"), edges.edge_label_index, strict=True)]
            )
            labels = [tuple(edge) in known for edge in ids.T.tolist()]
            assert labels == edges.edge_label.bool().tolist()
            assert 12 < len(labels) <= 24
            scores = inner_product((z["user"], z["item"]), edges.edge_label_index)
            loss = functional.binary_cross_entropy_with_logits(scores, edges.edge_label)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            negatives.remember((z["user"], z["item"]), (batch["user"].n_id, batch["item"].n_id))
            losses.append(float(loss.detach()))
    assert len(losses) == 20
    assert sum(losses[-5:]) < sum(losses[:5])
    assert negatives.kept[0].shape == (20, 8)


def targets(batches: Any) -> list[list[int]]:
    """Of each batch, the wrong targets."""
    return [one.n_id[one.edge_label_index][1][one.edge_label == 0].tolist() for one in batches]


def test_workers_draw_differently_from_each_other_and_in_each_epoch() -> None:
    def epochs(workers: int, batch_size: int = 20) -> list[list[list[int]]]:
        edges = RING[:, :1].expand(2, 2 * batch_size)
        negatives = LinkNegatives.of(ring(), sampler={"candidates": 4})
        given = {"edge_label_index": edges, "batch_size": batch_size, "num_workers": workers}
        batches = with_negatives(loader(ring(), **given), negatives)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return [targets(batches) for _ in range(2)]

    for workers in (0, 2):
        first, second = epochs(workers)
        assert first[0] != first[1]
        assert first != second
        assert [first, second] == epochs(workers)


def test_a_worker_can_be_sent_it() -> None:
    negatives = LinkNegatives.of(ring(), sampler="uniform")
    inner = loader(ring()).link_sampler
    sent = pickle.loads(pickle.dumps(WithNegatives(inner, negatives)))
    assert torch.equal(sent.edge_permutation, inner.edge_permutation)


def test_edges_with_times_get_targets_that_were_there_before() -> None:
    times = torch.arange(N) // 4  # four edges at each time
    batches = loader(ring(), edge_label_index=RING)
    batches.input_data.time = times  # LinkNeighborLoader hands times to pyg-lib, which alone takes them
    batches.link_sampler.node_time, inner = None, batches.link_sampler
    seen: list[Any] = []

    def sample(inputs: Any, neg_sampling: Any = None) -> Any:
        seen.append(inputs)
        inputs.time = None
        return type(inner).sample_from_edges(inner, inputs, neg_sampling)

    inner.sample_from_edges, taken = sample, []
    drawn = with_negatives(batches, TemporalNegatives(RING[0], RING[1], times, N, {"candidates": 5}))
    of_batch = drawn.link_sampler.negatives.of_batch
    drawn.link_sampler.negatives.of_batch = lambda *given: taken.append(given) or of_batch(*given)
    assert all(len(one.n_id) for one in drawn)
    assert len(seen) == len(taken) == 5
    for inputs, (_, _, when, _) in zip(seen, taken, strict=True):
        wrong = inputs.label == 0
        free = when > 0
        assert int(wrong.sum()) == 5 * int(free.sum())
        came = (inputs.col[wrong] - 1) % N // 4
        assert bool((came < when[free].repeat_interleave(5)).all())


def test_faults() -> None:
    negatives, data = LinkNegatives.of(ring(), sampler="uniform"), ring()
    with pytest.raises(ConfigError, match="negatives or labels of its own"):
        with_negatives(loader(data, neg_sampling="binary"), negatives)
    with pytest.raises(ConfigError, match="DataLoader is no loader of links; give a LinkNeighborLoader"):
        with_negatives(torch.utils.data.DataLoader([1]), negatives)
    timed = loader(data)
    timed.input_data.time = torch.arange(N)
    with pytest.raises(ConfigError, match="nodes that come later would be drawn; give TemporalNegatives"):
        with_negatives(timed, negatives)
    for given, drawn, told in (
        (loader(data, num_workers=1), LinkNegatives.of(data), "workers have no model, and this sampler asks it"),
        (
            timed,
            TemporalNegatives(RING[0], RING[1], torch.arange(N), N, "dns"),
            "edges with times are drawn for before",
        ),
    ):
        with pytest.raises(ConfigError, match=told):
            with_negatives(given, drawn)
    with pytest.raises(ConfigError, match="the loader has no times; give it edge_label_time, or give LinkNegatives"):
        with_negatives(loader(data), TemporalNegatives(RING[0], RING[1], torch.arange(N), N))
