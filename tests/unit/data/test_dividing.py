"""One way to divide: what is given stays, what stands in two parts is dropped and counted, the rest is held back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from negatives.data.dividing import Choice, Division, Places, Ways, choose, divide
from negatives.data.loading.edges import Reading, load_edges
from negatives.data.loading.labelled import LabelledSplit, TextReading, load_labelled
from negatives.data.loading.pairs import load_pairs
from negatives.data.loading.retrieval import Holding, load_retrieval
from negatives.data.loading.similarity import load_similarity
from negatives.data.loading.triples import TripleSplit, load_triples
from negatives.data.pairs import Pairs
from negatives.data.splits import Basis, folded
from negatives.errors import ConfigError, InputError

EDGES: Ways[Pairs] = Ways(
    "edges", lambda edges: Basis(len(edges), edges.queries, edges.items), lambda edges: edges.queries * 10 + edges.items
)


def edges(*rows: tuple[int, int]) -> Pairs:
    return Pairs(torch.tensor([q for q, _ in rows]), torch.tensor([i for _, i in rows]))


def of(part: Pairs) -> list[tuple[int, int]]:
    return list(zip(part.queries.tolist(), part.items.tolist(), strict=True))


def test_what_stands_in_two_parts_stays_in_the_first_alone() -> None:
    parts = {"valid": edges((4, 4), (0, 2), (0, 1), (3, 3)), "train": edges((0, 1), (0, 2), (1, 1)),
             "test": edges((3, 3), (1, 1), (2, 2))}  # fmt: skip
    notes: list[str] = []
    found = divide(parts, choose("auto", parts, EDGES, notes), Division(), EDGES, notes)
    assert {name: of(part) for name, part in found.items()} == {
        "train": [(0, 1), (0, 2), (1, 1)], "valid": [(4, 4)], "test": [(3, 3), (2, 2)], "canaries": [],
    }  # fmt: skip
    assert notes == [
        "split: given (chosen automatically: there is a test part)",
        "test: 1 edges dropped, they stand in train too",
        "valid: 2 edges dropped, they stand in train too",
        "valid: 1 edges dropped, they stand in test too",
        "valid: 1 edges; a rate over them has a standard error of up to 0.500, too much to choose by: "
        "give a larger part",
    ]


def test_given_parts_are_joined_where_another_split_is_asked_for() -> None:
    parts = {"train": edges((0, 1), (0, 2)), "test": edges((3, 3), (0, 1))}
    notes: list[str] = []
    choice = choose("random", parts, EDGES, notes)
    assert choice == Choice("random", anew=True)
    found = divide(parts, choice, Division(test=0.4, valid=0), EDGES, notes)
    assert sorted(of(found["train"]) + of(found["test"])) == [(0, 1), (0, 2), (3, 3)]
    assert notes[1:3] == [
        "split: the parts train, test of the data are joined and divided anew",
        "split: 1 edges stand in two parts and are taken once",
    ]


def test_a_given_validation_part_stays_where_there_is_no_test_part() -> None:
    parts = {"train": edges(*((0, item) for item in range(8))), "valid": edges((1, 1))}
    notes: list[str] = []
    found = divide(parts, choose("auto", parts, EDGES, notes), Division(test=0.25), EDGES, notes)
    assert of(found["valid"]) == [(1, 1)]
    assert len(found["test"]) == 2
    assert notes[0] == "split: random (chosen automatically: there is no test part)"


def test_splits_that_cannot_be() -> None:
    with pytest.raises(InputError, match="there is no test part"):
        choose("given", {"train": 0}, EDGES, [])
    with pytest.raises(
        ConfigError, match=r"no split is called 'temporal' for edges; choose one of: auto, given, random"
    ):
        choose("temporal", {"train": 0}, EDGES, [])
    with pytest.raises(InputError, match="leaves no edges to train on"):
        divide({"train": edges()}, Choice("random"), Division(), EDGES, [])


def test_the_note_of_the_validation_part_says_how_sure_it_is() -> None:
    for n, text in ((100, "100 edges; a rate over them has a standard error of up to 0.050"), (
        90, "90 edges; a rate over them has a standard error of up to 0.053, too much to choose by: "
        "look at several parts, --set split.fold=0, 1, 2, or raise split.valid")):  # fmt: skip
        notes: list[str] = []
        rows = edges(*((one, 0) for one in range(2 * n)))
        divide({"train": rows}, Choice("random"), Division(test=0, valid=0.5), EDGES, notes)
        assert notes == [f"valid: {text}"]


def test_equal_rows_never_stand_in_two_parts() -> None:
    ways: Ways[Places] = Ways("rows", lambda rows: Basis(len(rows)), lambda rows: rows.contents, repeats=True)
    notes: list[str] = []
    rows = Places.of({"train": 300}, torch.arange(300) % 100)
    parts = divide(rows, Choice("random"), Division(test=0.3, valid=0.3), ways, notes)
    contents = [set(parts[name].contents.tolist()) for name in ("train", "valid", "test")]
    assert not contents[0] & contents[1]
    assert not contents[0] & contents[2]
    assert not contents[1] & contents[2]
    dropped = 300 - sum(len(part) for part in parts.values())
    assert dropped == sum(int(note.split()[1]) for note in notes if "dropped" in note) > 0


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_every_kind_of_data_drops_and_counts_what_stands_in_two_parts(tmp_path: Path) -> None:
    (pairs, graph, facts, texts, found, alike) = (tmp_path / name for name in "abcdef")
    for part, more in (("train", ""), ("test", "2,3\n"), ("valid", "3,1\n")):
        write(pairs / f"{part}.csv", "user,item\n1,1\n2,2\n3,3\n" + more)
        write(graph / f"{part}.txt", "1 2\n2 3\n3 4\n" + {"test": "1 3\n", "valid": "2 4\n"}.get(part, ""))
        write(facts / f"{part}.txt", "a\tr\tb\nb\tr\tc\n" + {"test": "a\tr\tc\n", "valid": "c\tr\ta\n"}.get(part, ""))
        rows = [{"text": f"same words {row}", "labels": ["x"]} for row in range(3)]
        write(texts / f"{part}.jsonl", jsonl(*rows, {"text": f"words of {part}", "labels": ["y"]}))
        scored = "".join(f"one {row},two {row},{row}\n" for row in range(6))
        own = "".join(f"{part} {row},two {row},{row}\n" for row in range(3))
        write(alike / f"{part}.csv", "sentence1,sentence2,score\n" + scored + own)
        head, judged = "query-id\tcorpus-id\tscore\n", "q0\td0\t1\nq1\td1\t1\n"
        write(
            found / "qrels" / f"{part}.tsv",
            head + judged + {"test": "q2\td2\t1\n", "valid": "q3\td3\t1\n"}.get(part, ""),
        )
    write(found / "corpus.jsonl", jsonl(*({"_id": f"d{one}", "text": f"words {one}"} for one in range(5))))
    write(found / "queries.jsonl", jsonl(*({"_id": f"q{one}", "text": f"asks {one}"} for one in range(5))))
    notes = {
        "pairs": load_pairs(pairs).notes,
        "edges": load_edges(graph, Reading()).notes,
        "triples": load_triples(facts, TripleSplit()).notes,
        "rows": load_labelled(texts, LabelledSplit(), TextReading()).notes,
        "judgements": load_retrieval(found, Holding(), titles=False).notes,
        "graded": load_similarity(alike, None, None).notes,
    }
    counts = {"pairs": 3, "edges": 3, "triples": 2, "rows": 3, "judgements": 2, "graded": 6}
    for kind, n in counts.items():
        unit = "pairs" if kind == "graded" else kind
        for part in ("test", "valid"):
            assert f"{part}: {n} {unit} dropped, they stand in train too" in notes[kind], (kind, notes[kind])


def test_a_fold_that_changes_nothing_is_told() -> None:
    parts = {"train": edges((0, 1), (0, 2)), "test": edges((3, 3)), "valid": edges((4, 4))}
    for fold, told in ((0, False), (2, True)):
        notes: list[str] = []
        divide(parts, Choice("given"), Division(seed=folded(5, fold)), EDGES, notes)
        assert ("split: the data gives a validation part, so split.fold changes nothing" in notes) is told


def test_a_test_part_that_training_shows_is_refused() -> None:
    parts = {"train": edges((0, 1), (0, 2)), "test": edges((0, 2), (0, 1))}
    with pytest.raises(InputError, match="all 2 edges of the test part stand in train too; give edges to test on"):
        divide(parts, Choice("given"), Division(), EDGES, [])


def test_parts_are_joined_by_name_in_whatever_order_they_were_found() -> None:
    found = []
    for names in (("train", "test"), ("test", "train")):
        rows = {"train": edges(*((0, item) for item in range(9))), "test": edges(*((1, item) for item in range(9)))}
        parts = divide({name: rows[name] for name in names}, Choice("random", anew=True), Division(), EDGES, [])
        found.append({name: sorted(of(part)) for name, part in parts.items()})
    assert found[0] == found[1]
