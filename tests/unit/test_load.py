"""``negatives.load``: a task's data from Python; the forms it takes stand in the table of formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import negatives
from forms import SAMPLES
from negatives.data.pairs import PairData
from negatives.errors import ConfigError, InputError

ROWS = SAMPLES["recommend"].rows


def pairs(data: PairData, *parts: str) -> set[tuple[str, str]]:
    """Names of the pairs of some parts."""
    found = [data.part(part) for part in parts]
    return {
        (data.query_names[query], data.item_names[item])
        for part in found
        for query, item in zip(part.queries.tolist(), part.items.tolist(), strict=True)
    }


def test_all_pairs_are_there_once() -> None:
    data = negatives.load("recommend", dict(ROWS), split={"kind": "random", "test": 0.3, "valid": 0.1}, seed=4)
    every = {(str(user), str(item)) for user, item in zip(*ROWS.values(), strict=True)}
    assert pairs(data, "train", "valid", "test", "canaries") == every
    assert sum(len(data.part(part)) for part in ("train", "valid", "test", "canaries")) == len(every)


def test_the_seed_and_the_split_count() -> None:
    first, again, other = (negatives.load("recommend", dict(ROWS), split="random", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.test.items, again.test.items)
    assert pairs(first, "test") != pairs(other, "test")
    timed = {**ROWS, "time": [1_400_000_000 + place for place in range(len(ROWS["user"]))]}
    assert any("leave_last_out" in note for note in negatives.load("recommend", timed).notes)
    assert any("split: random" in note for note in negatives.load("recommend", timed, split="random").notes)


def test_parts_by_name() -> None:
    train, test = pl.DataFrame(ROWS), pl.DataFrame({"user": [1, 2], "item": [3, 6]})
    train = train.join(test, on=["user", "item"], how="anti")
    data = negatives.load("recommend", {"training": train, "test": test})
    assert pairs(data, "test") == {("1", "3"), ("2", "6")}


def test_columns_and_options_are_handed_on() -> None:
    frame = pl.DataFrame(ROWS).rename({"user": "wer", "item": "was"}).with_columns(rating=pl.Series(range(40)) % 5 + 1)
    data = negatives.load("recommend", frame, columns={"user": "wer", "item": "was"}, min_rating=4, split="random")
    kept = frame.filter(pl.col("rating") >= 4)
    assert pairs(data, "train", "valid", "test", "canaries") <= set(
        zip(kept["wer"].cast(pl.String), kept["was"].cast(pl.String), strict=True)
    )
    assert any("24 pairs with a rating below 4 dropped" in note for note in data.notes)


def test_paths_as_text_and_as_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pl.DataFrame(ROWS).write_csv(tmp_path / "shop.csv")
    monkeypatch.chdir(tmp_path)
    for path in ("shop.csv", Path("shop.csv")):
        assert negatives.load("recommend", path).name == "shop"


def test_running_text_from_memory_leaves_the_columns_names_out() -> None:
    texts = SAMPLES["language"].rows["text"]
    parts = {"train": {"body": texts[:80], "n": list(range(80))}, "test": {"body": texts[80:], "n": [1] * 28}}
    for data in (
        negatives.load("language", parts, columns={"text": "body"}),
        negatives.load("language", parts, key="body"),
    ):
        assert "body" not in set(data.words)
        assert data.parts["test"].numel() == sum(len(text.split()) + 1 for text in texts[80:])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: negatives.load("runs/x"), InputError, "runs/x: no such run folder; check the path"),
        (lambda: negatives.load("recomend", dict(ROWS)), ConfigError, "did you mean recommend?"),
        (lambda: negatives.load("recommend", dict(ROWS), columns={"usr": "user"}), ConfigError, "did you mean user?"),
        (lambda: negatives.load("recommend", dict(ROWS), columns={"user": "usr"}), InputError, "did you mean user?"),
        (lambda: negatives.load("recommend", dict(ROWS), min_ratings=3), ConfigError, "did you mean min_rating"),
        (lambda: negatives.load("recommend", dict(ROWS), split="randm"), ConfigError, "choose one of: auto, "),
        (lambda: negatives.load("recommend", dict(ROWS), split={"tests": 0.1}), ConfigError, "did you mean test?"),
        (lambda: negatives.load("recommend", 3), InputError, "int is no table"),
        (lambda: negatives.load("recommend", np.zeros((3, 4))), InputError, "an array of shape (3, 4)"),
        (lambda: negatives.load("recommend", "missing.csv"), InputError, "missing.csv: no such file"),
    ],
)
def test_a_fault_says_how_to_mend_it(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)
    assert len(str(error.value)) <= 300
