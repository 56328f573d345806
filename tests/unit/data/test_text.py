"""Running text: the unknown word, the ends of lines, parts, and faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from negatives.config import build
from negatives.data.loading.language import load_text
from negatives.data.offline.lines import docstring_lines
from negatives.data.text import END, UNKNOWN, TextSplit
from negatives.errors import InputError
from negatives.tasks.language import Language

LINE = "the cat , it is said , sat on the mat .\n"


def names(data: object, part: str, n: int) -> list[str]:
    return [data.words[word] for word in data.parts[part][:n].tolist()]  # type: ignore[attr-defined]


def test_given_parts(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINE * 20 + "\n a rare bird \n")
    (tmp_path / "valid.txt").write_text("the rare dog sat .\n")
    (tmp_path / "test.txt").write_text(LINE)
    data = load_text(tmp_path, TextSplit())
    assert names(data, "valid", 9) == ["the", UNKNOWN, UNKNOWN, "sat", ".", END]
    assert names(data, "test", 4) == ["the", "cat", ",", "it"]
    assert data.counts.tolist() == sorted(data.counts.tolist(), reverse=True)
    assert int(data.counts.sum()) == data.parts["train"].numel() == 21 + 20 * 12 + 3
    assert int(data.counts[data.words.index_of(UNKNOWN)]) == 3
    assert data.end == data.words.index_of(END)
    only = load_text(tmp_path, TextSplit(max_words=3))
    assert only.n_words == 5


def test_one_file_is_divided(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {i % 9} of this text here\n" for i in range(100)))
    first, again, other = (load_text(path, TextSplit(seed=seed)) for seed in (0, 0, 1))
    assert first.parts["train"].tolist() == again.parts["train"].tolist() != other.parts["train"].tolist()
    assert first.parts["test"].numel() == first.parts["valid"].numel() == 5 * 7
    assert any("split: random" in note for note in first.notes)


def test_a_folder_without_a_validation_part(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINE * 40)
    (tmp_path / "test.txt").write_text(LINE)
    data = load_text(tmp_path, TextSplit(valid=0.1))
    assert data.parts["valid"].numel() == 4 * 13
    assert data.parts["train"].numel() == 36 * 13


def test_raw_text_is_cut_into_words(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("The cat sat. It's late!\n" * 40)
    assert set(load_text(path, TextSplit()).words.to_list()) == {"the", "cat", "sat", "it's", "late", UNKNOWN, END}
    assert "The" in load_text(path, TextSplit(tokens="blank")).words.to_list()


@pytest.mark.parametrize(
    ("text", "fault", "line"),
    [
        (b"", "empty", None),
        (b"one two\n", "only 2 words", None),
        (b"a b c\n" * 50 + b"d \xff\n", "not UTF-8", 51),
        (b"a b c\n" * 50 + b"d \0\n", "binary", 51),
    ],
)
def test_faults(text: bytes, fault: str, line: int | None, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text)
    with pytest.raises(InputError, match=fault) as caught:
        load_text(path, TextSplit())
    assert caught.value.line == line


def test_docstrings(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('def f():\n    """Do it now. Then do more.\n\n    >>> f() is not shown\n    """\n')
    lines, notes = docstring_lines(tmp_path)
    assert lines == [["do", "it", "now", "."], ["then", "do", "more", "."]]
    assert "1 docstrings, 2 sentences, 8 words" in notes[0]


def test_lines_of_two_parts_are_told(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(LINE * 20 + "another line of this text\n" * 2)
    (tmp_path / "test.txt").write_text(LINE * 2 + "a cat sat on the mat\n")
    told = Language().read(tmp_path, build([("the test", {"task": "language"})])).notes
    assert "test: 2 of 3 lines stand in the training part too; they stay, for running text is not cut" in told
