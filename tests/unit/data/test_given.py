"""Rows that say what a user does not want become given negatives, and never a pair that was taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from negatives.data.loading.pairs import load_pairs
from negatives.data.loading.retrieval import Holding, load_retrieval
from negatives.data.loading.similarity import load_similarity
from negatives.data.pairs import PairData
from negatives.data.readers import Options, read
from negatives.data.readers.schema import PAIRS
from negatives.errors import ConfigError, InputError

ROWS = [f"u{user},i{item},buy,5,2" for user in range(8) for item in range(user, user + 6)]
SHOWN = ["u0,i9,show,,", "u0,i1,show,,", "u3,i0,show,,", "u3,i20,show,,", "u9,i1,show,,", "u4,i2,look,1,1"]


def table(path: Path, *rows: str, header: str = "user,item,event,rating,weight") -> Path:
    path.write_text("\n".join((header, *ROWS, *rows)) + "\n")
    return path


def sets(data: PairData) -> dict[str, list[str]]:
    """Given negatives by name."""
    assert data.given is not None
    users, items = data.query_names.to_list(), data.item_names.to_list()
    found = {user: [items[item] for item in data.given.row(row).tolist()] for row, user in enumerate(users)}
    return {user: given for user, given in found.items() if given}


def test_events_that_only_show_are_given_negatives(tmp_path: Path) -> None:
    data = load_pairs(table(tmp_path / "a.csv", *SHOWN[:5]), split="random", options=Options(shown=frozenset({"show"})))
    assert sets(data) == {"u0": ["i9"], "u3": ["i0", "i20"]}
    assert "i20" in data.item_names.to_list()
    known = data.known(("train", "valid", "test", "canaries"))
    assert known.nnz == len(ROWS)
    assert data.catalogue().given is data.given
    told = "\n".join(data.notes)
    assert "5 pairs are given negatives" in told
    assert "1 rows dropped, their user or item has no pair" in told
    assert "1 left out, the user took the item too" in told
    assert "3 of 2 users" in told


@pytest.mark.parametrize("seed", range(4))
def test_what_a_user_took_in_any_part_is_no_negative(seed: int, tmp_path: Path) -> None:
    every = [f"u{user},i{item},show,," for user in range(8) for item in range(user, user + 7)]
    options = Options(shown=frozenset({"show"}))
    data = load_pairs(
        table(tmp_path / "a.csv", *every), split="random", test=0.4, valid=0.2, seed=seed, options=options
    )
    assert sets(data) == {f"u{user}": [f"i{user + 6}"] for user in range(8)}


def test_low_ratings_are_dislikes_and_those_between_are_nothing(tmp_path: Path) -> None:
    rows = ["u0,i9,buy,1,", "u0,i8,buy,2,", "u0,i7,buy,3,", "u0,i6,buy,4,"]
    data = load_pairs(table(tmp_path / "a.csv", *rows), split="random", options=Options(min_rating=4.0, dislike=2.0))
    assert sets(data) == {"u0": ["i8", "i9"]}
    assert data.known(("train", "valid", "test", "canaries")).nnz == len(ROWS) + 1
    alone = load_pairs(table(tmp_path / "b.csv", *rows), split="random", options=Options(dislike=2.0))
    assert sets(alone) == {"u0": ["i8", "i9"]}
    assert alone.known(("train", "valid", "test", "canaries")).nnz == len(ROWS) + 2


def test_a_label_of_nought_and_one_and_a_column_of_its_own(tmp_path: Path) -> None:
    label = "user,item,label\na,x,1\na,y,0\nb,y,1\nb,x,1\na,z,1\n"
    (tmp_path / "a.csv").write_text(label)
    data = load_pairs(tmp_path / "a.csv", split="random", test=0.4, options=Options(dislike=0.0))
    assert sets(data) == {"a": ["y"]}
    (tmp_path / "b.csv").write_text(label.replace("label", "skipped").replace(",0", ",yes").replace(",1", ",no"))
    columns = {"given": "skipped"}
    data = load_pairs(tmp_path / "b.csv", split="random", test=0.4, options=Options(columns=columns))
    assert sets(data) == {"a": ["y"]}


def test_weights_and_events_stay_those_of_what_was_taken(tmp_path: Path) -> None:
    rows = ["u0,i9,show,,0", "u0,i8,cart,,3", "u0,i7,gone,,1"]
    options = Options(columns={"weight": "weight"}, events={"buy": 2.0, "cart": 1.0}, shown=frozenset({"show"}))
    found = read(table(tmp_path / "a.csv", *rows), PAIRS, options)["train"]
    marks, weights = found.numbers("given"), found.numbers("weight")
    assert marks is not None
    assert weights is not None
    assert marks.sum() == 1
    assert np.array_equal(weights[marks == 0], [4.0] * len(ROWS) + [3.0])
    assert any("weights from 3 to 4" in note for note in found.notes)
    data = load_pairs(table(tmp_path / "a.csv", *rows), split="random", options=options)
    assert sets(data) == {"u0": ["i9"]}
    assert data.train.weights is not None
    assert set(data.train.weights.tolist()) <= {3.0, 4.0}


def test_what_is_shown_after_the_last_pair_in_train_is_not_known_to_it(tmp_path: Path) -> None:
    rows = [f"u{user},i{user + at},buy,{10 * at}" for user in range(6) for at in range(5)]
    rows += ["u0,i9,show,25", "u0,i8,show,35", "u1,i9,show,5"]
    path = tmp_path / "a.csv"
    path.write_text("user,item,event,time\n" + "\n".join(rows) + "\n")
    options = Options(shown=frozenset({"show"}), events={"buy": None})
    data = load_pairs(path, split="leave_last_out", valid=0.0, canaries=0.0, options=options)
    assert sets(data) == {"u0": ["i9"], "u1": ["i9"]}
    assert any("1 rows dropped, they are later" in note for note in data.notes)
    assert sets(load_pairs(path, split="random", options=options)) == {"u0": ["i8", "i9"], "u1": ["i9"]}


def test_only_the_training_part_gives_negatives(tmp_path: Path) -> None:
    header, options = "user,item,event,rating,weight", Options(shown=frozenset({"show"}))
    table(tmp_path / "train.csv", "u0,i9,show,,")
    (tmp_path / "test.csv").write_text(f"{header}\nu0,i8,show,,\nu0,i7,buy,,\nu1,i0,buy,,\n")
    data = load_pairs(tmp_path, options=options)
    assert sets(data) == {"u0": ["i9"]}
    assert len(data.test) == 2


def test_rows_that_are_all_given_negatives_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,label\na,x,0\nb,y,0\n")
    with pytest.raises(InputError, match="every row is a given negative"):
        load_pairs(tmp_path / "a.csv", options=Options(dislike=0.0))
    with pytest.raises(ConfigError, match="no column of a event was found"):
        load_pairs(tmp_path / "a.csv", options=Options(shown=frozenset({"show"})))


def test_whole_users_are_held_back(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv")
    users = tmp_path / "people.csv"
    users.write_text("user,age\n" + "".join(f"u{n},{n}\n" for n in range(9)))
    options = Options(tables={"user": str(users)})
    data = load_pairs(path, split="cold_users", test=0.25, valid=0.25, options=options)
    parts = {part: set(data.part(part).queries.tolist()) for part in ("train", "valid", "test")}
    assert all(parts.values())
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["valid"]
    assert not parts["valid"] & parts["test"]
    assert data.n_queries == 9
    assert len(torch.unique(data.test.queries)) == 2
    with pytest.raises(InputError, match="no test pair is left"):
        load_pairs(path, split="cold_users", test=0.25)  # nothing is known of whom training does not show


def test_events_that_look_like_showing_are_told(tmp_path: Path) -> None:
    rows = ["u0,i9,impression,,", "u0,i8,buy,,"]
    found = read(table(tmp_path / "a.csv", *rows), PAIRS)["train"]
    doubt = next(note for note in found.notes if "taken alike" in note)
    assert doubt.endswith("reading.events=buy takes one, --set reading.shown=impression takes one as given negatives")


def test_judged_texts_are_given_negatives_of_their_query(tmp_path: Path) -> None:
    rows = [f"question {n},right {n},wrong {n}" for n in range(12)]
    (tmp_path / "a.csv").write_text("\n".join(["query,positive,negative", *rows]) + "\n")
    data = load_retrieval(tmp_path / "a.csv", Holding(test=0.25, valid=0.1), titles=False)
    given = data.catalogue().given
    assert given is not None
    trained = set(data.part("train").queries.tolist())
    for query in range(data.n_queries):
        wrong = [data.item_texts[item] for item in given.row(query).tolist()]
        number = data.query_texts[query].split()[1]
        assert wrong == ([f"wrong {number}"] if query in trained else [])


def test_sentences_that_were_judged_to_differ_are_given_negatives(tmp_path: Path) -> None:
    rows = [f"left {n},right {n},{n % 6}" for n in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["sentence1,sentence2,score", *rows]) + "\n")
    data = load_similarity(tmp_path / "a.csv", None, None)
    given, train = data.catalogue().given, data.parts["train"]
    assert given is not None
    low = train.pick(train.scores < data.related)
    assert given.nnz == 2 * len(low) > 10
    assert all(right in given.row(left) for left, right in zip(low.left.tolist(), low.right.tolist(), strict=True))
