"""Splits, numbering, n-grams, cells, bags and graphs in cases small enough to see."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from negatives.data import cooccurrence, encode
from negatives.data.bags import bags, vocabulary
from negatives.data.cooccurrence import Cooccurrence, count_cooccurrence
from negatives.data.corpus.encode import encode as encoded
from negatives.data.edges import EdgeData, without_self
from negatives.data.encode import distinct, number
from negatives.data.ids import Ids
from negatives.data.labelled import Weighting
from negatives.data.loading.language import _divided, load_text
from negatives.data.ngrams import Ngram, Sentences, sentences_of, shuffled_words
from negatives.data.pairs import PairData, Pairs, SparseFeatures
from negatives.data.splits import (
    Asked,
    Basis,
    after_cut,
    any_but_first,
    cold_items,
    cold_items_but_last,
    cold_queries,
    last_of_each,
    share_of_each,
    share_of_some,
    whole_groups,
)
from negatives.data.table import Table
from negatives.data.text import END, UNKNOWN, TextSplit
from negatives.data.triples import TripleData, Triples
from negatives.errors import InputError
from negatives.types import Csr

KEY = 0xABCDEF


def rows_of(sizes: list[int]) -> Basis:
    """Queries with so many rows each; the items count up, the times too."""
    queries = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    items = torch.cat([torch.arange(size) for size in sizes])
    return Basis(queries.numel(), queries, items, items.double())


def per_query(rows: Basis, held: Tensor) -> Tensor:
    assert rows.queries is not None
    return torch.bincount(rows.queries, held.float(), minlength=int(rows.queries.max()) + 1)


def test_a_random_share_holds_on_average_and_leaves_each_query_a_row() -> None:
    rows = rows_of([1, 2, 5] * 2000)
    found = per_query(rows, share_of_each(rows, Asked(0.3, KEY))).view(2000, 3)
    assert found[:, 0].max() == 0
    assert found.mean(0).tolist() == pytest.approx([0.0, 0.6, 1.5], abs=0.06)
    assert found[:, 2].max() == 2
    held = share_of_each(rows, Asked(0.99, KEY))
    assert bool(held.float().mean() < 1.0)
    assert per_query(rows, ~held).min() == 1
    capped = share_of_each(rows, Asked(0.3, KEY, most=800))
    assert 600 < int(capped.sum()) < 1000


def test_rows_that_stand_anyhow_are_refused_where_queries_keep_a_row() -> None:
    with pytest.raises(ValueError, match="query by query"):
        share_of_each(Basis(3, torch.tensor([1, 0, 1])), Asked(0.5, KEY))


def test_validation_takes_a_part_of_some_queries_whatever_their_rounding() -> None:
    rows = rows_of([5] * 6000)
    held = share_of_some(rows, Asked(0.05, KEY, tested=0.9))
    assert float(held.float().mean()) == pytest.approx(0.05, abs=0.006)
    some = per_query(rows, held)
    assert float(some[some > 0].mean()) == pytest.approx(1.5, abs=0.08)  # as many as from any other query
    few = rows_of([3] * 4)
    found = share_of_some(few, Asked(0.3, KEY, tested=0.3))
    assert torch.equal(found, share_of_each(few, Asked(0.3, KEY))) or bool(found.any())


def test_the_latest_row_of_each_and_the_latest_of_all() -> None:
    rows = rows_of([1, 2, 4])
    assert last_of_each(rows, Asked(1.0, KEY)).tolist() == [False, False, True, False, False, False, True]
    some = last_of_each(rows_of([2] * 4000), Asked(1.0, KEY, most=1000)).sum()
    assert 850 < int(some) < 1150
    times = torch.tensor([3.0, 1.0, 2.0, 2.0]).double()
    assert after_cut(Basis(4, times=times), Asked(0.5, KEY)).tolist() == [True, False, False, False]


def test_cold_items_leave_each_query_a_row() -> None:
    rows = rows_of([1, 2, 3] * 300)
    assert per_query(rows, ~cold_items_but_last(rows, Asked(0.999, KEY))).min() >= 1
    assert bool(cold_items(rows, Asked(0.999, KEY)).all())


def test_queries_and_groups_stay_whole() -> None:
    rows = rows_of([1, 2, 5] * 200)
    assert rows.queries is not None
    held = cold_queries(rows, Asked(0.25, KEY))
    found, sizes = per_query(rows, held), torch.bincount(rows.queries)
    assert bool(((found == 0) | (found == sizes)).all())
    assert int((found > 0).sum()) == 150
    groups = rows.queries.flip(0) * 10
    by_group = whole_groups(Basis(rows.n, groups=groups), Asked(0.25, KEY))
    assert torch.equal(by_group.flip(0), cold_queries(rows, Asked(0.25, KEY)))
    with pytest.raises(InputError, match="no groups"):
        whole_groups(rows, Asked(0.25, KEY))


def test_any_row_but_each_querys_first() -> None:
    rows = rows_of([1, 4] * 500)
    held = any_but_first(rows, Asked(0.5, KEY))
    assert rows.items is not None
    assert not bool(held[rows.items == 0].any())
    assert float(held[rows.items > 0].float().mean()) == pytest.approx(0.5, abs=0.05)


def table(users: list[object], items: list[object], times: list[float] | None = None) -> Table:
    columns = {"user": Ids.of(users), "item": Ids.of(items)}
    return Table(columns if times is None else {**columns, "time": np.array(times)})


def test_parts_are_numbered_together_and_the_earliest_of_duplicates_stays() -> None:
    parts = {
        "train": table([5, 5, 9, 5], [70, 30, 30, 70], [4.0, 2.0, 3.0, 1.0]),
        "test": table([9, 4, 7, 99], [50, 70, 30, 30], [1.0, 1.0, 1.0, 1.0]),
    }
    found = number(parts)
    assert found.query_names.to_list() == ["5", "9"]
    assert found.item_names.to_list() == ["30", "50", "70"]
    train, test = found.parts["train"], found.parts["test"]
    assert (train.queries.tolist(), train.items.tolist()) == ([0, 0, 1], [0, 2, 0])
    assert train.times is not None
    assert train.times.tolist() == [2.0, 1.0, 3.0]
    assert (test.queries.tolist(), test.items.tolist()) == ([1], [1])
    assert found.notes == (
        "train: 1 duplicate pairs merged, earliest kept",
        "test: 3 pairs dropped, their user has no pair in train",
    )


def test_an_order_by_code_and_place_is_that_of_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, times = np.array([7, 3, 7, 0, 3]), np.array([5.0, 2.0, 4.0, 1.0, 3.0])
    usual = distinct(codes.copy(), times, 4)
    assert (usual.queries.tolist(), usual.items.tolist()) == ([0, 0, 1], [0, 3, 3])
    assert usual.times is not None
    assert usual.times.tolist() == [1.0, 2.0, 4.0]
    monkeypatch.setattr(encode, "LARGEST", 7 * 5)  # now code and place do not fit into one number
    wide = distinct(codes.copy(), times, 4)
    assert wide.times is not None
    assert torch.equal(wide.times, usual.times)
    assert torch.equal(wide.items, usual.items)


END_ID = 0
TEXT = torch.tensor([1, 2, 0, 1, 2, 3, 0, 2, 2, 0, 3, 0, 1, 0])


def test_probabilities_of_all_short_sentences_and_their_draws_agree() -> None:
    model = Ngram(TEXT, END_ID, order=3, weight=0.6)
    drawn = model.draw(40_000, KEY, longest=12)
    codes = drawn.words[:, :3] * torch.tensor([16, 4, 1])
    found = torch.bincount(codes.sum(1), minlength=64) / 40_000
    total = 0.0
    for a in range(1, 4):
        for words in ([a, 0, 0], *([a, b, 0] for b in range(1, 4))):
            length = 2 if words[1] == 0 else 3
            chance = float(model.log_prob(Sentences(torch.tensor([words]), torch.tensor([length]))).exp())
            share = float(found[words[0] * 16 + words[1] * 4])
            assert share == pytest.approx(chance, abs=5 * math.sqrt(chance * (1 - chance) / 40_000) + 1e-6)
            total += chance
    assert 0.3 < total < 1.0


def test_one_probability_by_hand() -> None:
    # at the beginning of a sentence the two words before are both the end
    model = Ngram(TEXT, END_ID, order=3, weight=0.5)
    n_first = {1: 3, 2: 1, 3: 1}  # of five sentences
    unigram = {0: 5, 1: 3, 2: 4, 3: 2}
    first = 0.5 * n_first[1] / 5 + 0.5 * (0.5 * n_first[1] / 5 + 0.5 * unigram[1] / 14)
    # after (end, 1): 2 twice, the end once; after 1: the same
    second = 0.5 * 1 / 3 + 0.5 * (0.5 * 1 / 3 + 0.5 * unigram[0] / 14)
    for behind in (0, 3):  # what is behind the end does not count
        found = model.log_prob(Sentences(torch.tensor([[1, 0, behind]]), torch.tensor([2])))
        assert float(found.exp()) == pytest.approx(first * second)


def test_drawn_sentences_end_where_they_say() -> None:
    drawn = Ngram(TEXT, END_ID, order=2).draw(500, KEY, longest=9)
    for words, length in zip(drawn.words.tolist(), drawn.lengths.tolist(), strict=True):
        assert words[length - 1 :] == [END_ID] * (len(words) - length + 1)
        assert END_ID not in words[: length - 1]


def test_lines_of_a_text_and_shuffled_words() -> None:
    found = sentences_of(torch.tensor([4, 5, 0, 0, 6, 7, 8, 0, 9, 0]), 0, longest=3)
    assert found.words.tolist() == [[4, 5, 0], [9, 0, 0]]
    assert found.lengths.tolist() == [3, 2]
    many = Sentences(torch.arange(1, 7).repeat(50, 1).clone(), torch.full((50,), 6))
    many.words[:, 5] = 0
    mixed = shuffled_words(many, KEY)
    assert bool((mixed.words[:, 5] == 0).all())
    assert bool((mixed.words[:, :5].sort(1).values == torch.arange(1, 6)).all())
    assert mixed.words[:, 0].unique().numel() == 5


def test_cells_are_counted_by_distance_and_known_both_ways() -> None:
    corpus = encoded([["a", "b", "c"], ["c", "c", "a"]] * 2, min_count=1)
    cells = count_cooccurrence(corpus, window=2)
    names = corpus.words
    found = {
        tuple(sorted((names[a], names[b]))): round(count, 4)
        for a, b, count in zip(cells.rows.tolist(), cells.cols.tolist(), cells.counts.tolist(), strict=True)
    }
    assert found == {("a", "b"): 2.0, ("b", "c"): 2.0, ("a", "c"): 4.0, ("c", "c"): 2.0}
    assert bool((cells.rows <= cells.cols).all())
    known = Cooccurrence(torch.tensor([0, 1]).int(), torch.tensor([2, 1]).int(), torch.ones(2), ()).known(3)
    assert [known.row(i).tolist() for i in range(3)] == [[2], [1], [0]]


def test_cells_below_the_bound_alone_are_forgotten() -> None:
    keys, values = cooccurrence.empty_table(8)
    cooccurrence.insert_cells_(torch.tensor([3, 4, 5]), torch.tensor([0.25, 0.5, 1.0]), keys, values)
    kept, counts = cooccurrence._moved(keys, values, 16, 0.5)
    assert sorted(zip(kept[kept >= 0].tolist(), counts[kept >= 0].tolist(), strict=True)) == [(4, 0.5), (5, 1.0)]


def test_bags_count_and_vocabularies_rank() -> None:
    texts = ["a b b b", "a c", "C b", "d d"]
    assert vocabulary(texts, min_rows=2) == ["a", "b", "c"]
    assert vocabulary(texts, min_rows=1, most=2) == ["a", "b"]
    found = bags(pl.Series(texts), ["b", "c"])
    assert found.indptr.tolist() == [0, 1, 2, 4, 4]
    assert found.values.tolist() == [3.0, 1.0, 1.0, 1.0]


def sparse(indptr: list[int], indices: list[int], values: list[float]) -> SparseFeatures:
    return SparseFeatures(torch.tensor(indptr), torch.tensor(indices, dtype=torch.int32), torch.tensor(values), 2)


def test_weights_of_features() -> None:
    def learnt(features: SparseFeatures) -> torch.Tensor:
        return Weighting.learnt(features, torch.tensor([0]), "tf_idf").of(features).values

    idf = [1 + math.log(3 / 3), 1 + math.log(3 / 2)]
    length = math.hypot(idf[0], 2 * idf[1])
    found = sparse([0, 2, 3], [0, 1, 0], [1.0, 2.0, 3.0]).normalised().values
    assert found.tolist() == pytest.approx([idf[0] / length, 2 * idf[1] / length, 1.0])
    # documents are counted in the first row alone: every document has feature 0, so that it says nothing
    found = learnt(sparse([0, 1, 3], [0, 0, 1], [1.0, 4.0, 1.0]))
    assert found.tolist() == pytest.approx([0.0, 0.0, 1.0])
    tf = 1 + math.log(4)
    found = learnt(sparse([0, 0, 2], [0, 1], [4.0, 1.0]))
    assert found.tolist() == pytest.approx([tf / math.hypot(tf, 1), 1 / math.hypot(tf, 1)])


def test_a_sampler_is_told_the_training_part_alone() -> None:
    def part(*pairs: tuple[int, int]) -> Pairs:
        return Pairs(torch.tensor([q for q, _ in pairs]), torch.tensor([i for _, i in pairs]))

    names = pl.Series(["a", "b"]), pl.Series(["x", "y", "z"])
    data = PairData("d", part((0, 0), (0, 1), (1, 1)), part((0, 2)), part((1, 2), (1, 0)), part((1, 2)), *names)
    catalogue = data.catalogue()
    assert catalogue.counts.tolist() == [1, 2, 0]
    assert catalogue.known is not None
    assert [catalogue.known.row(q).tolist() for q in (0, 1)] == [[0, 1], [1]]
    assert data.cold_items().tolist() == [False, False, True]


def test_text_without_a_validation_part_gives_up_its_last_lines(tmp_path: Path) -> None:
    lines = ["the cat sat", "the dog sat"] * 50
    (tmp_path / "train.txt").write_text("\n".join([*lines, "rare word", "end here"]) + "\n")
    (tmp_path / "test.txt").write_text("the cat\n")
    found = load_text(tmp_path, TextSplit(tokens="blank", min_count=50, valid=0.02))
    words = found.words.to_list()
    assert set(words) == {"the", "cat", "sat", "dog", UNKNOWN, END}
    text = {part: [words[i] for i in ids.tolist()] for part, ids in found.parts.items()}
    assert text["test"] == ["the", "cat", END]
    assert text["valid"] == [UNKNOWN, UNKNOWN, END] * 2
    assert len(text["train"]) == 100 * 4


def test_lines_are_divided_into_three_parts() -> None:
    lines = [[str(i)] for i in range(100)]
    found = _divided(lines, TextSplit(test=0.2, valid=0.1), [])
    assert [len(found[part]) for part in ("train", "valid", "test")] == [70, 10, 20]
    assert sorted(int(line[0]) for part in found.values() for line in part) == list(range(100))
    assert all(part == sorted(part, key=lambda line: int(line[0])) for part in found.values())


def test_questions_of_triples_and_what_is_known_of_them() -> None:
    # entities 0..3, relations 0..1; the test triple is known to nobody
    train = Triples(torch.tensor([0, 0, 2]), torch.tensor([0, 1, 1]), torch.tensor([1, 2, 2]))
    test = Triples(torch.tensor([0]), torch.tensor([0]), torch.tensor([3]))
    data = TripleData("d", {"train": train, "test": test}, pl.Series(list("abcd")), pl.Series(["r", "s"]))
    codes = {(0, 0), (1, 2), (0, 1), (2, 3), (2, 1), (3, 2)}  # (entity, directed relation)
    assert data.query_codes.tolist() == sorted(4 * entity + relation for entity, relation in codes)
    tails, heads = data.queries(train)
    start = [(int(data.query_heads[q]), int(data.query_relations[q])) for q in torch.cat([tails, heads])]
    assert start == [(0, 0), (0, 1), (2, 1), (1, 2), (2, 3), (2, 3)]
    _, answers = data.pairs(("train",))
    assert answers.tolist() == [1, 2, 2, 0, 0, 2]
    catalogue = data.catalogue()
    assert catalogue.known is not None
    assert catalogue.known.row(int(tails[0])).tolist() == [1]
    assert catalogue.item_graph is not None
    assert [catalogue.item_graph.row(i).tolist() for i in range(4)] == [[1, 2], [0], [0], []]
    assert catalogue.counts.tolist() == [2, 1, 3, 0]


def test_edges_stand_once_and_nodes_know_their_neighbours_and_themselves() -> None:
    edges, loops, copies = without_self(torch.tensor([3, 0, 1, 2, 3]), torch.tensor([1, 2, 3, 2, 0]), False, 4)
    assert (edges.queries.tolist(), edges.items.tolist()) == ([0, 0, 1], [2, 3, 3])
    assert (loops, copies) == (1, 1)
    none = Pairs(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
    data = EdgeData("d", edges, none, none, none, pl.Series(list("abcd")))
    catalogue = data.catalogue()
    assert catalogue.known is not None
    assert [catalogue.known.row(i).tolist() for i in range(4)] == [[0, 2, 3], [1, 3], [0, 2], [0, 1, 3]]
    graph: Csr | None = catalogue.item_graph
    assert graph is not None
    assert [graph.row(i).tolist() for i in range(4)] == [[2, 3], [3], [0], [0, 1]]
    assert catalogue.counts.tolist() == [2, 1, 1, 2]
