"""Models of nodes: scores agree with the tables, layers with dense algebra, and dropout with its key."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from negatives.data.edges import symmetric
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models import Model
from negatives.models.dropout import dropped
from negatives.models.graph import parts
from negatives.models.graph.gcn import Gcn
from negatives.models.graph.line import Line
from negatives.models.graph.network import MessagePassing
from negatives.models.graph.propagation import NodePropagation
from negatives.models.graph.sage import GraphSage
from negatives.models.graph.vectors import NodeVectors
from negatives.models.settings import Smoothing
from negatives.randomness import generator
from negatives.types import Context, Csr

NODES, WORDS, DIM = 14, 9, 8


def ring() -> Csr:
    """Every node with the next two; node 0 hears nobody else's list twice."""
    nodes = torch.arange(NODES)
    sources = torch.cat([nodes, nodes])
    return symmetric(Csr.from_pairs(sources, torch.cat([(nodes + 1) % NODES, (nodes + 2) % NODES]), NODES, NODES))


def features() -> SparseFeatures:
    rows = torch.arange(NODES).repeat_interleave(2)
    cols = torch.stack([torch.arange(NODES) % WORDS, (torch.arange(NODES) + 4) % WORDS], 1).sort(1).values
    return SparseFeatures(torch.arange(NODES + 1) * 2, cols.reshape(-1).int(), torch.ones(rows.numel()), WORDS)


MAKE: dict[str, Callable[[str, int], Model]] = {
    "gcn": lambda similarity, seed: Gcn(ring(), features(), DIM, similarity, scale=7.0, seed=seed),
    "sage": lambda similarity, seed: GraphSage(ring(), None, DIM, similarity, directed=True, seed=seed),
    "propagation": lambda similarity, seed: NodePropagation(ring(), DIM, similarity, scale=7.0, seed=seed),
    "node2vec": lambda similarity, seed: NodeVectors(NODES, DIM, similarity, seed=seed),
    "line": lambda similarity, seed: Line(NODES, DIM, similarity, order=1, seed=seed),
}
every_model = pytest.mark.parametrize("name", sorted(MAKE))
both = pytest.mark.parametrize("similarity", ["dot", "cosine"])
networks = pytest.mark.parametrize("name", ["gcn", "sage"])


def context(step: int, queries: Tensor, positives: Tensor) -> Context:
    return Context(queries, positives, torch.arange(queries.numel()), step=step)


@every_model
@both
@pytest.mark.parametrize("learning", [False, True])
def test_scores_agree_with_the_tables(name: str, similarity: str, learning: bool) -> None:
    model = MAKE[name](similarity, 0)
    sources, targets = model.tables()
    assert sources.shape == targets.shape == (NODES, DIM)
    full = sources @ targets.T
    assert float(full.std()) > 0
    queries, ids, pool = torch.tensor([3, 0, 3, 11]), torch.arange(12).view(4, 3) * 5 % NODES, torch.tensor([2, 2, 9])
    with torch.set_grad_enabled(learning):
        model.refresh()
        pairs, each, shared = (model.score(queries, one) for one in (ids[:, 0], ids, pool.expand(4, -1)))
    torch.testing.assert_close(pairs.detach(), full[queries, ids[:, 0]])
    torch.testing.assert_close(each.detach(), full[queries[:, None], ids])
    torch.testing.assert_close(shared.detach(), full[queries][:, pool])
    assert pairs.requires_grad == each.requires_grad == shared.requires_grad == learning


@pytest.mark.parametrize("kind", [Gcn, NodePropagation])
def test_the_cosine_may_be_scaled(kind: type[Model]) -> None:
    given = (ring(), features(), DIM) if kind is Gcn else (ring(), DIM)
    plain, scaled = (kind(*given, "cosine", scale=scale) for scale in (1.0, 7.0))  # type: ignore[arg-type]
    torch.testing.assert_close(plain.tables()[0].norm(dim=1), torch.ones(NODES))
    pairs = torch.arange(NODES), torch.arange(NODES) * 3 % NODES
    scaled.refresh()
    torch.testing.assert_close(scaled.score(*pairs), 7 * plain.score(*pairs))
    with pytest.raises(ConfigError, match="above 0"):
        kind(*given, "cosine", scale=0.0)  # type: ignore[arg-type]


@every_model
def test_the_seed_decides_and_no_global_generator_is_touched(name: str) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (MAKE[name]("dot", seed) for seed in (0, 0, 1))
    assert torch.equal(first.tables()[0], again.tables()[0])
    assert not torch.equal(first.tables()[0], other.tables()[0])
    assert torch.equal(torch.random.get_rng_state(), before)


def dense(graph: Csr) -> Tensor:
    table = torch.zeros(graph.n_rows, graph.n_cols)
    for row in range(graph.n_rows):
        table[row, graph.row(row).long()] = 1
    return table


def test_the_convolution_is_the_papers() -> None:
    model = Gcn(ring(), features(), DIM, messages=MessagePassing(layers=1))
    loops = dense(ring()) + torch.eye(NODES)
    scale = loops.sum(1).rsqrt()
    words = torch.zeros(NODES, WORDS)
    for node in range(NODES):
        words[node, features().row(node)[0].long()] = 2**-0.5
    weight = next(p for name, p in model.layers.named_parameters() if p.dim() == 2)
    wanted = scale[:, None] * loops * scale @ (words @ model.feature_table @ weight.T)
    torch.testing.assert_close(model.tables()[0], wanted.detach())


