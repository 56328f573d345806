"""Each part of every kind of data is chosen by a random stream of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from negatives.data import splits
from negatives.data.dividing import Division
from negatives.data.loading.edges import Reading, load_edges
from negatives.data.loading.labelled import LabelledSplit, TextReading, load_labelled
from negatives.data.loading.pairs import load_pairs
from negatives.data.loading.retrieval import Holding, load_retrieval
from negatives.data.loading.similarity import load_similarity
from negatives.data.loading.triples import TripleSplit, load_triples
from negatives.data.pairs import Pairs
from negatives.data.retrieval import Judgements
from negatives.randomness import Purpose, stream

Parts = Mapping[str, set[tuple[int, ...]]]
SHARES = {"test": 0.2, "valid": 0.2, "canaries": 0.2}
ROWS = [(user, item) for user in range(24) for item in range(16) if (user * item) % 5 != 1]


def of_pairs(parts: Mapping[str, Pairs | Judgements]) -> Parts:
    return {name: set(zip(one.queries.tolist(), one.items.tolist(), strict=True)) for name, one in parts.items()}


def pairs(folder: Path) -> Parts:
    path = folder / "pairs.csv"
    path.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in ROWS))
    data = load_pairs(path, split="random", **SHARES)
    return of_pairs({"train": data.train, "valid": data.valid, "test": data.test, "canaries": data.canaries})


def edges(folder: Path) -> Parts:
    path = folder / "edges.csv"
    path.write_text("source,target\n" + "".join(f"{left},{24 + right}\n" for left, right in ROWS))
    data = load_edges(path, Reading(**SHARES))
    return of_pairs({"train": data.train, "valid": data.valid, "test": data.test, "canaries": data.canaries})


def triples(folder: Path) -> Parts:
    path = folder / "triples.tsv"
    path.write_text("".join(f"a{left}\tr{(left + right) % 3}\tb{right}\n" for left, right in ROWS))
    return {name: set(zip(one.heads.tolist(), one.relations.tolist(), one.tails.tolist(), strict=True))
            for name, one in load_triples(path, TripleSplit(**SHARES)).parts.items()}  # fmt: skip


def labelled(folder: Path) -> Parts:
    path = folder / "rows.jsonl"
    rows = [
        {"text": f"w{row % 7} w{row % 5} w{row % 3}", "labels": [f"l{row % 4}", f"m{row % 3}"]} for row in range(80)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return of_pairs(load_labelled(path, LabelledSplit(**SHARES), TextReading()).parts)


def retrieval(folder: Path) -> Parts:
    (folder / "qrels").mkdir()
    documents = [{"_id": f"d{one}", "text": f"words {one}"} for one in range(40)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents))
    queries = [{"_id": f"q{one}", "text": f"asks {one}"} for one in range(40)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in queries))
    judged = "".join(f"q{query}\td{(query * 3 + more) % 40}\t1\n" for query in range(40) for more in range(3))
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return of_pairs(load_retrieval(folder, Holding(**SHARES), titles=False).parts)


def similarity(folder: Path) -> Parts:
    path = folder / "scored.csv"
    rows = [f"text {left},other {left * 3 % 50},{left % 6}\n" for left in range(60)]
    path.write_text("sentence1,sentence2,score\n" + "".join(rows))
    data = load_similarity(path, None, None, Division(test=SHARES["test"], valid=SHARES["valid"]))
    numbers = [int(text.split()[1]) for text in data.sentences]  # ids are given in the order of the parts
    return {name: {(numbers[left], numbers[right]) for left, right in zip(one.left, one.right, strict=True)}
            for name, one in data.parts.items()}  # fmt: skip


LOADERS = [pairs, edges, triples, labelled, retrieval, similarity]


def test_no_stream_serves_two_parts() -> None:
    keys = [splits.key_of(part, seed) for part in splits.STREAMS for seed in range(5)]
    others = [one for one in Purpose if one not in (Purpose.SPLIT, Purpose.CANARIES)]
    keys += [stream(seed, purpose) for purpose in others for seed in range(5)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("load", LOADERS, ids=lambda one: one.__name__)
def test_a_part_follows_its_own_stream_alone(
    load: Callable[[Path], Parts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another stream for one part changes it, and no part that was chosen before it."""

    def loaded(name: str) -> Parts:
        folder = tmp_path / name
        folder.mkdir()
        return load(folder)

    usual, order = loaded("usual"), ["test", "valid", "canaries"]
    asked = [part for part in order if part in usual]
    assert all(usual[part] for part in ["train", *asked])
    for place, part in enumerate(asked):
        with monkeypatch.context() as patch:
            patch.setitem(splits.STREAMS, part, (Purpose.NOISE, 7))
            other = loaded(part)
        assert other[part] != usual[part]
        assert len(other[part]) > 0
        for before in asked[:place]:
            assert other[before] == usual[before], (part, before)


@pytest.mark.parametrize("load", LOADERS, ids=lambda one: one.__name__)
def test_swapped_streams_give_other_parts(
    load: Callable[[Path], Parts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two parts that shared a stream would not notice."""
    for name in ("usual", "swapped"):
        (tmp_path / name).mkdir()
    usual = load(tmp_path / "usual")
    late = ("valid", "canaries") if "canaries" in usual else ("test", "valid")
    for mine, theirs in zip(late, reversed([splits.STREAMS[part] for part in late]), strict=True):
        monkeypatch.setitem(splits.STREAMS, mine, theirs)
    swapped = load(tmp_path / "swapped")
    for part in late:
        assert swapped[part] != usual[part]
