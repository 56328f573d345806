"""Text becomes ids on disk: what stays, what is dropped, and that nothing is lost silently."""

from __future__ import annotations

import gzip
import json
import lzma
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import zstandard

from negatives.data.cooccurrence import count_cooccurrence
from negatives.data.corpus import Corpus, encode, join_phrases
from negatives.data.corpus.encoded import LONGEST
from negatives.data.loading import lines as reader
from negatives.data.loading.text import Text, sentences
from negatives.errors import ConfigError, InputError

LINES = ["the cat sat on the mat", "", "the dog sat", "a cat", "the"]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def decoded(corpus: Corpus) -> list[str]:
    ids, bounds = corpus.tokens(0, corpus.n_sentences)
    return [
        " ".join(corpus.words[i] for i in ids[a:b].tolist())
        for a, b in zip(bounds.tolist(), bounds[1:].tolist(), strict=False)
    ]


def test_every_kind_of_file_gives_the_same_sentences(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.txt", LINES)
    content = plain.read_bytes()
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(content))
    (tmp_path / "c.xz").write_bytes(lzma.compress(content))
    (tmp_path / "d.zst").write_bytes(zstandard.compress(content))
    write(tmp_path / "e.jsonl", [json.dumps({"text": line, "id": 3}) for line in LINES])
    expected = [line.split() for line in LINES if line]
    for path in sorted(tmp_path.iterdir()):
        assert list(sentences(Text(path))) == expected, path.name
    assert list(sentences(Text(tmp_path))) == expected * 5


def test_a_folder_leaves_out_what_is_no_text_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", ["one two"])
    write(tmp_path / "table.csv", ["a,b"])
    (tmp_path / "eval").mkdir()
    write(tmp_path / "eval" / "set.txt", ["never read"])
    (tmp_path / "more").mkdir()
    write(tmp_path / "more" / "b.txt", ["three four"])
    text = Text(tmp_path)
    assert list(sentences(text)) == [["one", "two"], ["three", "four"]]
    assert any("1 files that are no text skipped" in note for note in text.notes)


def test_prose_is_cut_into_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", ["The cat's here, isn't it? Naïve “words”: x1."])
    assert list(sentences(Text(path))) == [["the", "cat's", "here", "isn't", "it", "naïve", "words", "x1"]]
    assert next(iter(sentences(Text(path, "blank"))))[0] == "The"
    text = Text(path)
    assert len(list(sentences(text))) == 1
    assert any("reading.tokens=blank" in note for note in text.notes)


def test_blocks_cut_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"w{i} x{i} é{i}" for i in range(300)]
    path = write(tmp_path / "a.txt", lines)
    whole = list(sentences(Text(path)))
    one_line = write(tmp_path / "b.txt", [" ".join(lines)])
    monkeypatch.setattr(reader, "BLOCK", 64)
    assert list(sentences(Text(path))) == whole
    assert [word for part in sentences(Text(one_line)) for word in part] == " ".join(lines).split()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "a.txt: the file is empty"),
        ("a.txt", b"good line\nbad \x00 line\n", "line 2: binary content"),
        ("a.txt", b"good line\nbad \xff\xfe line\n", "line 2: not UTF-8"),
        ("a.gz", b"not compressed", "damaged or cut off"),
        ("a.jsonl", b'{"one": "fine", "two": "text"}\n', "which column is the text"),
        ("a.jsonl", b'{"text": "fine"}\n{oops\n', "line 2: not JSON"),
    ],
)
def test_faulty_files_are_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        list(sentences(Text(path)))
    with pytest.raises(InputError, match="no such file"):
        list(sentences(Text(tmp_path / "missing.txt")))
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no text file"):
        list(sentences(Text(tmp_path / "folder")))


def test_ids_follow_frequency_and_rare_words_go() -> None:
    text = [line.split() for line in LINES]
    corpus = encode(text, min_count=2)
    assert corpus.words == ["the", "cat", "sat"]
    assert decoded(corpus) == ["the cat sat the", "the sat"]
    assert corpus.counts.tolist() == [3, 1, 2]
    assert corpus.n_tokens == 6
    notes = " ".join(corpus.notes)
    assert "12 words" in notes
    assert "4 others dropped, 33.3% of the text" in notes
    assert "2 sentences of one word" in notes
    assert encode(text, min_count=1, max_words=2).words == ["the", "cat"]
    with pytest.raises(InputError, match="no word occurs 9 times; the most frequent occurs 4 times"):
        encode(text, min_count=9)
    with pytest.raises(InputError, match="two words"):
        encode([["a"], ["a"]], min_count=1)


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    text = [[f"w{i}" for i in random.integers(0, 30, n)] for n in random.integers(1, 12, 200)]
    whole = encode(text, min_count=3)
    monkeypatch.setattr(sys.modules["negatives.data.corpus.encode"], "PIECE", 17)
    parts = encode(text, min_count=3)
    assert decoded(parts) == decoded(whole)
    assert torch.equal(parts.counts, whole.counts)
    counted = Counter(word for line in decoded(whole) for word in line.split())
    assert [counted[word] for word in whole.words] == whole.counts.tolist()


