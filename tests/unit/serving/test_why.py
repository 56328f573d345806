"""Reasons of answers: known items that are near, words that a text shares."""

from __future__ import annotations

import polars as pl
import torch

from negatives.answering import Names, Run
from negatives.answering.reasons import nearest_known, shared_words


def test_the_nearest_known_items_by_cosine() -> None:
    table = torch.tensor([[2.0, 0.0], [0.0, 0.5], [0.6, 0.8], [-1.0, -1.0]])
    names = Names("item", pl.Series(["a", "b", "c", "d"]))
    found = nearest_known(names, table, [0, 1, 3], ["c", "a", "d"])
    assert found.select("item", "because").rows() == [("c", "b"), ("c", "a")]
    assert [round(one, 4) for one in found["score"]] == [0.8, 0.6]
    assert nearest_known(names, table, [0, 1], ["c"], most=1)["because"].to_list() == ["b"]


def test_words_that_few_answers_share_come_first() -> None:
    names = Names("document", pl.Series(["x", "y", "z"]))
    texts = ["Vitamin C and the cold", "The vitamin in oranges", "nothing of it"]
    found = shared_words(names, texts, "Does vitamin help a cold?", ["x", "y", "z"])
    assert found.rows() == [("x", "cold", None), ("x", "vitamin", None), ("y", "vitamin", None)]


def test_of_a_run(run: Run) -> None:
    found = run.why({"history": ["i1", "i3"]}, ["i1", "i5"], most=1)
    assert dict(found.select("item", "because").rows())["i1"] == "i3"
    table = torch.nn.functional.normalize(run.held.table("item"), dim=1)
    ids = run.names("item").ids(["i5", "i1", "i3"])
    wanted = float((table[ids[1:]] @ table[ids[0]]).max())
    assert round(found.filter(pl.col("item") == "i5")["score"].item(), 5) == round(wanted, 5)
