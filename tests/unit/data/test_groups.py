"""Divided by group: all rows of a session or a document stand in one part."""

from __future__ import annotations

from pathlib import Path

import pytest

from negatives.data.loading.labelled import LabelledSplit, TextReading, load_labelled
from negatives.data.loading.pairs import load_pairs
from negatives.data.readers import Options
from negatives.errors import InputError


def sessions(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    rows = [f"u{user},i{(user + 3 * visit + step) % 11},s{user}-{visit}" for user in range(10) for visit in range(6)
            for step in range(3)]  # fmt: skip
    path.write_text("user,item,visit\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("seed", [0, 1])
def test_a_session_stands_in_one_part(seed: int, tmp_path: Path) -> None:
    options = Options(columns={"group": "visit"})
    data = load_pairs(sessions(tmp_path), split="group", valid=0.2, canaries=0.0, seed=seed, options=options)
    found = {}
    for name in ("train", "valid", "test"):
        part = data.part(name)
        assert part.groups is not None
        found[name] = set(part.groups.tolist())
        assert found[name]
    assert not found["train"] & found["test"]
    assert not found["train"] & found["valid"]
    assert not found["valid"] & found["test"]
    assert 0.1 < len(data.test) / sum(len(data.part(name)) for name in found) < 0.3


def test_a_group_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no groups, which the split group needs; name their column with"):
        load_pairs(sessions(tmp_path), split="group")


def test_a_document_s_rows_stand_in_one_part(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    rows = [f"a text of document {n // 4} line {n},l{n % 3},{n // 4}" for n in range(80)]
    path.write_text("text,label,doc\n" + "\n".join(rows) + "\n")
    reading = TextReading(Options(columns={"group": "doc"}))
    data = load_labelled(path, LabelledSplit("group", test=0.25, valid=0.2, canaries=0.0), reading)
    parts = {name: {row // 4 for row in data.parts[name].queries.tolist()} for name in ("train", "valid", "test")}
    assert [len(parts[name]) for name in ("test", "valid", "train")] == [5, 3, 12]
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["valid"]