def test_the_sage_layer_is_the_papers() -> None:
    model = GraphSage(ring(), None, DIM, messages=MessagePassing(layers=1))
    mean = dense(ring()) / dense(ring()).sum(1, keepdim=True)
    weights = dict(model.layers.named_parameters())
    table = model.node_table
    assert table is not None
    wanted = mean @ table @ weights["0.lin_l.weight"].T + table @ weights["0.lin_r.weight"].T
    torch.testing.assert_close(model.tables()[0], wanted.detach())


@networks
def test_the_batchs_own_edges_carry_no_message(name: str) -> None:
    queries, positives = torch.tensor([0, 5]), torch.tensor([1, 4])
    kept = dense(ring())
    kept[[0, 1, 5, 4], [1, 0, 4, 5]] = 0
    matrix = parts.adjacency(ring(), (queries, positives))
    torch.testing.assert_close(matrix.to_dense(), kept)
    kind = {"gcn": Gcn, "sage": GraphSage}[name]
    hides, shows = (
        kind(ring(), features(), DIM, messages=MessagePassing(dropout=0.0, masked=masked)) for masked in (True, False)
    )
    for model in (hides, shows):
        model.refresh(context(0, queries, positives))
    assert not torch.allclose(hides.encode_queries(queries), shows.encode_queries(queries))
    hides.refresh()
    torch.testing.assert_close(hides.encode_queries(queries), shows.encode_queries(queries))


def test_edges_that_the_graph_lacks_are_no_fault() -> None:
    matrix = parts.adjacency(ring(), (torch.tensor([0, 3]), torch.tensor([7, 3])))
    torch.testing.assert_close(matrix.to_dense(), dense(ring()))


@networks
def test_dropout_follows_the_step(name: str) -> None:
    queries, positives = torch.tensor([0]), torch.tensor([1])
    kind = {"gcn": Gcn, "sage": GraphSage}[name]
    model = kind(ring(), features(), DIM, messages=MessagePassing(dropout=0.5, feature_dropout=0.5))
    seen = []
    for step in (0, 1, 0):
        model.refresh(context(step, queries, positives))
        seen.append(model.encode_queries(torch.arange(NODES)).detach())
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])


def test_dropout_keeps_the_mean() -> None:
    x = torch.ones(200_000)
    kept = dropped(x, 0.25, generator(3))
    assert abs(float(kept.mean()) - 1) < 5 * (0.25 / 0.75 / 200_000) ** 0.5
    assert abs(float((kept == 0).double().mean()) - 0.25) < 0.005
    assert dropped(x, 0.25, None) is x


def test_propagation_is_a_weighted_sum_over_layers() -> None:
    model = NodePropagation(ring(), DIM, smoothing=Smoothing(2, own_share=0.5))
    degrees = dense(ring()).sum(1)
    smooth = dense(ring()) * degrees.rsqrt()[:, None] * degrees.rsqrt()
    table = model.node_table
    wanted = 0.5 * table + 0.25 * smooth @ table + 0.25 * smooth @ smooth @ table
    torch.testing.assert_close(model.tables()[0], wanted.detach())


def test_propagation_can_leave_a_rows_own_edge_out_of_the_last_hop() -> None:
    model = NodePropagation(ring(), DIM, smoothing=Smoothing(2, leave_one_out=True))
    smooth = dense(ring()) * dense(ring()).sum(1).rsqrt()[:, None] * dense(ring()).sum(1).rsqrt()
    table = model.node_table.detach()
    queries, items = torch.tensor([0, 4, 9]), torch.tensor([1, 2, 10])
    model.refresh(context(0, queries, items))
    for ends, vectors in ((queries, model.encode_queries(queries)), (items, model.encode_items(items))):
        for row in range(3):
            last = smooth[ends[row]].clone()
            last[(items if ends is queries else queries)[row]] = 0.0
            wanted = (table[ends[row]] + last @ (table + smooth @ table)) / 3
            torch.testing.assert_close(vectors[row].detach(), wanted)
    whole = NodePropagation(ring(), DIM, smoothing=Smoothing(2))
    torch.testing.assert_close(model.tables()[0], whole.tables()[0])


@every_model
def test_gradients_reach_every_parameter(name: str) -> None:
    model = MAKE[name]("dot", 0)
    queries, items = torch.arange(NODES), (torch.arange(NODES) + 5) % NODES
    model.refresh(context(0, queries, items))
    model.score(queries, torch.stack([items, queries], 1)).square().sum().backward()
    for label, parameter in model.named_parameters():
        assert parameter.grad is not None, label


def test_orders_of_line_and_links_of_node2vec() -> None:
    first, second = Line(NODES, DIM, order=1), Line(NODES, DIM, order=2)
    assert first.query_table is first.item_table
    assert second.query_table is not second.item_table
    sources, targets = NodeVectors(NODES, DIM, link="centre").tables()
    assert torch.equal(sources, targets)
    for fault in (
        lambda: Line(NODES, order=3),
        lambda: NodeVectors(NODES, link="both"),
        lambda: Gcn(ring(), messages=MessagePassing(layers=0)),
    ):
        with pytest.raises(ConfigError):
            fault()


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'negatives\[graph\]'"):
        Gcn(ring(), features(), DIM)


def test_more_edges_change_the_messages() -> None:
    model = Gcn(ring(), features(), DIM)
    before = model.tables()[0]
    more = Csr.from_pairs(torch.tensor([0, 7]), torch.tensor([7, 0]), NODES, NODES)
    rows = torch.repeat_interleave(torch.arange(NODES), ring().lengths())
    model.extend(
        Csr.from_pairs(
            torch.cat([rows, torch.tensor([0, 7])]),
            torch.cat([ring().indices.long(), more.indices.long()]),
            NODES,
            NODES,
        )
    )
    assert not torch.allclose(model.tables()[0][0], before[0])
