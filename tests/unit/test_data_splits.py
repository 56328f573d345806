"""Splits lose nothing, overlap nowhere, follow the seed, and leave every query a train pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from negatives.data.loading.pairs import load_pairs
from negatives.data.pairs import PairData, SparseFeatures
from negatives.errors import ConfigError, InputError

PARTS = ("train", "valid", "test", "canaries")
SPLITS = ("random", "leave_last_out", "temporal", "cold_items")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    codes = rng.choice(60 * 80, size=1500, replace=False)
    times = 10**9 + rng.permutation(1500)
    rows = [f"{c // 80},{c % 80},{t}" for c, t in zip(codes, times, strict=True)]
    target = tmp_path / "toy.csv"
    target.write_text("\n".join(["user,item,timestamp", *rows, "60,5,1000000000", ""]))
    return target


def named(data: PairData, part: str) -> set[tuple[str, str]]:
    pairs = data.part(part)
    return set(zip(data.query_names.gather(pairs.queries.numpy()), data.item_names.gather(pairs.items.numpy()),
                   strict=True))  # fmt: skip


@pytest.mark.parametrize("split", SPLITS)
def test_parts_are_disjoint_and_complete(path: Path, split: str) -> None:
    data = load_pairs(path, split=split, valid=0.1, canaries=0.05)
    everything = {tuple(line.split(",")[:2]) for line in path.read_text().splitlines()[1:]}
    kept = {pair for pair in everything if pair[0] in set(data.query_names)}
    parts = [named(data, part) for part in PARTS]
    assert set.union(*parts) == kept
    assert sum(map(len, parts)) == sum(len(data.part(part)) for part in PARTS) == len(kept)
    assert min(map(len, parts)) > 0
    if len(kept) < len(everything):
        assert any(f"dropped with {len(everything) - len(kept)} pairs" in note for note in data.notes)


@pytest.mark.parametrize("split", SPLITS)
def test_every_query_keeps_a_train_pair(path: Path, split: str) -> None:
    data = load_pairs(path, split=split, valid=0.4, canaries=0.4)
    assert bool((torch.bincount(data.train.queries, minlength=data.n_queries) > 0).all())


@pytest.mark.parametrize("split", SPLITS)
def test_splits_follow_the_seed_and_not_the_order_of_the_file(path: Path, split: str) -> None:
    first, again = load_pairs(path, split=split), load_pairs(path, split=split)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    turned, other = load_pairs(path, split=split), load_pairs(path, split=split, seed=1)
    for part in PARTS:
        assert named(first, part) == named(again, part) == named(turned, part)
    assert named(first, "canaries") != named(other, "canaries")


def test_shares_hold(path: Path) -> None:
    data = load_pairs(path, split="random", test=0.25, valid=0.1, canaries=0.02)
    assert abs(len(data.test) - 375) < 25
    assert abs(len(data.valid) - 112) < 25
    assert 5 < len(data.canaries) < 45


def test_leave_last_out_takes_the_latest(path: Path) -> None:
    data = load_pairs(path, canaries=0)
    assert any(note.startswith("split: leave_last_out (chosen automatically: ") for note in data.notes)
    last = {int(q): float(t) for q, t in zip(data.test.queries, data.test.times, strict=True)}
    for part in ("train", "valid"):
        pairs = data.part(part)
        assert pairs.times is not None
        assert all(t < last.get(q, np.inf) for q, t in zip(pairs.queries.tolist(), pairs.times.tolist(), strict=True))
    assert len(data.test) == 60


def test_temporal_cuts_at_one_time(path: Path) -> None:
    data = load_pairs(path, split="temporal", valid=0, canaries=0)
    assert data.train.times is not None
    assert data.test.times is not None
    assert float(data.train.times.max()) < float(data.test.times.min())


def test_cold_items_are_cold(path: Path) -> None:
    data = load_pairs(path, split="cold_items", valid=0.1)
    cold = data.cold_items()
    assert bool(cold[data.test.items].all())
    assert bool(cold[data.valid.items].all())
    assert not set(data.test.items.tolist()) & set(data.valid.items.tolist())
    assert 8 < len(set(data.test.items.tolist())) < 26


def folder(tmp_path: Path, train: str, test: str) -> Path:
    (tmp_path / "train.txt").write_text(train)
    (tmp_path / "test.txt").write_text(test)
    return tmp_path


def test_given_parts_share_the_numbering(tmp_path: Path) -> None:
    where = folder(tmp_path, "0 10 11 11\n1 10 12\n", "0 12 99 10\n7 10\n")
    data = load_pairs(where, valid=0, canaries=0)
    assert named(data, "train") == {("0", "10"), ("0", "11"), ("1", "10"), ("1", "12")}
    assert named(data, "test") == {("0", "12"), ("0", "99")}
    assert data.item_names.to_list() == ["10", "11", "12", "99"]
    assert data.cold_items().tolist() == [False, False, False, True]
    assert data.counts().tolist() == [2, 1, 1, 0]
    notes = "\n".join(data.notes)
    for words in ("train: 1 duplicate pairs merged", "test: 1 pairs dropped, their user", "test: 1 pairs dropped, they",
                  "1 items have no pair in train, 1 of them"):  # fmt: skip
        assert words in notes
    joined = load_pairs(where, split="random", test=0.5)
    assert sum(len(joined.part(part)) for part in PARTS) == 7


def test_given_valid_part_is_used(tmp_path: Path) -> None:
    where = folder(tmp_path, "0 1 2\n1 2 3\n", "0 3\n")
    (where / "valid.txt").write_text("1 1\n")
    assert named(load_pairs(where, canaries=0), "valid") == {("1", "1")}


def test_a_test_part_of_strangers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test pair is left"):
        load_pairs(folder(tmp_path, "0 1 2\n1 2 3\n", "8 1\n"))
    with pytest.raises(InputError, match="no item of the test part"):
        load_pairs(folder(tmp_path, "0 1 2\n1 2 3\n", "0 8\n"))


def test_splits_that_the_data_cannot_give(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item\n1,2\n1,3\n2,3\n")
    with pytest.raises(InputError, match="no times"):
        load_pairs(path, split="temporal")
    with pytest.raises(InputError, match="no test part"):
        load_pairs(path, split="given")
    with pytest.raises(ConfigError, match="no split is called"):
        load_pairs(path, split="rnd")
    with pytest.raises(ConfigError, match="valid is 1"):
        load_pairs(path, valid=1.0)


def test_earliest_of_duplicates_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,time\n1,2,30\n1,2,10\n1,3,20\n")
    data = load_pairs(path, canaries=0)
    assert named(data, "test") == {("1", "3")}


def test_known_and_catalogue_see_train_only(path: Path) -> None:
    data = load_pairs(path)
    catalogue = data.catalogue()
    assert catalogue.known is not None
    assert catalogue.known.nnz == len(data.train) == int(catalogue.counts.sum())
    assert data.known(PARTS).nnz == sum(len(data.part(part)) for part in PARTS)


def test_features_normalised() -> None:
    features = SparseFeatures(torch.tensor([0, 2, 2, 3]), torch.tensor([0, 1, 1], dtype=torch.int32),
                              torch.tensor([1.0, 1.0, 5.0]), 2)  # fmt: skip
    scaled = features.normalised()
    idf = 1 + torch.log(torch.tensor([4 / 2, 4 / 3]))
    assert torch.allclose(scaled.values, torch.cat([idf / idf.norm(), torch.ones(1)]))


def test_a_random_validation_part_weighs_queries_as_the_test_part_does(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    lines = [f"{user},{item}" for user in range(2000) for item in range(50 if user % 2 else 10)]
    path.write_text("user,item\n" + "\n".join(lines))
    data = load_pairs(path, split="random", test=0.2, valid=0.05, canaries=0)
    test, valid = (torch.bincount(data.part(part).queries, minlength=2000) for part in ("test", "valid"))
    assert abs(len(data.valid) / 48_000 - 0.05) < 0.008
    light = torch.tensor([int(name) % 2 == 0 for name in data.query_names])
    assert abs(float((valid[light] > 0).float().mean() - (valid[~light] > 0).float().mean())) < 0.1
    for kind in (light, ~light):
        ratio = valid[kind & (valid > 0)].float().mean() / test[kind].float().mean()
        assert 0.6 < float(ratio) < 1.1  # as many right answers per evaluated query as the test part has
