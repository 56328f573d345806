"""Simple methods against their definitions, written out on small data."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from negatives.data.cooccurrence import Cooccurrence
from negatives.data.edges import symmetric
from negatives.data.neighbours import Neighbours
from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError
from negatives.models.baselines import Sizes, sparse
from negatives.models.baselines.adamic_adar import AdamicAdar
from negatives.models.baselines.bm25 import Bm25
from negatives.models.baselines.common_neighbours import CommonNeighbours
from negatives.models.baselines.ease import MOST, Ease
from negatives.models.baselines.item_knn import ItemKnn
from negatives.models.baselines.linear import Linear
from negatives.models.baselines.nearest_rows import NearestRows
from negatives.models.baselines.ngram import Ngrams
from negatives.models.baselines.personalised_pagerank import PersonalisedPagerank
from negatives.models.baselines.popularity import Popularity
from negatives.models.baselines.ppmi_svd import PpmiSvd, ppmi
from negatives.models.baselines.relation_frequencies import RelationFrequencies
from negatives.models.baselines.tfidf import Tfidf
from negatives.types import Csr

USERS, ITEMS, NODES = 30, 12, 14


def pairs(seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((USERS, ITEMS)) < 0.3).astype(np.float64)


def sets(dense: np.ndarray) -> Csr:
    rows, cols = (torch.from_numpy(one) for one in np.nonzero(dense))
    return Csr.from_pairs(rows, cols, *dense.shape)


def close(found: torch.Tensor, wanted: np.ndarray, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(found.numpy(), wanted, atol=atol, rtol=1e-4)


def network() -> tuple[Csr, np.ndarray]:
    dense = np.triu(np.random.default_rng(1).random((NODES, NODES)) < 0.25, 1)
    dense[0] = False  # a node without neighbours
    whole = (dense | dense.T).astype(np.float64)
    return symmetric(sets(dense)), whole


def test_popularity_orders_by_counts() -> None:
    counts = torch.tensor([3, 0, 7])
    scores = Popularity(2, counts).score_all(torch.tensor([0, 1]))
    close(scores, np.log1p([[3, 0, 7], [3, 0, 7]]))


def test_ease_is_the_formula_and_histories_grow() -> None:
    x, longer = pairs(), pairs(5)
    p = np.linalg.inv(x.T @ x + 3.0 * np.eye(ITEMS))
    b = np.eye(ITEMS) - p / np.diag(p)
    model = Ease(sets(x), l2=3.0)
    close(model.score_all(torch.arange(USERS)), x @ b)
    model.extend(sets(longer))
    close(model.score_all(torch.tensor([4, 2])), (longer @ b)[[4, 2]])


@pytest.mark.parametrize(("k", "h"), [(3, 0.0), (5, 2.0), (100, 10.0)])
def test_item_knn_is_shrunk_cosine_of_the_nearest(k: int, h: float) -> None:
    x = pairs()
    both = x.T @ x
    n = np.diag(both)
    c = both / (np.sqrt(np.outer(n, n)) + h)
    np.fill_diagonal(c, 0.0)
    for row in c:
        row[np.argsort(-row, kind="stable")[k:]] = 0.0
    model = ItemKnn(sets(x), k, h)
    close(model.similarities(), c)
    close(model.score_all(torch.arange(USERS)), x @ c.T)
    longer = pairs(3)
    model.extend(sets(longer))
    close(model.score_all(torch.arange(USERS)), longer @ c.T)


def test_the_strongest_of_a_row_are_kept() -> None:
    matrix = sparse.matrix_of_features(
        SparseFeatures(torch.tensor([0, 3, 3, 4]), torch.tensor([0, 2, 3]).repeat(2)[:4].int(), torch.ones(4), 4)
    )
    matrix.data[:] = [1.0, 5.0, 5.0, 2.0]
    first = [[0, 0, 5, 0], [0, 0, 0, 5]]  # equal ones in a random order that is always the same
    found = sparse.strongest(matrix, 1).toarray().tolist()
    assert found[0] in first
    assert found[1:] == [[0, 0, 0, 0], [2, 0, 0, 0]]


def test_of_equal_ones_no_column_is_favoured() -> None:
    n, k, rows = 40, 4, 1000
    indptr, indices = torch.arange(rows + 1) * n, torch.arange(n).repeat(rows).int()
    found = sparse.strongest(sparse.matrix_of_features(SparseFeatures(indptr, indices, torch.ones(rows * n), n)), k)
    kept = found.toarray().sum(0)
    assert (abs(kept - rows * k / n) < 5 * (rows * k / n) ** 0.5).all()


def test_relation_frequencies_count_answers_and_fall_back() -> None:
    relations = torch.tensor([0, 0, 1, 2])  # the last was never seen
    known = Csr.from_pairs(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 1, 2, 0]), 4, 3)
    counts = torch.tensor([1, 2, 1])
    scores = RelationFrequencies(relations, known, counts).score_all(torch.arange(4))
    share = np.array([1, 2, 1]) / 5
    close(scores, np.array([[0, 2, 1], [0, 2, 1], [1, 0, 0], [0, 0, 0]]) + share)


def test_neighbours_in_common() -> None:
    graph, a = network()
    every = torch.arange(NODES)
    close(CommonNeighbours(graph).score_all(every), a @ a)
    wanted = np.zeros((NODES, NODES))
    for z in range(NODES):
        near = np.nonzero(a[z])[0]
        for u in near:
            for v in near:
                wanted[u, v] += 1 / math.log(max(2, len(near)))
    model = AdamicAdar(graph)
    close(model.score_all(every), wanted)
    answers = model.answers()
    others = every.repeat(NODES, 1)
    close(answers.pairs(every, others), wanted)
    close(answers.back(every, others), wanted.T)


def test_pagerank_is_the_cut_sum_both_ways() -> None:
    graph, a = network()
    p = a / np.maximum(a.sum(1, keepdims=True), 1)
    total = sum(0.2 * 0.8**step * np.linalg.matrix_power(p, step) for step in range(5))
    found = PersonalisedPagerank(graph, restart=0.2, steps=4).score_all(torch.arange(NODES))
    close(found, (total + total.T) / 2)


def test_bm25_by_hand() -> None:
    documents = ["a cat and a dog", "The cat", "a bird sang"]
    model = Bm25(["cat bird cat", "nothing"], documents, k=1.2, b=0.75)
    lengths, mean = [5, 2, 3], 10 / 3
    damp = [1.2 * (0.25 + 0.75 * length / mean) for length in lengths]
    cat, bird = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)
    wanted = [2 * cat * 2.2 / (1 + damp[0]), 2 * cat * 2.2 / (1 + damp[1]), bird * 2.2 / (1 + damp[2])]
    close(model.score_all(torch.tensor([1, 0])), np.array([[0, 0, 0], wanted]))
    close(model.score_texts(["Bird!"]), np.array([[0, 0, wanted[2]]]))


def test_tfidf_is_a_cosine_of_n_grams() -> None:
    texts = ["abcd", "abce", "xyz", "abcd"]
    model = Tfidf(texts, texts)
    scores = model.score_all(torch.arange(4))
    close(scores.diagonal(), np.ones(4))
    assert float(scores[0, 3]) == pytest.approx(1.0)
    assert 0.1 < float(scores[0, 1]) < 0.9
    assert float(scores[0, 2]) == 0.0
    close(model.answers().pairs(torch.arange(4), torch.arange(4).repeat(4, 1)), scores.numpy())


def rows_of(dense: np.ndarray) -> SparseFeatures:
    at = np.nonzero(dense)
    indptr = torch.from_numpy(np.concatenate([[0], np.cumsum(np.bincount(at[0], minlength=len(dense)))]))
    return SparseFeatures(indptr, torch.from_numpy(at[1]).int(), torch.from_numpy(dense[at]).float(), dense.shape[1])


@pytest.mark.parametrize("width", [4, 40])
def test_linear_is_ridge_regression(width: int) -> None:
    random = np.random.default_rng(2)
    x, y = random.random((20, width)) * (random.random((20, width)) < 0.6), random.random((20, 3)) < 0.4
    y[15:] = False  # rows of the test part
    y[:15, 0] |= ~y[:15].any(1)
    wide = np.hstack([x, np.ones((20, 1))])
    w = np.linalg.solve(wide[:15].T @ wide[:15] + 0.7 * np.eye(width + 1), wide[:15].T @ y[:15])
    close(Linear(rows_of(x), sets(y), l2=0.7).score_all(torch.arange(20)), wide @ w, atol=1e-4)


def test_nearest_rows_vote_by_their_cosine() -> None:
    x = np.array([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0], [2.0, 1.0]])
    y = np.array([[1, 0], [0, 1], [0, 1], [0, 0]])
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = unit[3] @ unit[:3].T
    near = np.sort(cosine)[1:]  # rows 0 and 2
    assert near.tolist() == pytest.approx([cosine[0], cosine[2]])
    votes = near**3 / (near**3).sum()
    close(NearestRows(rows_of(x), sets(y), neighbours=2).score_all(torch.tensor([3])), votes[None])
    close(Neighbours(rows_of(unit), sets(y)).votes(torch.tensor([0]), 1), np.array([[0.0, 1.0]]))


def kneser_ney(text: list[int], words: int, order: int, history: list[int], word: int) -> float:
    """The probability by its recursion, counted anew at every order."""
    below = 1 / words
    for length in range(1, order + 1):
        grams = [tuple(text[i : i + length]) for i in range(len(text) - length + 1)]
        counts: dict[tuple[int, ...], int] = {}
        if length == order:
            for one in grams:
                counts[one] = counts.get(one, 0) + 1
        else:
            for longer in {tuple(text[i : i + length + 1]) for i in range(len(text) - length)}:
                counts[longer[1:]] = counts.get(longer[1:], 0) + 1
        once, twice = (sum(count == n for count in counts.values()) for n in (1, 2))
        discount = min(max(once / max(once + 2 * twice, 1), 0.1), 0.9)
        context = tuple(history[len(history) - length + 1 :])
        follow = {gram: count for gram, count in counts.items() if gram[:-1] == context}
        total = sum(follow.values())
        if total:
            own = max(follow.get((*context, word), 0) - discount, 0)
            below = (own + discount * len(follow) * below) / total
    return below


@pytest.mark.parametrize("order", [1, 2, 3])
def test_n_grams_are_the_recursion(order: int) -> None:
    random = np.random.default_rng(4)
    text = [int(word) for word in random.integers(0, 5, 60)]
    model = Ngrams(torch.tensor(text), torch.bincount(torch.tensor(text), minlength=6), order)
    asked = [2, 4, 1, 1, 0, 5, 3]
    padded = [0] * (order - 1) + asked
    found, log_z = model.log_probs(torch.tensor(asked), 0)
    wanted = [kneser_ney(text, 6, order, padded[i : i + order - 1], word) for i, word in enumerate(asked)]
    close(found.exp(), np.array(wanted))
    assert log_z.tolist() == [0.0] * len(asked)
    after = model.following(torch.tensor([1, 4, 2])).exp()
    assert float(after.sum()) == pytest.approx(1.0, abs=1e-5)
    close(after, np.array([kneser_ney(text, 6, order, [4, 2][3 - order :] if order > 1 else [], w) for w in range(6)]))


def test_ppmi_by_hand_and_its_vectors() -> None:
    text = [0, 1, 2, 0, 1, 3, 0, 1, 2]
    x = np.zeros((4, 4))
    for a, b in pairwise(text):
        x[a, b] += 1
        x[b, a] += 1
    upper = np.nonzero(np.triu(x))
    cells = Cooccurrence(*(torch.from_numpy(one).int() for one in upper), torch.from_numpy(x[upper]).float(), ())
    words, contexts = x.sum(1), x.sum(1) ** 0.75
    with np.errstate(divide="ignore"):
        wanted = np.maximum(np.log(x / words[:, None] / (contexts / contexts.sum())), 0)
    close(ppmi(cells, 4) @ torch.eye(4), wanted)
    model = PpmiSvd(4, cells, dim=4)
    close(model.score_all(torch.arange(4)), wanted, atol=1e-4)
    assert list(model.vectors()) == ["query", "item"]


def test_costs_are_known_before() -> None:
    small, large = Sizes(100, 100, 1000, 20_000, 1000, 50), Sizes(10**6, MOST + 1, 10**8, 10**10, 10**8, 10**6)
    for kind in (ItemKnn, Ease, CommonNeighbours, PersonalisedPagerank, Bm25, Linear, NearestRows, Ngrams, PpmiSvd):
        assert kind.seconds(small) < 1.0
        assert kind.seconds(large) > 5.0
    assert Ease.seconds(large) == Linear.seconds(large) == math.inf


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ease(sets(pairs()), l2=0.0), "l2 is 0.0"),
        (lambda: ItemKnn(sets(pairs()), neighbours=0), "neighbours is 0"),
        (lambda: PersonalisedPagerank(network()[0], restart=1.0), "restart is 1.0"),
        (lambda: Bm25(["a"], ["b"], b=1.5), "b 1.5"),
        (lambda: Tfidf(["a"], ["b"], 4, 3), "4 to 3 characters"),
        (lambda: Ngrams(torch.zeros(3, dtype=torch.int64), torch.tensor([3]), 7), "order is 7"),
    ],
)
def test_values_out_of_range(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=message):
        make()
