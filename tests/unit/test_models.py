"""Models: scores agree with tables, gradients with dense autograd, and nobody reads the answer off the input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models import Model, registry
from negatives.models.factorization import MatrixFactorization
from negatives.models.history import HistoryTower
from negatives.models.lightgcn import LightGCN
from negatives.models.propagation import Operator, bipartite
from negatives.models.settings import ItemLength, Prior, Smoothing
from negatives.models.tables import table_scores
from negatives.models.two_tower import Towers, TwoTower
from negatives.types import Context, Csr

QUERIES, ITEMS, WORDS, DIM, COLD = 12, 17, 9, 6, 16
"""Item 16 has no pair."""


def known() -> Csr:
    made = torch.Generator().manual_seed(2)
    pairs = torch.rand(QUERIES, ITEMS, generator=made) < 0.3
    pairs[:, COLD] = False
    pairs[torch.arange(QUERIES), torch.arange(QUERIES)] = True
    pairs[torch.arange(ITEMS - 1) % QUERIES, torch.arange(ITEMS - 1)] = True
    pairs[5] = torch.arange(ITEMS) == 5  # a query with one item
    pairs[7, 14] = True
    rows, cols = pairs.nonzero(as_tuple=True)
    return Csr.from_pairs(rows, cols, QUERIES, ITEMS)


def dense(sets: Csr) -> Tensor:
    table = torch.zeros(sets.n_rows, sets.n_cols, dtype=torch.float64)
    for row in range(sets.n_rows):
        table[row, sets.row(row).long()] = 1.0
    return table


def features() -> SparseFeatures:
    made = torch.Generator().manual_seed(4)
    table = torch.rand(ITEMS, WORDS, generator=made) * (torch.rand(ITEMS, WORDS, generator=made) < 0.5)
    table[:, 0] += 0.1
    rows, cols = table.nonzero(as_tuple=True)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=ITEMS).cumsum(0)])
    return SparseFeatures(indptr, cols.to(torch.int32), table[rows, cols], WORDS)


MAKE: dict[str, Callable[[str, int], Model]] = {
    "mf": lambda similarity, seed: MatrixFactorization(QUERIES, ITEMS, DIM, similarity, seed=seed),
    "history": lambda similarity, seed: HistoryTower(known(), DIM, similarity, own=0.5, seed=seed),
    "lightgcn": lambda similarity, seed: LightGCN(known(), DIM, similarity, Smoothing(2), seed=seed),
    "two_tower": lambda similarity, seed: TwoTower(
        known(), features(), DIM, similarity, towers=Towers(free_items=True, own=0.3), seed=seed
    ),
}
every_model = pytest.mark.parametrize("name", sorted(MAKE))
both = pytest.mark.parametrize("similarity", ["dot", "cosine"])


ELSEWHERE = {
    "unit/models/test_graph_models.py": {"gcn", "sage", "propagation", "node2vec", "line"},
    "unit/models/test_knowledge_models.py": {"transe", "distmult", "complex", "rotate"},
    "unit/models/test_encoders.py": {"static", "sentence_transformers"},
    "unit/models/test_sequence_models.py": {"sasrec", "gru"},
    "unit/models/test_language_models.py": {"lstm", "transformer"},
    "unit/models/test_sentence_model.py": {"sentence"},
    "unit/models/test_simple_methods.py": {
        *("popularity", "item_knn", "ease", "common_neighbours", "adamic_adar", "personalised_pagerank"),
        *("relation_frequencies", "bm25", "tfidf", "nearest_rows", "linear", "ngram", "ppmi_svd", "sequential_rules"),
    },
    "unit/tasks/test_classify.py": {"sparse"},
    "unit/training/test_word_engines.py": {"skip_gram", "cbow", "glove"},
}
"""Models whose queries are no users: the file with their cases, and their names."""


def test_every_model_has_a_case() -> None:
    assert set(registry) == set(MAKE).union(*ELSEWHERE.values())


@every_model
@both
@pytest.mark.parametrize("learning", [False, True])
def test_scores_agree_with_the_tables(name: str, similarity: str, learning: bool) -> None:
    model = MAKE[name](similarity, 0)
    users, items = model.tables()
    assert (users.shape, items.shape) == ((QUERIES, DIM), (ITEMS, DIM))
    full = users @ items.T
    assert float(full.std()) > 0
    queries = torch.tensor([3, 0, 3, 11, 5])
    ids = torch.arange(5 * 4).view(5, 4) * 7 % ITEMS
    pool = torch.tensor([2, 2, 16, 9])
    with torch.set_grad_enabled(learning):
        model.refresh()
        pairs, each, shared = (model.score(queries, one) for one in (ids[:, 0], ids, pool.expand(5, -1)))
    torch.testing.assert_close(pairs.detach(), full[queries, ids[:, 0]])
    torch.testing.assert_close(each.detach(), full[queries[:, None], ids])
    torch.testing.assert_close(shared.detach(), full[queries][:, pool])
    assert pairs.requires_grad == each.requires_grad == shared.requires_grad == learning
    torch.testing.assert_close(model.encode_queries(queries).detach(), users[queries])
    torch.testing.assert_close(model.encode_items(ids).detach(), items[ids])


@every_model
def test_cosine_has_unit_length(name: str) -> None:
    users, items = MAKE[name]("cosine", 0).tables()
    content = items[:COLD] if name in ("history", "lightgcn") else items
    for table in (users, content):
        torch.testing.assert_close(table.norm(dim=1), torch.ones(len(table)))
    plain, _ = MAKE[name]("dot", 0).tables()
    assert float((plain.norm(dim=1) - 1).abs().max()) > 0.01


@every_model
@both
def test_gradients_of_the_three_ways_to_score_agree(name: str, similarity: str) -> None:
    queries, ids = torch.tensor([3, 0, 3, 11]), torch.tensor([[1, 4, 4], [9, 16, 2], [4, 0, 3], [5, 5, 6]])
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(6))
    found = []
    for way in ("rows", "pairs", "pool"):
        model = MAKE[name](similarity, 0)
        model.refresh()
        if way == "rows":
            total = (model.score(queries, ids) * weights).sum()
        elif way == "pairs":
            total = sum((model.score(queries, ids[:, j]) * weights[:, j]).sum() for j in range(3))  # type: ignore[assignment]
        else:
            spread = torch.zeros(4, ITEMS).scatter_add_(1, ids, weights)
            total = (model.score(queries, torch.arange(ITEMS).expand(4, -1)) * spread).sum()
        total.backward()
        found.append({key: one.grad for key, one in model.named_parameters()})
    assert all(grad is not None and float(grad.abs().max()) > 0 for grad in found[0].values())
    for other in found[1:]:
        for key, grad in found[0].items():
            torch.testing.assert_close(other[key], grad, atol=1e-5, rtol=1e-4)


@every_model
def test_a_seed_decides_the_initial_values(name: str) -> None:
    first, again = (dict(MAKE[name]("dot", 4).state_dict()) for _ in range(2))
    assert first.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    if name != "lightgcn":  # starts from singular vectors, which the seed hardly touches
        other = MAKE[name]("dot", 5).state_dict()
        assert not any(torch.equal(first[key], other[key]) for key in first if first[key].any())


@every_model
def test_the_state_restores_the_model(name: str) -> None:
    first, other = MAKE[name]("cosine", 1), MAKE[name]("cosine", 2)
    other.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(first.tables(), other.tables(), strict=True))


def test_an_unknown_similarity_is_refused() -> None:
    with pytest.raises(ConfigError, match="choose dot or cosine"):
        MAKE["mf"]("euclid", 0)


def test_table_scores_have_the_dense_gradient() -> None:
    made = torch.Generator().manual_seed(1)
    users, items = (torch.randn(n, DIM, generator=made, requires_grad=True) for n in (QUERIES, ITEMS))
    rows, ids = torch.tensor([2, 2, 7]), torch.tensor([[1, 1, 3], [1, 0, 16], [3, 2, 1]])
    weights = torch.randn(3, 3, generator=made)
    found = torch.autograd.grad((table_scores(users, items, rows, ids) * weights).sum(), (users, items))
    expected = torch.autograd.grad(((users[rows, None] * items[ids]).sum(2) * weights).sum(), (users, items))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@both
@pytest.mark.parametrize("powers", [(0.5, 0.5), (0.8, 0.2)])
def test_lightgcn_is_dense_propagation(similarity: str, powers: tuple[float, float]) -> None:
    own, other = powers
    model = LightGCN(known(), DIM, similarity, Smoothing(3, own_power=own, other_power=other))
    pairs = dense(known())
    d_query, d_item = pairs.sum(1), pairs.sum(0).clamp(min=1)
    upper = d_query[:, None] ** -own * pairs * d_item[None] ** -other
    lower = (d_query[:, None] ** -other * pairs * d_item[None] ** -own).T
    adjacency = torch.zeros(QUERIES + ITEMS, QUERIES + ITEMS, dtype=torch.float64)
    adjacency[:QUERIES, QUERIES:], adjacency[QUERIES:, :QUERIES] = upper, lower
    start = torch.cat([model.query_table, model.item_table]).detach().double().requires_grad_()
    layers = [start]
    for _ in range(3):
        layers.append(adjacency @ layers[-1])
    whole = torch.stack(layers).mean(0)
    users, items = model.normalise(whole[:QUERIES]), model.normalise(whole[QUERIES:])
    queries, ids = torch.tensor([3, 0, 5]), torch.tensor([[1, 4], [9, 2], [5, 0]])
    weights = torch.tensor([[1.0, -2.0], [0.5, 1.5], [-1.0, 1.0]])
    ((users[queries, None] * items[ids]).sum(2) * weights).sum().backward()
    model.refresh()
    torch.testing.assert_close(model.encode_items(torch.arange(ITEMS)).detach(), items.detach().float())
    (model.score(queries, ids) * weights).sum().backward()
    assert start.grad is not None
    expected = start.grad.float()
    torch.testing.assert_close(model.query_table.grad, expected[:QUERIES], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.item_table.grad, expected[QUERIES:], atol=1e-5, rtol=1e-4)


def test_lightgcn_can_leave_a_rows_own_edge_out_of_the_last_hop() -> None:
    smoothing = Smoothing(2, own_power=0.8, other_power=0.2, leave_one_out=True)
    model, pairs = LightGCN(known(), DIM, "dot", smoothing), dense(known())
    d_query, d_item = pairs.sum(1), pairs.sum(0).clamp(min=1)
    upper = d_query[:, None] ** -0.8 * pairs * d_item[None] ** -0.2
    lower = (d_query[:, None] ** -0.2 * pairs * d_item[None] ** -0.8).T
    users, items = model.query_table.detach().double(), model.item_table.detach().double()
    queries, positives = torch.tensor([3, 5, 7]), torch.tensor([3, 5, 14])
    model.refresh(Context(queries, positives, torch.arange(3)))
    for row, (query, item) in enumerate(zip(queries.tolist(), positives.tolist(), strict=True)):
        hop_up, hop_down = upper[query].clone(), lower[item].clone()
        hop_up[item], hop_down[query] = 0.0, 0.0
        of_query = (users[query] + hop_up @ (items + lower @ users)) / 3
        of_item = (items[item] + hop_down @ (users + upper @ items)) / 3
        mine = model.encode_queries(queries)[row], model.encode_items(positives)[row]
        torch.testing.assert_close(mine[0], of_query.float(), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(mine[1], of_item.float(), atol=1e-6, rtol=1e-5)
    whole = LightGCN(known(), DIM, "dot", Smoothing(2, own_power=0.8, other_power=0.2))
    whole.refresh()
    candidates = torch.tensor([4, 9])
    torch.testing.assert_close(model.encode_items(candidates), whole.encode_items(candidates))
    for mine, theirs in zip(model.tables(), whole.tables(), strict=True):  # nothing is left out of the final ranking
        torch.testing.assert_close(mine, theirs)


@both
@pytest.mark.parametrize("name", ["history", "lightgcn"])
def test_a_prior_adds_the_log_of_an_items_count(name: str, similarity: str) -> None:
    def made(prior: Prior) -> Model:
        if name == "history":
            return HistoryTower(known(), DIM, similarity, prior=prior)
        return LightGCN(known(), DIM, similarity, prior=prior)

    without, model = made(Prior()), made(Prior(0.3))
    counts = dense(known()).sum(0)
    queries, ids = torch.tensor([3, 0, 5]), torch.tensor([[1, 4], [9, COLD], [5, 0]])
    without.refresh()
    model.refresh()
    wanted = without.score(queries, ids) + 0.3 * (1 + counts[ids]).log().float()
    torch.testing.assert_close(model.score(queries, ids), wanted)
    users, items = model.tables()
    torch.testing.assert_close((users[queries, None] * items[ids]).sum(2), wanted)
    assert without.tables()[0].shape[1] == DIM  # no column where there is no term
    more = Csr.from_pairs(torch.tensor([0, 1, 2]), torch.tensor([COLD] * 3), QUERIES, ITEMS)
    model.extend(more)
    found = model.tables()[1][:, -1]
    torch.testing.assert_close(found, 0.3 * (1 + dense(more).sum(0)).log().float())
    with pytest.raises(ConfigError, match=r"popularity is -0.1"):
        Prior(-0.1)


@pytest.mark.parametrize("name", ["history", "two_tower"])
def test_a_tower_leaves_the_positive_out(name: str) -> None:
    model = HistoryTower(known(), DIM) if name == "history" else TwoTower(known(), features(), DIM, "dot")
    queries, positives = torch.tensor([3, 5, 7]), torch.tensor([3, 5, 14])
    context = Context(queries, positives, torch.arange(3))
    model.refresh(context)
    vectors, items = model.encode_queries(context.queries), model.encode_items(torch.arange(ITEMS))
    for row, (query, positive) in enumerate(zip(queries.tolist(), positives.tolist(), strict=True)):
        rest = [item for item in known().row(query).tolist() if item != positive]
        power = 0.5 if name == "history" else 1.0
        expected = items[rest].sum(0) / max(len(rest), 1) ** power
        torch.testing.assert_close(vectors[row], expected, atol=1e-6, rtol=1e-5)
    if isinstance(model, HistoryTower):
        vectors[2].sum().backward()
        assert model.item_table.grad is not None
        assert float(model.item_table.grad[14].abs().max()) < 1e-6
        assert float(model.item_table.grad[known().row(7)[0]].abs().max()) > 0
    model.refresh()
    whole = model.encode_queries(queries)
    assert float((whole[2] - vectors[2]).detach().abs().max()) > 1e-3


def test_the_two_tower_ranks_cold_items_by_content() -> None:
    rows = torch.tensor([[0, 1, 2], [0, 1, 3], [4, 5, 6], [4, 5, 7], [0, 1, 2], [4, 5, 6]])
    content = SparseFeatures(torch.arange(0, 19, 3), rows.flatten().to(torch.int32), torch.ones(18), 8)
    sets = Csr.from_pairs(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 2, 3]), 2, 6)
    model = TwoTower(sets, content, 32, towers=Towers(free_items=True))
    users, items = model.tables()
    scores = users @ items.T
    assert float(scores[0, 4]) > float(scores[0, 5]) + 0.5
    assert float(scores[1, 5]) > float(scores[1, 4]) + 0.5
    assert model.item_table is not None
    with torch.no_grad():
        model.item_table += 1.0
    moved = model.tables()[1]
    torch.testing.assert_close(moved[4:], items[4:])
    assert float((moved[:4] - items[:4]).abs().max()) > 0.01


def test_free_vectors_are_dropped_for_a_share_of_the_steps() -> None:
    model = TwoTower(known(), features(), DIM, "dot", towers=Towers(free_items=True, drop_free=0.4))
    assert model.item_table is not None
    with torch.no_grad():
        model.item_table += 1.0
    without = TwoTower(known(), features(), DIM, "dot").tables()[1]
    kept = []
    for step in range(200):
        model.refresh(Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]), step=step))
        kept.append((model.encode_items(torch.arange(ITEMS)) - without).detach().mean(1) > 0.5)
    shares = torch.stack(kept).double().mean(0)
    assert float(shares[COLD]) == 0.0
    assert float((shares[:COLD].mean() - 0.6).abs()) < 0.04
    assert float(shares[:COLD].min()) > 0.4


def as_dense(side: tuple[Tensor, Tensor, Tensor], n_cols: int) -> Tensor:
    indptr, indices, values = side
    table = torch.zeros(indptr.numel() - 1, n_cols, dtype=torch.float64)
    rows = torch.repeat_interleave(torch.arange(len(table)), indptr.diff())
    return table.index_put_((rows, indices.long()), values.double(), accumulate=True)


@pytest.mark.parametrize("powers", [(0.5, 0.5), (1.0, 0.0), (0.0, 0.0), (0.3, 0.9)])
def test_an_operator_holds_its_transpose(powers: tuple[float, float]) -> None:
    made = bipartite(known(), *powers)
    assert isinstance(made, Operator)
    pairs = dense(known())
    expected = pairs.sum(1)[:, None] ** -powers[0] * pairs * pairs.sum(0).clamp(min=1)[None] ** -powers[1]
    forward, backward = as_dense(made.forward, ITEMS), as_dense(made.backward, QUERIES)
    torch.testing.assert_close(forward, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(backward, forward.T)
    back = made.transposed()
    x, y = torch.randn(ITEMS, 3, requires_grad=True), torch.randn(QUERIES, 3, requires_grad=True)
    for operator, table, values in ((made, forward, x), (back, forward.T, y)):
        product = operator @ values
        torch.testing.assert_close(product.detach(), (table @ values.detach().double()).float())
        weights = torch.arange(product.numel(), dtype=torch.float32).view_as(product) - 5
        (grad,) = torch.autograd.grad((product * weights).sum(), values)
        torch.testing.assert_close(grad, (table.T @ weights.double()).float(), atol=1e-4, rtol=1e-5)


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="dim is 0"):
        MatrixFactorization(QUERIES, ITEMS, 0)
    with pytest.raises(ConfigError, match="layers is -1"):
        LightGCN(known(), DIM, smoothing=Smoothing(-1))


@pytest.mark.parametrize("name", ["history", "lightgcn", "two_tower"])
def test_more_pairs_can_be_taken_in_without_training(name: str) -> None:
    more = Csr.from_pairs(torch.arange(24) % QUERIES, torch.arange(24) * 5 % ITEMS, QUERIES, ITEMS)
    makers: dict[str, Callable[[Csr], Model]] = {
        "history": lambda sets: HistoryTower(sets, DIM, own=0.5),
        "lightgcn": lambda sets: LightGCN(sets, DIM, "cosine", Smoothing(2)),
        "two_tower": lambda sets: TwoTower(sets, features(), DIM),
    }
    model, fresh = makers[name](known()), makers[name](more)
    fresh.load_state_dict(model.state_dict())
    before = model.tables()[0]
    model.extend(more)
    assert float((model.tables()[0] - before).abs().max()) > 1e-3
    for mine, theirs in zip(model.tables(), fresh.tables(), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("layers", [0, 2])
def test_the_length_of_items_counts_to_a_power(layers: int) -> None:
    model = LightGCN(known(), DIM, "cosine", Smoothing(layers), ItemLength(0.3, 0.8))
    plain = LightGCN(known(), DIM, "dot", Smoothing(layers))
    plain.load_state_dict(model.state_dict())
    raw = plain.tables()[1][:COLD]
    users, ranked = model.tables()
    torch.testing.assert_close(users.norm(dim=1), torch.ones(QUERIES))
    torch.testing.assert_close(ranked[:COLD].norm(dim=1), raw.norm(dim=1) ** 0.8)
    torch.testing.assert_close(ranked[:COLD] / ranked[:COLD].norm(dim=1, keepdim=True), raw / raw.norm(dim=1)[:, None])
    queries = torch.tensor([0, 3])
    model.refresh(Context(queries, torch.tensor([0, 3]), torch.arange(2)))
    learnt = model.encode_items(torch.arange(COLD)).detach()
    torch.testing.assert_close(learnt.norm(dim=1), raw.norm(dim=1) ** 0.3)
    for ids in (torch.tensor([[1, 2], [4, 0]]), torch.tensor([5, 6, 7]).expand(2, -1)):
        expected = torch.einsum("rd,rkd->rk", users[queries], learnt[ids])
        torch.testing.assert_close(model.score(queries, ids).detach(), expected)
