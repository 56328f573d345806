"""What two towers read of users and items, and what they learn of those that training never shows."""

from __future__ import annotations

import polars as pl
import torch

from negatives.config import RunConfig
from negatives.data.features import Features
from negatives.data.histories import Histories
from negatives.data.loading.cells import feature, read_again
from negatives.data.pairs import PairData, Pairs
from negatives.models.two_tower import Towers, TwoTower
from negatives.sampler import build
from negatives.tasks.recommend import Recommend
from negatives.types import Context, Csr

USERS, ITEMS = 6, 8


def known() -> Csr:
    """Two items of each user; the last user and the last item have no pair."""
    users = torch.arange(USERS - 1).repeat_interleave(2)
    return Csr.from_pairs(users, torch.arange(users.numel()) % (ITEMS - 1), USERS, ITEMS)


def described(n: int) -> Features:
    places = pl.Series("age", [float(one * one) for one in range(n)])
    return Features(n, (feature(places, "number"), feature(pl.Series("kind", list("abcabcab")[:n]), "category")))


def made(towers: Towers | None = None, users: bool = True) -> TwoTower:
    return TwoTower(
        known(), described(ITEMS), 5, "dot", described(USERS) if users else None, towers or Towers(), seed=1
    )


def test_vectors_are_those_of_the_features() -> None:
    model = made()
    queries, items = model.tables()
    tower, content = model.item_tower, described(ITEMS)
    assert tower.words is not None
    assert tower.numbers is not None
    for item in range(ITEMS):
        word = "abcabcab"[item]
        place = content.columns[1].words.to_list().index(word)  # type: ignore[union-attr]
        expected = tower.words[place] + content.dense()[item] @ tower.numbers
        torch.testing.assert_close(items[item], expected.detach())
    assert model.query_tower is not None
    alone = model.query_tower(described(USERS).sparse(), described(USERS).dense()).detach()
    torch.testing.assert_close(queries[USERS - 1], alone[USERS - 1])
    torch.testing.assert_close(queries[0], (items[0] + items[1]) / 2 + alone[0])


def test_hidden_layers_stand_between_features_and_vector() -> None:
    model = made(Towers(hidden=7, layers=2))
    tower, content = model.item_tower, described(ITEMS)
    assert [tuple(layer.shape) for layer in tower.layers] == [(7, 7), (7, 5)]
    assert tower.words is not None
    assert tower.numbers is not None
    first = torch.zeros(ITEMS, len(tower.words))
    first[content.sparse().owners, content.sparse().indices.long()] = content.sparse().values
    found = first @ tower.words + content.dense() @ tower.numbers
    for layer in tower.layers:
        found = found.relu() @ layer
    torch.testing.assert_close(model.tables()[1], found.detach())


def test_features_answer_alone_for_a_share_of_the_rows() -> None:
    model = made(Towers(drop_history=0.3))
    rows = torch.arange(4000)
    queries, positives = rows % (USERS - 1), (rows % (USERS - 1)) * 2 % (ITEMS - 1)
    context = Context(queries, positives, rows, epoch=2)
    model.refresh(context)
    assert model.query_tower is not None
    found = model.encode_queries(context.queries).detach()
    alone = model.query_tower(described(USERS).sparse(), described(USERS).dense()).detach()[queries]
    without = ((found - alone).abs().max(1).values < 1e-6).double()
    assert abs(float(without.mean()) - 0.3) < 0.03
    model.refresh(None)
    assert not bool(((model.encode_queries(queries[:5]) - alone[:5]).abs().max(1).values < 1e-6).any())


def test_who_has_no_pair_has_no_free_vector() -> None:
    model, plain = made(Towers(own=1.0)), made(Towers())
    own = model.query_table
    assert own is not None
    with torch.no_grad():
        own.fill_(3.0)
    plain.load_state_dict({name: one for name, one in model.state_dict().items() if name != "query_table"})
    moved = model.tables()[0] - plain.tables()[0]
    torch.testing.assert_close(moved[:-1], torch.full((USERS - 1, 5), 3.0))
    assert not bool(moved[-1].any())


def test_a_new_user_is_folded_in_by_items_by_features_or_by_both() -> None:
    model = made()
    queries, items = model.tables()
    none = Histories(torch.tensor([0, 0]), torch.empty(0, dtype=torch.int64), ITEMS)
    same = read_again(described(USERS), [{"age": "25", "kind": "c"}])
    with torch.no_grad():
        torch.testing.assert_close(model.fold_in(none, same)[0], queries[USERS - 1])
        history = Histories(torch.tensor([0, 2]), torch.tensor([0, 1]), ITEMS)
        both = model.fold_in(history, same)[0]
        torch.testing.assert_close(both, queries[USERS - 1] + items[:2].mean(0))
        torch.testing.assert_close(model.fold_in(history)[0], items[:2].mean(0))


def test_items_that_nobody_could_take_are_no_negatives_of_a_model_that_reads_them() -> None:
    pairs = known()
    rows = torch.repeat_interleave(torch.arange(USERS), pairs.lengths())
    empty, names = Pairs(*(torch.empty(0, dtype=torch.int64) for _ in range(2))), pl.Series(["x"] * ITEMS)
    data = PairData("d", Pairs(rows, pairs.indices.long()), empty, empty, empty, names[:USERS], names, described(ITEMS))
    for model, cold in (("two_tower", False), ("mf", True)):
        config = RunConfig(task="recommend", model=model)
        catalogue = Recommend().examples(data, config, "pairs").catalogue
        sampler = build({"name": "uniform", "candidates": 64}, seed=1)
        if catalogue.item_kinds is not None:
            from negatives.guards import FittingKind

            sampler.guards = [*sampler.guards, FittingKind()]
        sampler.bind(catalogue)
        drawn = sampler(torch.arange(USERS - 1), torch.arange(USERS - 1) * 2 % (ITEMS - 1))
        assert bool((drawn.ids[drawn.ok] == ITEMS - 1).any()) is cold
