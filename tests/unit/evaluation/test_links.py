"""Link metrics against trusted libraries, and the questions: no edge among the wrong ones, the same for every model."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score, roc_auc_score
from torch import Tensor

from negatives import kernels
from negatives.data.edges import symmetric
from negatives.errors import InputError, NonFiniteScores
from negatives.evaluation import measure, nearness
from negatives.evaluation.links import (
    LinkScores,
    LinkTest,
    RightEnds,
    evaluate_links,
    link_test,
    metric_names,
    non_edges,
)
from negatives.evaluation.nearness import nearest
from negatives.evaluation.values import Scored
from negatives.models.answers import answers_of_tables
from negatives.randomness import Purpose, generator, integers, stream
from negatives.types import Csr

N, DIM = 60, 5
NONE = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64)


def graph(n: int = N, per_node: int = 3, seed: int = 1) -> Csr:
    sources = torch.arange(n).repeat_interleave(per_node)
    targets = integers(stream(seed, Purpose.SPLIT), sources, torch.arange(per_node).repeat(n), n)
    apart = sources != targets
    return symmetric(Csr.from_pairs(sources[apart], targets[apart], n, n))


def with_self(near: Csr) -> Csr:
    rows = torch.repeat_interleave(torch.arange(near.n_rows), near.lengths())
    nodes = torch.arange(near.n_rows)
    return Csr.from_pairs(torch.cat([rows, nodes]), torch.cat([near.indices.long(), nodes]), near.n_rows, near.n_cols)


def questions(wrong: int = 20, seed: int = 0) -> LinkTest:
    near = graph()
    rows = torch.repeat_interleave(torch.arange(N), near.lengths())
    some = torch.arange(0, near.nnz, 5)
    known = with_self(near)
    right = RightEnds(known, known)
    (others,) = non_edges(right, [some.numel()], stream(seed, Purpose.PROBES, 1))
    return link_test(rows[some], near.indices.long()[some], near, right, others, wrong=wrong, seed=seed)


def vectors(seed: int) -> Tensor:
    return torch.randn(N, DIM, generator=generator(seed))


def by_tables(sources: torch.Tensor, targets: torch.Tensor, directed: bool = False) -> LinkScores:
    answers = answers_of_tables(sources, targets)
    return LinkScores(answers.pairs, answers.back, directed)


@pytest.mark.parametrize("rounded", [False, True])
def test_area_and_precision_agree_with_sklearn(rounded: bool) -> None:
    right, wrong = torch.randn(300, generator=generator(1)) + 0.7, torch.randn(211, generator=generator(2))
    if rounded:
        right, wrong = (right * 2).round(), (wrong * 2).round()  # many ties
    labels = [1] * 300 + [0] * 211
    scores = torch.cat([right, wrong]).numpy()
    found = measure(Scored(right, wrong), ["auc", "ap"]).mean
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("directed", [False, True])
def test_metrics_are_those_of_plain_loops(directed: bool) -> None:
    asked, sources, targets = questions(), vectors(1), vectors(2)
    full = sources @ targets.T
    full = full if directed else (full + full.T) / 2
    found = evaluate_links(asked, by_tables(sources, targets, directed), k=5)
    assert list(found.mean) == metric_names(5)
    right = full[asked.sources, asked.targets]
    wrong = full[asked.other_sources, asked.other_targets]
    labels = [1] * len(right) + [0] * len(wrong)
    assert found.mean["auc"] == pytest.approx(roc_auc_score(labels, torch.cat([right, wrong]).numpy()), abs=1e-6)
    for name, candidates in (("", asked.random), (":hard", asked.hard)):
        for row in range(len(right)):
            others = candidates[row].long()
            rivals = torch.cat([full[asked.sources[row], others[:10]], full[others[10:], asked.targets[row]]])
            scores = torch.cat([right[row : row + 1], rivals])
            truth = torch.arange(21) == 0
            reciprocal = label_ranking_average_precision_score(truth[None].numpy(), scores[None].numpy())
            assert found.per_query[f"mrr{name}"][row] == pytest.approx(reciprocal, abs=1e-6)
            assert bool(found.per_query[f"hits@5{name}"][row]) == (reciprocal >= 1 / 5 - 1e-9)
    for name, values in found.per_query.items():
        assert values.shape == right.shape
        assert float(values.mean()) == pytest.approx(found.mean[name])


def test_ties_count_one_half() -> None:
    asked, same = questions(), torch.ones(N, DIM)
    found = evaluate_links(asked, by_tables(same, same))
    assert found.mean["auc"] == found.mean["ap"] == 0.5
    assert found.mean["mrr"] == found.mean["mrr:hard"] == pytest.approx(1 / 11)


def test_both_ways_of_scoring_an_edge() -> None:
    sources, targets = vectors(1), vectors(2)
    nodes, others = torch.tensor([3, 7]), torch.tensor([[1, 2], [50, 7]])
    full = sources @ targets.T
    scores = by_tables(sources, targets, True)
    torch.testing.assert_close(scores(nodes, others), full[nodes[:, None], others])
    backwards = scores(nodes, others, reverse=True)
    torch.testing.assert_close(backwards, full[others, nodes[:, None]])


def test_no_wrong_node_is_right() -> None:
    asked, known = questions(40), with_self(graph())
    for candidates in (asked.random, asked.hard):
        for ends, part in ((asked.sources, candidates[:, :20]), (asked.targets, candidates[:, 20:])):
            assert not kernels.contains(known, ends, part.long()).any()
            assert int(part.min()) >= 0
    assert not kernels.contains(known, asked.other_sources, asked.other_targets[:, None]).any()
    assert asked.other_sources.numel() == asked.sources.numel()


def test_the_questions_follow_the_seed() -> None:
    first, again, other = questions(), questions(), questions(seed=1)
    for name in ("random", "hard", "other_sources"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.random, other.random)
    assert not torch.equal(first.other_sources, other.other_sources)


def test_near_nodes_are_those_that_short_walks_reach() -> None:
    near = graph()
    table = torch.zeros(N, N, dtype=torch.float64)
    for node in range(N):
        table[node, near.row(node).long()] = 1 / near.lengths()[node].double()
    mass = 0.85**2 * table @ table + 0.85**3 * table @ table @ table
    known = with_self(near)
    for node in range(N):
        mass[node, known.row(node).long()] = 0
    nodes = torch.tensor([5, 0, 5, 33])
    found = nearest(near, nodes, 12, known, key=1)
    for row, node in zip(found, nodes.tolist(), strict=True):
        wanted = mass[node].topk(12).values
        torch.testing.assert_close(mass[node, row.clamp(min=0)] * (row >= 0), wanted, atol=1e-7, rtol=1e-5)
    assert torch.equal(found[0], found[2])


def test_counted_walks_find_nearly_the_same_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    near, nodes = graph(), torch.tensor([5, 0, 5, 33, 12])
    known = with_self(near)
    exact = nearest(near, nodes, 8, known, key=1)
    monkeypatch.setattr(nearness, "EXACT", 0)
    monkeypatch.setattr(nearness, "WALKS", 100_000)
    counted = nearest(near, nodes, 8, known, key=1)
    for row in range(len(nodes)):
        assert len(set(exact[row].tolist()) & set(counted[row].tolist())) >= 7
        assert not set(counted[row].tolist()) & set(known.row(int(nodes[row])).tolist())
    assert torch.equal(exact[:, 0], counted[:, 0])
    monkeypatch.setattr(nearness, "CELLS", 1)  # one node at a time
    assert torch.equal(nearest(near, nodes, 8, known, key=1), counted)


def test_nodes_that_nobody_reaches_are_filled_with_random_ones() -> None:
    path = symmetric(Csr.from_pairs(torch.tensor([0, 2]), torch.tensor([1, 3]), 8, 8))
    known = with_self(path)
    assert (nearest(path, torch.tensor([0, 7]), 3, known, key=1) < 0).all()
    asked = link_test(torch.tensor([0]), torch.tensor([1]), path, RightEnds(known, known), NONE, wrong=8, seed=0)
    assert (asked.hard >= 0).all()
    assert not torch.isin(asked.hard, torch.tensor([0, 1])).all()


@pytest.mark.parametrize("directed", [False, True])
def test_non_edges_are_distinct_and_as_many_as_there_are(directed: bool) -> None:
    known = with_self(graph())
    right = RightEnds(known, Csr(known.indptr, known.indices, N) if directed else known)
    free = N * N - known.nnz if directed else (N * N - known.nnz) // 2
    parts = non_edges(right, [10**6, 2 * 10**6], key=3)
    sources, targets = (torch.cat([part[at] for part in parts]) for at in (0, 1))
    codes = sources * N + targets
    codes = codes if directed else torch.minimum(codes, targets * N + sources)
    assert free - 1 <= sources.numel() <= free
    assert torch.unique(codes).numel() == sources.numel()
    assert not kernels.contains(known, sources, targets[:, None]).any()
    assert 2 * parts[0][0].numel() == pytest.approx(parts[1][0].numel(), abs=2)


def test_non_edges_of_two_parts_differ_also_in_large_graphs() -> None:
    big = with_self(graph(3000, 2))
    parts = non_edges(RightEnds(big, big), [500, 300], key=3)
    assert [part[0].numel() for part in parts] == [500, 300]
    sources, targets = (torch.cat([part[at] for part in parts]) for at in (0, 1))
    pairs = {frozenset(pair) for pair in zip(sources.tolist(), targets.tolist(), strict=True)}
    assert len(pairs) == 800
    assert not kernels.contains(big, sources, targets[:, None]).any()
    alone = non_edges(RightEnds(big, big), [500], key=3)[0]
    assert torch.equal(alone[0], parts[0][0])  # a further part changes nothing of the first


def test_a_graph_in_which_every_pair_is_an_edge_has_no_questions() -> None:
    everything = Csr.from_pairs(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), 2, 2)
    with pytest.raises(InputError, match="every pair of nodes is an edge"):
        non_edges(RightEnds(everything, everything), [3], key=1)


@pytest.mark.parametrize("n", [90, 3000])
def test_wrong_ends_are_of_the_other_side(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = (torch.arange(n) % 3 == 0).long()
    sides[-3:] = -1  # nodes without edges
    left, right = (sides == 0).nonzero()[:, 0], (sides == 1).nonzero()[:, 0]
    rows = left.repeat_interleave(3)
    cols = right[integers(7, rows, torch.arange(3).repeat(left.numel()), right.numel())]
    near = symmetric(Csr.from_pairs(rows, cols, n, n))
    known = with_self(near)
    ends = RightEnds(known, known, sides)
    (others,) = non_edges(ends, [100], key=3)
    assert others[0].numel() == 100
    assert set((sides[others[0]] + sides[others[1]]).tolist()) == {1}
    for exact in (1 << 31, 0):  # near nodes by the distribution, and by walks
        monkeypatch.setattr(nearness, "EXACT", exact)
        asked = link_test(rows[::9], cols[::9], near, ends, others, wrong=20, seed=0)
        for candidates in (asked.random, asked.hard):
            for nodes, part in ((asked.sources, candidates[:, :10]), (asked.targets, candidates[:, 10:])):
                assert bool((sides[part.long()] == 1 - sides[nodes][:, None]).all())
                assert not kernels.contains(known, nodes, part.long()).any()


def test_a_node_that_knows_all_has_no_wrong_ones() -> None:
    star = symmetric(Csr.from_pairs(torch.zeros(4, dtype=torch.int64), torch.arange(1, 5), 5, 5))
    known = with_self(star)
    right = RightEnds(known, known)
    (others,) = non_edges(right, [1], key=3)
    asked = link_test(torch.tensor([0]), torch.tensor([1]), star, right, others, wrong=6, seed=0)
    assert asked.hard[0, :3].tolist() == asked.random[0, :3].tolist() == [-1, -1, -1]
    table = torch.eye(5)
    table[0, 1] = 1.0
    assert evaluate_links(asked, by_tables(table, table)).mean["mrr:hard"] == 1.0


def test_vectors_that_are_no_numbers_are_refused() -> None:
    broken = vectors(1)
    broken[3, 2] = torch.nan
    with pytest.raises(NonFiniteScores, match="lower the learning rate"):
        evaluate_links(questions(), by_tables(broken, broken))
