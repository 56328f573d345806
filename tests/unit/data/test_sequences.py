"""Pairs in their order: what each division holds back, on small tables, and that nothing leaks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from negatives.data.loading.pairs import load_pairs, load_sequences
from negatives.data.pairs import PARTS, PairData
from negatives.data.readers import Options
from negatives.errors import ConfigError, InputError

SHARES: dict[str, float] = {"test": 0.3, "valid": 0.3, "canaries": 0.0}


def timed(rows: Sequence[tuple[str, str, float]]) -> dict[str, list[Any]]:
    users, items, times = (list(column) for column in zip(*rows, strict=True))
    return {"user": users, "item": items, "time": times}


def histories(data: PairData, *parts: str) -> dict[str, list[str]]:
    """Names of the items of each user in some parts, the oldest first."""
    found = data.histories(parts or PARTS)
    return {data.query_names[row]: list(data.item_names[found.row(row).tolist()]) for row in range(data.n_queries)}


def many(users: int = 200) -> dict[str, list[Any]]:
    """Users who take a new item at moments of their own, in a table in no order."""
    rows = [
        (f"u{user:03}", f"i{(user * 13 + step * 5) % 97}", float((user * 31 + step * 40) % 1999))
        for step in range(12)
        for user in range(users)
        if step < 2 + user % 11
    ]
    return timed(rows)


ABC = ["a", "b", "c", "d", "e"]


def test_the_last_is_tested_and_the_one_before_it_validates() -> None:
    data = load_sequences({"user": ["u"] * 5 + ["v"] * 2 + ["w"], "item": [*ABC, "c", "a", "b"]}, canaries=0.0)
    assert histories(data, "train") == {"u": ["a", "b", "c"], "v": ["c"], "w": ["b"]}
    assert histories(data, "valid") == {"u": ["d"], "v": [], "w": []}
    assert histories(data, "test") == {"u": ["e"], "v": ["a"], "w": []}
    assert histories(data) == {"u": ABC, "v": ["c", "a"], "w": ["b"]}


def test_times_decide_and_ties_stay_as_in_the_file() -> None:
    table = timed([("u", "late", 9.0), ("u", "z", 1.0), ("u", "a", 1.0), ("u", "m", 1.0), ("u", "first", 0.0)])
    assert histories(load_sequences(table, canaries=0.0))["u"] == ["first", "z", "a", "m", "late"]


def test_what_comes_again_stays() -> None:
    data = load_sequences({"user": ["u"] * 5, "item": ["a", "a", "b", "a", "a"]}, canaries=0.0)
    assert histories(data)["u"] == ["a", "a", "b", "a", "a"]
    assert data.known().row(0).tolist() == sorted(data.known().row(0).tolist()) == [0, 1]
    assert data.counts().tolist() == [2, 1]


@pytest.mark.parametrize("write", ["lists", "names", "jsonl", "inter", "sessions"])
def test_files_give_the_order_that_they_have(write: str, tmp_path: Path) -> None:
    rows = {"3": ["9", "2", "5", "2"], "1": ["5", "9", "7", "4", "2"]}
    wanted = dict(rows)
    path = tmp_path / ("data.jsonl" if write == "jsonl" else "data.inter" if write == "inter" else "data.txt")
    if write in ("lists", "names"):
        letter = "" if write == "lists" else "x"
        wanted = {f"{letter}{user}": [f"{letter}{item}" for item in items] for user, items in rows.items()}
        path.write_text("".join(f"{user} {' '.join(items)}\n" for user, items in wanted.items()))
    elif write == "jsonl":
        path.write_text("".join(json.dumps({"user_id": u, "items": items}) + "\n" for u, items in rows.items()))
    elif write == "inter":
        head = "user_id:token\titem_id:token\ttimestamp:float\n"
        lines = [f"{u}\t{item}\t{place}\n" for u, items in rows.items() for place, item in enumerate(items)]
        path.write_text(head + "".join(lines[::-1]))
    else:
        head, lines = "session_id,item_id,timestamp\n", []
        for place in range(5):  # sessions at the same time
            lines += [
                f"{u},{item},2024-05-01 10:{place:02}\n" for u, row in rows.items() for item in row[place : place + 1]
            ]
        path.write_text(head + "".join(lines))
    assert histories(load_sequences(path, canaries=0.0)) == wanted


@pytest.mark.parametrize("split", ["leave_last_out", "temporal_user", "global_time", "temporal", "group"])
@pytest.mark.parametrize("canaries", [0.0, 0.02])
def test_nothing_that_is_trained_on_follows_what_is_held_back(split: str, canaries: float) -> None:
    """A leak would be: a training row after a held-back row of the same user, or, with one cut, of anyone."""
    table = many() | {"visit": [f"{user}-{n // 400}" for n, user in enumerate(many()["user"])]}
    asked: Mapping[str, float] = SHARES | {"canaries": canaries}
    data = load_sequences(table, split=split, options=Options(columns={"group": "visit"}), **asked)
    latest = {name: torch.full((data.n_queries,), -torch.inf, dtype=torch.float64) for name in PARTS}
    first = {name: torch.full((data.n_queries,), torch.inf, dtype=torch.float64) for name in PARTS}
    for name in PARTS:
        part = data.part(name)
        assert part.times is not None
        latest[name].scatter_reduce_(0, part.queries, part.times, "amax")
        first[name].scatter_reduce_(0, part.queries, part.times, "amin")
    for before, after in (("train", "valid"), ("train", "test"), ("valid", "test"), ("train", "canaries")):
        assert bool((latest[before] <= first[after]).all()), (before, after)
    assert len(data.train) > 0 < len(data.valid)
    assert len(data.test) > 0
    if split in ("global_time", "temporal"):
        assert float(latest["train"].max()) <= float(latest["valid"].max()) < float(first["test"].min())
        assert float(latest["train"].max()) < float(first["valid"].min())
    assert (len(data.canaries) > 0) is (canaries > 0)
    assert not set(data.canaries.queries.tolist()) & set(data.valid.queries.tolist())


def test_leaving_out_with_canaries_trains_on_all_but_the_last_two() -> None:
    """The published protocol, whoever gives the canaries: their last but one takes the place of the validation row."""
    data = load_sequences(many(), split="leave_last_out", canaries=0.01)
    plain = load_sequences(many(), split="leave_last_out", canaries=0.0)
    assert torch.equal(data.train.items, plain.train.items)
    assert torch.equal(data.test.items, plain.test.items)
    hidden = len(data.canaries)
    assert hidden == round(0.01 * (len(plain.train) + len(plain.valid)))
    assert len(data.valid) + hidden == len(plain.valid)


def test_a_share_of_each_user_s_pairs_is_the_latest_of_them() -> None:
    for load in (load_sequences, load_pairs):
        data = load(many(), split="temporal_user", test=0.25, valid=0.0, canaries=0.0)
        sizes = torch.bincount(data.train.queries) + torch.bincount(data.test.queries, minlength=data.n_queries)
        held = torch.bincount(data.test.queries, minlength=data.n_queries)
        assert bool((held <= (sizes * 0.25).ceil()).all())
        assert abs(len(data.test) - 0.25 * int(sizes.sum())) < 0.05 * int(sizes.sum())
        assert data.train.times is not None
        assert data.test.times is not None
        last = torch.zeros(data.n_queries, dtype=torch.float64).scatter_reduce_(
            0, data.train.queries, data.train.times, "amax", include_self=False
        )
        assert bool((data.test.times >= last[data.test.queries]).all())


def test_the_last_session_of_each_user_is_held_back() -> None:
    table = {"user": ["u"] * 6 + ["v"] * 2, "item": [*"abcdefgh"], "s": ["3", "1", "2", "2", "3", "3", "4", "4"]}
    data = load_sequences(table, split="group", canaries=0.0, options=Options(columns={"group": "s"}))
    assert histories(data, "test") == {"u": ["e", "f"], "v": []}
    assert histories(data, "valid") == {"u": ["c", "d"], "v": []}
    assert histories(data, "train") == {"u": ["a", "b"], "v": ["g", "h"]}


def test_one_cut_in_time_drops_users_who_came_after_it() -> None:
    rows = [(f"u{n}", item, float(4 * n + 10 * place)) for n in range(4) for place, item in enumerate(ABC)]
    data = load_sequences(timed([*rows, ("new", "a", 90.0)]), split="global_time", test=0.2, valid=0.2, canaries=0.0)
    assert histories(data, "test") == {"u0": [], "u1": ["e"], "u2": ["e"], "u3": ["e"]}  # after 40
    assert histories(data, "valid") == {"u0": ["e"], "u1": [], "u2": ["d"], "u3": ["d"]}  # after 33
    assert "split: 1 users dropped with 1 pairs, the split left them none in train" in data.notes


def test_parts_that_are_given_stay_and_follow_one_another() -> None:
    parts = {
        "train": {"user": ["u", "u"], "item": ["a", "b"]},
        "valid": {"user": ["u"], "item": ["a"]},
        "test": {"user": ["u"], "item": ["b"]},
    }
    data = load_sequences(parts, canaries=0.5)
    assert histories(data) == {"u": ["a", "b", "a", "b"]}  # what comes again is not taken for a copy
    assert len(data.canaries) == 0  # the only user is asked about in the validation part
    joined = load_sequences(parts, split="leave_last_out", canaries=0.0)
    assert histories(joined, "test") == {"u": ["b"]}
    assert histories(joined) == {"u": ["a", "b", "a", "b"]}
    assert sum("divided anew" in note for note in joined.notes) == 1


def test_what_a_division_lacks_is_said() -> None:
    rows = {"user": ["u"] * 4, "item": [*"abcd"]}
    with pytest.raises(InputError, match=r"no times, which the split by time needs; .*split.kind=leave_last_out"):
        load_sequences(rows, split="global_time")
    with pytest.raises(InputError, match=r"no groups, which the split group needs"):
        load_sequences(rows, split="group")
    with pytest.raises(InputError, match=r"no test part; .*split.kind=leave_last_out"):
        load_sequences(rows, split="given")
    with pytest.raises(ConfigError, match=r"no split is called 'random' for pairs; choose one of: auto"):
        load_sequences(rows, split="random")
    with pytest.raises(InputError, match=r"no times and no order"):
        load_pairs({"user": ["u", "u", "v", "v"], "item": [*"abab"]}, canaries=0.0).histories()
