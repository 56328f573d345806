"""Promises of :mod:`negatives.models.base` that some models once broke."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from negatives.data.ngrams import Ngram, Sentences
from negatives.models import Model, registry
from negatives.models.graph.vectors import NodeVectors
from negatives.models.history import HistoryTower
from negatives.models.language.lstm import LstmModel
from negatives.models.language.noise import NoiseBank
from negatives.types import Context, Csr

TOKENS = torch.arange(120) * 7 % 11
TEXT = {"tokens": TOKENS, "counts": torch.bincount(TOKENS, minlength=11), "dim": 8, "window": 5}


def sentence() -> Model:
    real = Sentences(torch.arange(12).view(3, 4) % 9, torch.tensor([4, 4, 4]))
    bank = NoiseBank(Ngram(TOKENS, 10, 2), 5, 2, longest=6)
    return registry.build({"name": "sentence", "real": real, "noise": bank, "n_words": 11, "dim": 8})


@pytest.mark.parametrize(
    "make",
    [
        lambda: registry.build({"name": "lstm"} | TEXT),
        lambda: registry.build({"name": "transformer"} | TEXT),
        sentence,
    ],
    ids=["lstm", "transformer", "sentence"],
)
def test_no_model_touches_the_global_random_state(make: Callable[[], Model]) -> None:
    before = torch.random.get_rng_state()
    make()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_lstm_with_other_streams_than_it_was_built_for_is_restored() -> None:
    model, other = (LstmModel(TOKENS, TEXT["counts"], 5, streams=4, dim=8, seed=seed) for seed in (0, 1))  # type: ignore[arg-type]
    first, then = (torch.cat([torch.arange(at, at + 5), torch.arange(at + 50, at + 55)]) for at in (10, 15))
    model.refresh(Context(first, TOKENS[first + 1], first))
    model.encode_queries(first)
    other.load_state_dict(model.state_dict())
    step = Context(then, TOKENS[then + 1], then, step=1)
    found = []
    for one in (model, other):
        one.refresh(step)
        found.append(one.encode_queries(then))
    assert torch.equal(*found)


@pytest.mark.parametrize("link", ["context", "centre"])
def test_tables_of_node2vec_stay_as_they_were(link: str) -> None:
    model = NodeVectors(6, 4, link=link)
    tables = model.tables()
    kept = [table.clone() for table in tables]
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert all(torch.equal(*pair) for pair in zip(tables, kept, strict=True))


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_a_history_tower_keeps_one_copy_of_its_items(similarity: str) -> None:
    known = Csr.from_pairs(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2]), 2, 3)
    model = HistoryTower(known, dim=2, similarity=similarity)
    names = list(model.state_dict())
    model.refresh()
    assert list(model.state_dict()) == names == ["item_table"]