def test_long_sentences_are_cut_and_the_folder_goes_with_the_object() -> None:
    corpus = encode([["a", "b"] * LONGEST], min_count=1)
    assert np.diff(corpus.bounds).tolist() == [LONGEST, LONGEST]
    blocks = corpus.blocks(5)
    assert blocks.tolist() == [0, 1, 2]
    path = corpus.path
    assert path.stat().st_size == 4 * 2 * LONGEST
    del corpus
    assert not path.exists()


def test_held_out_sentences_are_not_in_the_text() -> None:
    text = [[f"w{i % 7}", f"w{i % 5}", "x"] for i in range(40)]
    corpus = encode(text, min_count=1, hold_out=10)
    assert corpus.n_sentences == 36
    ids, bounds = corpus.held
    assert np.diff(bounds).tolist() == [3] * 4
    assert [corpus.words[i] for i in ids[:3]] == text[9]
    assert int(corpus.counts.sum()) == corpus.n_tokens == 108


def test_phrases_are_neighbours_that_belong_together() -> None:
    random = np.random.default_rng(1)
    text = []
    for _ in range(400):
        words = [f"w{i}" for i in random.integers(0, 40, 8)]
        words[3:5] = ["new", "york"]
        text.append(words)
    joined = join_phrases(encode(text, min_count=3), 3, 5.0)
    assert joined.words[0] == "new_york"
    assert [word for word in joined.words if "_" in word] == ["new_york"]
    assert not {"new", "york"} & set(joined.words)
    assert decoded(joined)[0].split() == [*text[0][:3], "new_york", *text[0][5:]]
    assert "1 phrases" in " ".join(joined.notes)
    chain = join_phrases(
        encode([["a", "a", "a", "b"]] * 9 + [[f"x{i}", f"y{i}"] for i in range(200)], min_count=1), 1, 1.0
    )
    assert decoded(chain)[0] in ("a_a a_b", "a a_a b")
    unchanged = join_phrases(encode(text, min_count=3), 3, 1e12)
    assert decoded(unchanged) == decoded(encode(text, min_count=3))


def test_held_out_sentences_have_the_same_phrases() -> None:
    text = [[f"w{i % 7}", "new", "york", f"x{i % 5}"] if i % 3 else [f"x{i % 5}", f"w{i % 7}"] for i in range(90)]
    joined = join_phrases(encode(text, min_count=1, hold_out=10), 3, 3.0)
    ids, bounds = joined.held
    assert bounds.tolist() == [0, 2, 5, 8, 10, 13, 16, 18, 21, 24]
    assert [joined.words[i] for i in ids[:8]] == ["x4", "w2", "w5", "new_york", "x4", "w1", "new_york", "x4"]


def test_co_occurrence_counts_pairs_once_and_in_both_directions() -> None:
    corpus = encode([["a", "b", "c", "a"], ["b", "a"]], min_count=1)
    cells = count_cooccurrence(corpus, 2)
    a, b, c = (corpus.words.index(word) for word in "abc")
    found = {
        frozenset(pair): value
        for pair, value in zip(
            zip(cells.rows.tolist(), cells.cols.tolist(), strict=True), cells.counts.tolist(), strict=True
        )
    }
    assert found == {frozenset((a, b)): 2.5, frozenset((a, c)): 1.5, frozenset((b, c)): 1.0}
    known = cells.known(3)
    assert sorted(known.row(a).tolist()) == sorted([b, c])
    assert known.nnz == 6
    with pytest.raises(ConfigError, match="at least 1"):
        count_cooccurrence(corpus, 0)


def test_a_full_table_forgets_rare_pairs_and_says_so() -> None:
    random = np.random.default_rng(2)
    text = [["often", "together", *(f"w{i}" for i in random.integers(0, 300, 12))] for _ in range(400)]
    corpus = encode(text, min_count=1)
    all_cells, few = count_cooccurrence(corpus, 2), count_cooccurrence(corpus, 2, most=1 << 13)
    assert few.counts.numel() < all_cells.counts.numel()
    assert "forgotten" in few.notes[-1]
    often, together = corpus.words.index("often"), corpus.words.index("together")
    best = int(few.counts.argmax())
    assert {int(few.rows[best]), int(few.cols[best])} == {often, together}
    assert float(few.counts[best]) == 400.0
