"""Values that say how much: ratings, counts and events become weights, which reach the feed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from negatives.config import RunConfig
from negatives.data.loading.pairs import load_pairs
from negatives.data.readers import Options, read
from negatives.data.readers.schema import PAIRS
from negatives.errors import ConfigError, InputError
from negatives.tasks.reading import weighted
from negatives.tasks.recommend import Recommend
from negatives.training.feeds import PairFeed

ROWS = "Kunde;Artikel;Menge;Vorgang\na;x;2;cart\na;x;3;buy\nb;y;4;view\nb;x;1;buy\nc;y;-1;buy\nc;x;2;buy\n"


def write(tmp_path: Path) -> Path:
    path = tmp_path / "shop.csv"
    path.write_text(ROWS)
    return path


COLUMNS = {"user": "Kunde", "item": "Artikel", "weight": "Menge", "event": "Vorgang"}


def test_weights_of_equal_pairs_add_up_and_returns_are_counted(tmp_path: Path) -> None:
    options = Options(columns={name: COLUMNS[name] for name in ("user", "item", "weight")})
    data = load_pairs(write(tmp_path), split="random", test=0.0, valid=0.0, canaries=0.0, options=options)
    assert data.train.weights is not None
    names = zip(data.query_names[data.train.queries.numpy()], data.item_names[data.train.items.numpy()], strict=True)
    assert dict(zip(names, data.train.weights.tolist(), strict=True)) == {
        ("a", "x"): 5.0, ("b", "x"): 1.0, ("b", "y"): 4.0, ("c", "x"): 2.0,
    }  # fmt: skip
    assert "shop.csv: 1 pairs with a weight of zero or less dropped" in data.notes
    assert any("1 duplicate pairs merged, weights summed" in note for note in data.notes)


def test_events_may_weigh_and_columns_too(tmp_path: Path) -> None:
    columns = {name: COLUMNS[name] for name in ("user", "item", "event")}
    options = Options(columns=columns, events={"cart": 1.0, "buy": 5.0})
    table = read(write(tmp_path), PAIRS, options)["train"]
    found = table.numbers("weight")
    assert found is not None
    assert found.tolist() == [1.0, 5.0, 5.0, 5.0, 5.0]
    assert "shop.csv: 1 pairs of other events dropped" in table.notes
    both = read(write(tmp_path), PAIRS, Options(columns=COLUMNS, events={"cart": 0.5, "buy": 2.0}))["train"]
    product = both.numbers("weight")
    assert product is not None
    assert product.tolist() == [1.0, 6.0, 2.0, 4.0]


def test_a_weight_is_never_guessed_and_never_missing(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text("user,item,weight\n1,2,3\n1,3,\n")
    assert read(path, PAIRS)["train"].numbers("weight") is None
    with pytest.raises(InputError, match=r"line 3: empty or unreadable weight \(weight\)"):
        read(path, PAIRS, Options(columns={"weight": "weight"}))


def test_the_task_hands_weights_to_the_feed(tmp_path: Path) -> None:
    rows = [(user, item, 1 + user % 3) for user in range(12) for item in range(8)]
    path = tmp_path / "many.parquet"
    pl.DataFrame(rows, schema=["user", "item", "plays"], orient="row").write_parquet(path)
    config = RunConfig(task="recommend", reading={"weight": "plays"})
    examples = Recommend().load(path, config)
    assert isinstance(examples.feed, PairFeed)
    assert examples.feed.weights is not None
    users = examples.query_names.cast(int).gather(pl.Series(examples.data.train.queries.numpy())).to_numpy()
    assert torch.equal(examples.feed.weights, torch.from_numpy(1.0 + users % 3))
    without = Recommend().load(path, RunConfig(task="recommend"))
    assert isinstance(without.feed, PairFeed)
    assert without.feed.weights is None
    assert torch.equal(without.data.test.items, examples.data.test.items)


@pytest.mark.parametrize("text", ["buy:0", "buy:-1", "buy:inf", "buy:nan"])
def test_weights_of_events_are_above_zero(text: str) -> None:
    with pytest.raises(ConfigError, match="give a number above zero"):
        weighted(text)


def test_a_colon_may_belong_to_an_event() -> None:
    assert weighted("page:view,page:buy:3") == {"page:view": None, "page:buy": 3.0}
