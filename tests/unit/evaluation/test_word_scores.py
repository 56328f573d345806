"""Word vectors are judged as scipy and a plain loop judge them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.stats import spearmanr

from negatives.errors import InputError
from negatives.evaluation import word_sets, words
from negatives.randomness import generator


def vectors(n: int = 50, d: int = 8) -> torch.Tensor:
    return torch.randn(n, d, generator=generator(0))


INDEX = {f"w{i}": i for i in range(50)}


def test_spearman_is_that_of_scipy_with_ties() -> None:
    random = generator(1)
    pairs = torch.stack(
        [torch.randn(60, generator=random).double().round(decimals=1), torch.rand(60, generator=random)], 1
    )
    pairs[:, 1] = (pairs[:, 1] * 5).round()
    assert float(words.spearman_terms(pairs).mean()) == pytest.approx(spearmanr(*pairs.T.numpy()).statistic, abs=1e-12)
    assert words.spearman_terms(torch.ones(4, 2).double()).tolist() == [0.0] * 4
    assert words.spearman_terms(torch.ones(1, 2).double()).tolist() == [0.0]


def test_similarity_is_the_cosine_of_known_words() -> None:
    asked = word_sets.Similarity(
        "x", [("w1", "w2"), ("w3", "none"), ("w4", "w4")], torch.tensor([3.0, 2.0, 9.0]).double()
    )
    found = words.similarity(vectors(), INDEX, asked)
    expected = torch.cosine_similarity(vectors()[1], vectors()[2], dim=0)
    assert found[:, 1].tolist() == [3.0, 9.0]
    assert found[:, 0].tolist() == pytest.approx([float(expected), 1.0])


def test_analogies_are_answered_as_by_a_plain_loop() -> None:
    table = vectors()
    unit = torch.nn.functional.normalize(table, dim=1)
    questions, right = [], []
    for i in range(600):
        a, b, c = (i * 7) % 50, (i * 11 + 3) % 50, (i * 13 + 5) % 50
        if len({a, b, c}) < 3:
            continue
        scores = unit @ (unit[b] - unit[a] + unit[c])
        scores[[a, b, c]] = -9
        best = int(scores.argmax())
        wrong = i % 2
        questions.append((f"w{a}", f"w{b}", f"w{c}", f"w{best if not wrong else (best + 1) % 50}"))
        right.append(1.0 - wrong)
    asked = word_sets.Analogies([*questions, ("w1", "w2", "w3", "none")])
    assert words.analogies(table, INDEX, asked).tolist() == right
    assert words.analogies(table, INDEX, asked, most=100).numel() <= 100
    parts = [words.analogies(table, INDEX, asked, part).numel() for part in ("valid", "test")]
    assert sum(parts) == len(right)
    assert 0.2 < parts[0] / sum(parts) < 0.5
    assert words.analogies(table, INDEX, asked, restrict=2).numel() == 0


def test_sets_are_read_by_what_their_lines_hold(tmp_path: Path) -> None:
    (tmp_path / "EN-WS-353-ALL.txt").write_text("Tiger\tCat\t7.35\n# note\nlove sex 6.77\n")
    (tmp_path / "mine.csv").write_text("a,b,1\n")
    (tmp_path / "questions-words.txt").write_text(": capitals\nAthens Greece Bern Switzerland\n")
    (tmp_path / ".hidden").write_bytes(b"\xff")
    sets, analogies = word_sets.read_sets(tmp_path)
    assert {one.name: one.pairs for one in sets} == {"ws353": [("tiger", "cat"), ("love", "sex")], "mine": [("a", "b")]}
    assert analogies.questions == [("athens", "greece", "bern", "switzerland")]


def test_a_pair_that_stands_twice_counts_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "EN-WS-353-ALL.txt").write_text("money cash 9.08\ntiger cat 7.35\ncash money 9.15\ncat tiger 7.35\n")
    with caplog.at_level("INFO", logger="negatives"):
        sets, _ = word_sets.read_sets(tmp_path)
    assert sets[0].pairs == [("money", "cash"), ("tiger", "cat")]
    assert sets[0].ratings.tolist() == [9.15, 7.35]
    assert "EN-WS-353-ALL.txt: 2 repeated pairs left out; 1 have several scores" in caplog.text


def test_words_that_are_all_alike_answer_by_chance() -> None:
    table = torch.ones(50, 8)
    asked = word_sets.Analogies([(f"w{i % 40}", f"w{i % 40 + 1}", f"w{i % 40 + 2}", "w0") for i in range(3, 4000)])
    right = words.analogies(table, INDEX, asked)
    assert 0 < float(right.mean()) < 0.05


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a b c\n", "line 1: not 'word word score'"),
        ("a b 1\na b\n", "line 2"),
        ("a b c d\na b\n", "line 2: 2 words, not four"),
    ],
)
def test_faulty_sets_are_named(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "set.txt").write_text(content)
    with pytest.raises(InputError, match=says):
        word_sets.read_sets(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        word_sets.read_sets(tmp_path / "none")
    (tmp_path / "set.txt").unlink()
    with pytest.raises(InputError, match="no evaluation set"):
        word_sets.read_sets(tmp_path)


def test_nearest_leaves_the_word_itself_out() -> None:
    table = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 3.0], [1.0, 1.0]])
    ids, cosines = words.nearest(table, torch.tensor([0, 2]), 2)
    assert ids.tolist() == [[1, 3], [3, 1]]
    assert cosines[0, 1] == pytest.approx(0.5**0.5)
    assert words.nearest(table, torch.tensor([0]), 99)[0].shape == (1, 3)


def test_the_most_frequent_of_two_spellings_wins() -> None:
    assert words.word_index(["May", "may", "the"]) == {"may": 0, "the": 2}
