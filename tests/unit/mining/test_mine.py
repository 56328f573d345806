"""Mining against a brute-force form of Sentence Transformers' rules, and against that library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from negatives.errors import ConfigError, InputError
from negatives.mining import FORMATS, Mining, columns, embedded, fingerprint, mine, report
from negatives.mining import search as blocks
from negatives.mining.report import lines
from negatives.mining.search import nearest
from negatives.mining.vectors import read_vectors
from negatives.types import Csr, union

N_QUERIES, N_ITEMS, DIM = 17, 90, 8
QUERIES = [f"query {index}" for index in range(N_QUERIES)]
ITEMS = [f"document {index}" for index in range(N_ITEMS)]


def vectors() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    found = [random.standard_normal((n, DIM)).astype(np.float32) for n in (N_QUERIES, N_ITEMS)]
    return tuple(one / np.linalg.norm(one, axis=1, keepdims=True) for one in found)  # type: ignore[return-value]


def positives() -> Csr:
    rows = torch.arange(N_QUERIES).repeat_interleave(1 + torch.arange(N_QUERIES) % 3)
    return Csr.from_pairs(rows, (rows * 5 + torch.arange(len(rows)) * 3) % N_ITEMS, N_QUERIES, N_ITEMS)


def naive(mining: Mining, row: int) -> list[int]:
    """The rules one query at a time, over all items."""
    queries, items = vectors()
    scores = (items @ queries[row]).tolist()
    own = positives().row(row).tolist()
    lowest = min(scores[item] for item in own)
    ranked = sorted((item for item in range(N_ITEMS) if item not in own), key=lambda item: -scores[item])
    ranked = ranked[: mining.last(3, False) + 3 - len(own)]
    kept = [
        item
        for item in ranked
        if (mining.absolute_margin is None or scores[item] <= lowest - mining.absolute_margin)
        and (mining.relative_margin is None or scores[item] <= lowest - abs(lowest) * mining.relative_margin)
        and (mining.max_score is None or scores[item] <= mining.max_score)
        and (mining.min_score is None or scores[item] >= mining.min_score)
    ]
    return kept[mining.range_min : mining.last(3, False)][: mining.num_negatives]


OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_negatives": 5, "range_min": 4},
    {"absolute_margin": 0.1, "range_max": 60},
    {"relative_margin": 0.2, "range_max": 80, "num_negatives": 4},
    {"min_score": 0.0, "max_score": 0.4, "range_max": 50},
    {"num_negatives": 120, "range_max": 200},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_negatives_are_those_of_the_rules(options: dict[str, Any]) -> None:
    mined = mine(*vectors(), positives(), Mining(**options))
    for row in range(N_QUERIES):
        assert [item for item in mined.ids[row].tolist() if item >= 0] == naive(Mining(**options), row)
    assert bool((mined.scores[mined.ids < 0] == -torch.inf).all())


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = nearest(*vectors(), 12)
    monkeypatch.setattr(blocks, "ITEMS", 7)
    monkeypatch.setattr(blocks, "QUERIES", 4)
    found = nearest(*vectors(), 12)
    assert torch.equal(found[0], whole[0])
    torch.testing.assert_close(found[1], whole[1])
    assert nearest(vectors()[0], vectors()[1][:5], 12)[0][0, 5:].tolist() == [-1] * 7


def test_equal_documents_are_taken_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, items = np.ones((2000, 2), np.float32), np.ones((40, 2), np.float32)
    whole = nearest(queries, items, 4)[0]
    monkeypatch.setattr(blocks, "ITEMS", 9)
    assert torch.equal(nearest(queries, items, 4)[0], whole)
    taken = torch.bincount(whole.reshape(-1), minlength=40)
    assert bool(((taken - 200).abs() < 5 * 200**0.5).all())


def test_identical_documents_are_no_negatives_and_cost_no_place() -> None:
    queries, items = vectors()
    itself = Csr.from_pairs(torch.arange(N_QUERIES), nearest(queries, items, 1)[0][:, 0], N_QUERIES, N_ITEMS)
    both = union([positives(), itself])
    for sampling in ("top", "random"):
        mining = Mining(num_negatives=4, range_max=20, sampling=sampling)  # type: ignore[arg-type]
        found = mine(queries, items, positives(), mining, identical=itself)
        assert not any(set(both.row(q).tolist()) & set(found.ids[q].tolist()) for q in range(N_QUERIES))
        assert int((found.ids < 0).sum()) == 0
    scores = np.array([[0.7], [1.0], [0.8], [0.9]], np.float32)  # the query itself, then its answer, stand first
    pairs = [Csr.from_pairs(torch.tensor([0]), torch.tensor([item]), 1, 4) for item in (3, 1)]
    one = np.ones((1, 1), np.float32)
    tight = mine(one, scores, pairs[0], Mining(num_negatives=2, range_max=2), identical=pairs[1])
    assert tight.ids.tolist() == [[2, 0]]
    top = mine(queries, items, positives(), Mining(num_negatives=4), identical=itself)
    assert torch.equal(top.ids, mine(queries, items, both, Mining(num_negatives=4)).ids)
    assert torch.equal(top.positive_scores, mine(queries, items, positives(), Mining()).positive_scores)


def test_random_ranks_come_from_the_window() -> None:
    mining = Mining(num_negatives=3, range_min=2, range_max=10, sampling="random")
    mined, again = (mine(*vectors(), positives(), mining) for _ in range(2))
    window = mine(*vectors(), positives(), Mining(num_negatives=8, range_min=2, range_max=10))
    for row in range(N_QUERIES):
        assert len(set(mined.ids[row].tolist())) == 3
        assert set(mined.ids[row].tolist()) <= set(window.ids[row].tolist())
    assert torch.equal(mined.ids, again.ids)
    assert not torch.equal(mined.ids, window.ids[:, :3])
    assert bool((mined.scores.diff(dim=1) <= 0).all())


def test_a_teacher_scores_anew() -> None:
    queries, items = vectors()

    def teacher(rows: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return -torch.from_numpy(np.einsum("nd,nd->n", queries[rows.numpy()], items[ids.numpy()]))

    mined = mine(queries, items, positives(), Mining(range_max=50, absolute_margin=0.0), teacher)
    own = mined.positive_scores[positives().indptr[:-1]]
    assert bool((mined.scores[mined.ids >= 0] <= own.max()).all())
    for row in range(N_QUERIES):
        lowest = mined.positive_scores[positives().indptr[row] : positives().indptr[row + 1]].min()
        assert bool((mined.scores[row][mined.ids[row] >= 0] <= lowest).all())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("scores", [False, True])
def test_formats(format: Any, scores: bool) -> None:
    mined = mine(*vectors(), positives(), Mining(num_negatives=2))
    found = columns(mined, QUERIES, ITEMS, format, ("q", "d"), scores)
    lengths = {len(column) for column in found.values()}
    pairs = positives().nnz
    assert lengths == {{"pairs": 34, "triplet": 2 * pairs, "labeled-pair": 34 + pairs}.get(format, pairs)}
    expected = {
        "pairs": ["q", "negative", "score"],
        "triplet": ["q", "d", "negative", "scores"],
        "n-tuple": ["q", "d", "negative_1", "negative_2", "scores"],
        "labeled-pair": ["q", "d", "score" if scores else "label"],
        "labeled-list": ["q", "d", "scores" if scores else "labels"],
    }[format]
    assert list(found) == (expected if scores or format.startswith("labeled") else expected[:-1])


def test_formats_leave_out_what_was_not_found() -> None:
    mined = mine(*vectors(), positives(), Mining(num_negatives=3, max_score=-0.7, range_max=90))
    full = (mined.ids >= 0).all(1)
    assert 0 < int(full.sum()) < N_QUERIES
    tuples = columns(mined, QUERIES, ITEMS, "n-tuple")
    assert len(tuples["anchor"]) == int(positives().lengths()[full].sum())
    lists = columns(mined, QUERIES, ITEMS, "labeled-list")
    assert all(labels[0] == 1 and sum(labels) == 1 for labels in lists["labels"])


def test_the_report_adds_up() -> None:
    mined = mine(*vectors(), positives(), Mining(num_negatives=4, absolute_margin=0.05, range_max=70))
    found = report(mined)
    assert found["negatives"] == int((mined.ids >= 0).sum()) == sum(found["histogram"]["negative"])
    assert sum(found["histogram"]["positive"]) == positives().nnz
    assert found["diversity"]["distinct"] == len(set(mined.ids[mined.ids >= 0].tolist()))
    assert found["false_negatives"]["above_positive"] == 0.0
    assert found["skipped"]["absolute_margin"] > 0
    assert 0 < found["diversity"]["entropy"] <= 1
    assert any("ruled out by absolute_margin" in line for line in lines(found))


def test_known_positives_that_would_have_been_taken_are_counted() -> None:
    queries = np.eye(2, dtype=np.float32)
    items = np.array([[1.0, 0], [0.9, 0], [0, 0.1], [0, 1.0]], dtype=np.float32)
    known = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([0, 2]), 2, 4)
    assert mine(queries, items, known, Mining(num_negatives=1)).mistaken == 0.5


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_negatives": 0}, "at least 1"),
        ({"range_min": -1}, "at least 0"),
        ({"range_min": 3, "range_max": 5}, "fewer than 3"),
        ({"sampling": "luck"}, "top or random"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Mining(**options)


def test_vectors_are_kept_by_what_makes_them(tmp_path: Path) -> None:
    calls: list[int] = []

    def encode(texts: Any) -> torch.Tensor:
        calls.append(len(texts))
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    first = embedded(["a", "bb"], encode, "key", tmp_path)
    assert isinstance(first, np.memmap)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1.0, rtol=1e-6)
    assert np.array_equal(embedded(["a", "bb"], encode, "key", tmp_path), first)
    assert calls == [2]
    for texts, key in ((["ab", "b"], "key"), (["a", "bb"], "other")):
        embedded(texts, encode, key, tmp_path)
    assert calls == [2, 2, 2]
    assert not list(tmp_path.glob("*.part"))
    weights = {"w": torch.ones(2)}
    assert fingerprint(weights) == fingerprint({"w": torch.ones(2)}) != fingerprint({"w": torch.tensor([1.0, 2.0])})


def test_wrong_vectors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="17 queries and 90 items have vectors"):
        mine(*vectors(), Csr.from_pairs(torch.tensor([0]), torch.tensor([0]), 1, 1))
    with pytest.raises(InputError, match=r"queries\.npy: no such file"):
        read_vectors(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a safetensors file"):
        read_vectors(tmp_path / "x.safetensors")
    np.save(tmp_path / "queries.npy", np.ones((2, 3), np.float32))
    np.save(tmp_path / "items.npy", np.ones((2, 4), np.float32))
    with pytest.raises(InputError, match="do not fit"):
        read_vectors(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FORMATS[1:])
@pytest.mark.parametrize("options", OPTIONS[:5], ids=str)
def test_the_columns_are_those_of_sentence_transformers(format: Any, options: dict[str, Any]) -> None:
    import datasets
    from sentence_transformers import util

    queries, items = vectors()
    known = positives()
    pairs = [(QUERIES[row], ITEMS[item]) for row in range(N_QUERIES) for item in known.row(row).tolist()]

    class Model:
        """Gives the vectors of the texts."""

        device = torch.device("cpu")

        def encode_document(self, texts: list[str], **_: Any) -> np.ndarray:
            return items[[int(text.split()[1]) for text in texts]]

        def encode_query(self, texts: list[str], **_: Any) -> np.ndarray:
            return queries[[int(text.split()[1]) for text in texts]]

        def similarity(self, left: Any, right: Any) -> torch.Tensor:
            return torch.as_tensor(left) @ torch.as_tensor(right).T

        def similarity_pairwise(self, left: Any, right: Any) -> torch.Tensor:
            return (torch.as_tensor(left) * torch.as_tensor(right)).sum(1)

    data = datasets.Dataset.from_dict({"anchor": [a for a, _ in pairs], "positive": [p for _, p in pairs]})
    theirs = util.mine_hard_negatives(
        data, Model(), corpus=ITEMS, output_format=format, verbose=False, **({"num_negatives": 3} | options)
    )
    ours = columns(mine(queries, items, known, Mining(**options)), QUERIES, ITEMS, format)
    assert list(ours) == theirs.column_names
    assert ours == {name: list(theirs[name]) for name in theirs.column_names}
