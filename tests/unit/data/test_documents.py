"""Running text is read document by document, whatever form it has."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from negatives.config import build
from negatives.data.cooccurrence import count_cooccurrence
from negatives.data.corpus import encode
from negatives.data.loading import lines as loading
from negatives.data.loading.language import load_text
from negatives.data.loading.text import Text, documents, kind_of, sentences
from negatives.data.loading.words import CorpusSplit, load_corpus, sentence_hashes
from negatives.data.text import TextSplit
from negatives.errors import ConfigError, InputError
from negatives.evaluation.word_sets import read_sets
from negatives.tasks.texts import TextReading, text_split

OTHER_ENDS = "a\x0bb \x0cc \x1cd \x1de \x1ef \x85g \u2028h \u2029i \rj"
"""What ``str.splitlines`` takes for the end of a line, and a text file does not."""


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def objects(path: Path, rows: list[dict[str, object]]) -> Path:
    return put(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_line_feeds_end_a_line(end: str, tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt", end.join([OTHER_ENDS, "", " \x0c ", "k l"]))
    assert list(documents(Text(path))) == [OTHER_ENDS, "k l"]
    assert list(documents(Text(put(tmp_path / "b.txt", "a\r\nb\nc\r\n")))) == ["a", "b", "c"]
    rows = objects(tmp_path / "c.jsonl", [{"text": OTHER_ENDS}, {"text": "two\nlines"}])
    assert list(documents(Text(rows))) == [OTHER_ENDS, "two\nlines"]


def test_documents_stay_apart(tmp_path: Path) -> None:
    """Neither windows nor co-occurrences cross the border of two documents, and nothing else cuts one."""
    path = put(tmp_path / "a.txt", "a\x0cb\x85c\nd e\u2028f\n" * 20)
    corpus, _ = load_corpus(path, CorpusSplit("blank", min_count=1))
    assert corpus.n_sentences == 40
    cells = count_cooccurrence(corpus, 5)
    pairs = {
        frozenset((corpus.words[a], corpus.words[b]))
        for a, b in zip(cells.rows.tolist(), cells.cols.tolist(), strict=True)
    }
    assert pairs == {frozenset(pair) for pair in ("ab", "ac", "bc", "de", "df", "ef")}
    data = load_text(path, TextSplit("blank", test=0.0, valid=0.0))
    assert int((data.parts["train"] == data.end).sum()) == 40


def test_the_key_is_found_and_told(tmp_path: Path) -> None:
    rows = [{"id": "x", "title": "t", "content": "first text"}, {"id": "y", "content": None}, {"content": "second"}]
    text = Text(objects(tmp_path / "a.jsonl", rows))
    assert list(documents(text)) == ["first text", "second"]
    assert text.notes == ["text: text = content; skipped: id, title", "a.jsonl: 1 rows without text skipped"]
    assert list(documents(Text(objects(tmp_path / "b.json", [{"n": 1, "Satz": "nur dies"}])))) == ["nur dies"]
    assert list(documents(Text(objects(tmp_path / "noname", [{"body": "a"}, {"body": "b"}])))) == ["a", "b"]
    assert list(documents(Text(put(tmp_path / "code.txt", '{"a": 1}\n{')))) == ['{"a": 1}', "{"]
    both = objects(tmp_path / "c.jsonl", [{"question": "q", "answer": "a"}])
    with pytest.raises(InputError, match=r"which column is the text\? there are question, answer"):
        list(documents(Text(both)))
    assert list(documents(Text(both, key="answer"))) == ["a"]
    with pytest.raises(InputError, match="no column is called 'no'"):
        list(documents(Text(both, key="no")))
    wide = objects(tmp_path / "f.jsonl", [{f"key {i}" * 9: "v" for i in range(999)}])
    with pytest.raises(InputError, match="which column is the text"):
        list(documents(Text(wide)))


def test_tables_of_texts(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1, 2, 3], "body": ["first\ntext", None, OTHER_ENDS.replace("\r", "")]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_csv(tmp_path / "b.csv")
    (tmp_path / "noname").write_bytes((tmp_path / "a.parquet").read_bytes())
    for name in ("a.parquet", "b.csv", "noname"):
        text = Text(tmp_path / name)
        assert list(documents(text)) == ["first\ntext", OTHER_ENDS.replace("\r", "")], name
        assert f"{name}: 1 rows without text skipped" in text.notes
    config = build([("the test", {"task": "language", "columns": {"text": "id"}})])
    assert text_split(config, TextReading()).key == "id"
    with pytest.raises(ConfigError, match="a text has no 'body'"):
        text_split(build([("the test", {"task": "language", "columns": {"body": "id"}})]), TextReading())


def test_many_files_and_empty_ones(tmp_path: Path) -> None:
    files = [put(tmp_path / "a.txt", "one\n"), put(tmp_path / "b.txt", "\n \n"), tmp_path / "c.txt.gz"]
    files[2].write_bytes(gzip.compress(b"two\n"))
    text = Text(files)
    assert list(documents(text)) == ["one", "two"]
    assert text.notes == ["text: 1 empty files skipped"]
    with pytest.raises(InputError, match=r"b.txt: the file is empty"):
        list(documents(Text(files[1])))


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    for load in (lambda path: load_text(path, TextSplit()), lambda path: load_corpus(path, CorpusSplit())):
        pipe = tmp_path / f"pipe{len(os.listdir(tmp_path))}"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_text, args=("the cat , it is said , sat .\n" * 50,))
        writer.start()
        load(pipe)
        writer.join()


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"one\ntwo\n", gzip.compress(b"one\ntwo\n"), b'{"id": 1, "content": "one"}\n{"content": "two"}\n'):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert list(documents(Text(Path("-")))) == ["one", "two"]


def test_long_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BLOCK", 32)
    blanks = " ".join(f"wörd{i}" for i in range(99))
    found = list(documents(Text(put(tmp_path / "a.txt", "short\n" + blanks + "\nlast"))))
    assert (found[0], found[-1]) == ("short", "last")
    assert " ".join(found[1:-1]).split() == blanks.split()
    assert max(map(len, found)) <= 64
    letters = "ö" * 500
    assert "".join(documents(Text(put(tmp_path / "b.txt", letters)))) == letters


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("the cat sat on the mat", "blank"),
        ("der Hund", "words"),
        ("ёлка стоит, зелёная", "words"),
        ("Ёлка", "words"),
        ("यह भारत है। और", "words"),
        ("यह भारत है", "blank"),
        ("今天天气很好我们去公园玩", "words"),
        ("今天 天气 很 好", "blank"),
        ("ภาษาไทยเป็นภาษาที่สวยงาม", "words"),
        ("ภาษา ไทย เป็น ภาษา", "blank"),
    ],
)
def test_how_a_text_is_cut_is_seen_at_its_beginning(head: str, kind: str) -> None:
    assert kind_of(head) == kind


def test_what_cannot_be_cut_is_told(tmp_path: Path) -> None:
    text = Text(put(tmp_path / "a.txt", "ภาษาไทยเป็นภาษาที่สวยงาม\n"))
    assert len(next(iter(sentences(text)))) > 9
    assert any("need a dictionary" in note for note in text.notes)
    text = Text(put(tmp_path / "b.txt", "plain words, with marks\n"))
    assert len(list(sentences(text))) == len(text.notes) == 1


def test_shards_are_one_part_and_other_twins_are_not(tmp_path: Path) -> None:
    line = "the cat , it is said , sat on the mat\n"
    for at in range(3):
        put(tmp_path / f"train-0000{at}-of-00003.txt", line * 9)
    put(tmp_path / "test.txt", line)
    data = load_text(tmp_path, TextSplit(valid=0.0))
    assert int((data.parts["train"] == data.end).sum()) == 27
    put(tmp_path / "training.txt", line)
    with pytest.raises(InputError, match="both look like train"):
        load_text(tmp_path, TextSplit())


def test_a_folder_without_parts_is_one_text(tmp_path: Path) -> None:
    for name in "ab":
        put(tmp_path / f"{name}.txt", f"{name} line of this text here\n" * 30)
    data = load_text(tmp_path, TextSplit())
    assert int((data.parts["train"] == data.end).sum()) == 54
    put(tmp_path / "dev.txt", "a line\n")
    with pytest.raises(InputError, match="no train file"):
        load_text(tmp_path, TextSplit())


def test_all_parts_are_cut_as_the_training_part_is(tmp_path: Path) -> None:
    put(tmp_path / "train.txt", "the cat , it is said , sat on the mat .\n" * 20)
    put(tmp_path / "test.txt", "The cat sat.\n")
    put(tmp_path / "valid.txt", "the cat\n")
    data = load_text(tmp_path, TextSplit())
    assert [data.words[word] for word in data.parts["test"].tolist()] == ["<unk>", "cat", "<unk>", "<eos>"]


def test_evaluation_sets_know_composed_words_and_lines(tmp_path: Path) -> None:
    put(tmp_path / "mine.txt", "\ufeff" + unicodedata.normalize("NFD", "größe über 3\r\na\x85b 4\n"))
    found = read_sets(tmp_path)[0][0]
    assert found.pairs[0] == ("größe", "über")
    assert torch.equal(found.ratings, torch.tensor([3.0, 4.0]).double())


def test_held_out_sentences_that_are_trained_on_are_told(tmp_path: Path) -> None:
    lines = [f"one line of text number w{i % 7} x{i % 11}\n" for i in range(200)]
    path = put(tmp_path / "a.txt", "".join(lines))
    notes = load_corpus(path, CorpusSplit(min_count=1, hold_out=10))[1]
    assert any(note.startswith("evaluation: 20 of 20 held-out sentences stand in the training") for note in notes)
    alone = put(tmp_path / "b.txt", "".join(f"one line of text number w{i} x{i}\n" for i in range(200)))
    assert not any("too" in note for note in load_corpus(alone, CorpusSplit(min_count=1, hold_out=10))[1])
    assert encode([["a", "b"]] * 9, min_count=1).held[0].size == 0


def test_a_sentence_is_its_words_in_their_order() -> None:
    ids = np.array([3, 1, 2, 3, 1, 2, 3, 2, 1, 0, 3], np.int32)
    first, again, other, short, long = sentence_hashes(ids, np.array([0, 3, 6, 9, 10, 11])).tolist()
    assert first == again
    assert len({first, other, short, long}) == 4
