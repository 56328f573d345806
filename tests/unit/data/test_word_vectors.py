"""Word vectors go to and from the formats of word2vec and GloVe, and gensim reads them; faults are one line."""

from __future__ import annotations

import gzip
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from negatives.data import vector_blocks
from negatives.data.word_vectors import load_word_vectors, write_binary, write_text
from negatives.errors import InputError

WORDS = ["the", "naïve", "a_b"]
VECTORS = torch.tensor([[1.0, -2.5, 1 / 3], [0.0, 1e-9, 7.0], [10.0, 32.0, 0.1]])


def read(path: Path) -> tuple[list[str], torch.Tensor]:
    found = load_word_vectors(path)
    return found.words, found.vectors


@pytest.fixture(params=["text", "binary"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"vectors.{request.param}"
    if request.param == "text":
        with path.open("w", encoding="utf-8") as text:
            write_text(text, WORDS, VECTORS)
    else:
        with path.open("wb") as binary:
            write_binary(binary, WORDS, VECTORS)
    return path


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_what_is_written_is_read(written: Path) -> None:
    words, vectors = read(written)
    assert words == WORDS
    assert torch.equal(vectors, VECTORS)
    assert load_word_vectors(written).notes == (f"{written.name}: 3 words, vectors of 3 numbers",)


def test_compressed(written: Path, tmp_path: Path) -> None:
    packed = tmp_path / "vectors.gz"
    packed.write_bytes(gzip.compress(written.read_bytes()))
    assert torch.equal(read(packed)[1], VECTORS)


def test_blocks_do_not_show(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_blocks, "BLOCK", 7)
    monkeypatch.setattr(vector_blocks, "DIGITS", 4)
    monkeypatch.setattr(vector_blocks, "LONGEST_WORD", 9)
    words, vectors = read(written)
    assert words == WORDS
    assert torch.equal(vectors, VECTORS)


def test_gensim_reads_it(written: Path) -> None:
    from gensim import models

    found = models.KeyedVectors.load_word2vec_format(str(written), binary=written.suffix == ".binary")
    assert found.index_to_key == WORDS
    assert torch.equal(torch.from_numpy(found.vectors.copy()), VECTORS)


def test_what_gensim_writes_is_read(tmp_path: Path) -> None:
    from gensim import models

    keyed = models.KeyedVectors(3)
    keyed.add_vectors(WORDS, VECTORS.numpy())
    for binary in (False, True):
        for header in (True, binary):
            keyed.save_word2vec_format(str(tmp_path / "from"), binary=binary, write_header=header)
            words, vectors = read(tmp_path / "from")
            assert words == WORDS
            torch.testing.assert_close(vectors, VECTORS)


@pytest.mark.parametrize(
    "content",
    [
        b"2 3\nnew york 1 2 3\n1 4 5 6\n",  # the first word holds a blank, the second is a number
        b"new york 1 2 3\n1 4 5 6\n",  # GloVe
        b"2 3\r\nnew york 1 2 3\r\n1 4 5 6\r\n",
        b"2 3\nnew york 1 2 3 \n1 4 5 6 \n",  # fastText ends lines with a blank
        b"2 3\nnew york 1 2 3\n\n1 4 5 6",  # a blank line, and no end of the last
    ],
)
def test_forms_of_text(content: bytes, tmp_path: Path) -> None:
    words, vectors = read(put(tmp_path / "any.bin", content))
    assert words == ["new york", "1"]
    assert vectors.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def test_quotes_and_other_ends_of_lines_are_words(tmp_path: Path) -> None:
    words = ['"', "'", "\x85", "\u2028", "#", "\x1c", "a\x0bb"]
    path = put(tmp_path / "a.vec", "".join(f"{word} 1 {at}\n" for at, word in enumerate(words)).encode())
    assert read(path)[0] == words


@pytest.mark.parametrize("header", [True, False])
def test_a_long_first_line(header: bool, tmp_path: Path) -> None:
    row = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    line = "word " + " ".join(map(str, row)) + "\n"
    assert len(line) > 200_000
    path = put(tmp_path / "a.vec", ("1 20000\n" * header + line).encode())
    words, vectors = read(path)
    assert words == ["word"]
    assert torch.equal(vectors[0], torch.from_numpy(row))


def test_what_is_odd_is_counted(tmp_path: Path) -> None:
    lines = b"a 1 2\nb nan 1\nc 0 0\na 5 6\nd inf 1\n\xff 0 -0\n"
    found = load_word_vectors(put(tmp_path / "a.txt", lines))
    assert found.words == ["a", "b", "c", "d", "\ufffd"]
    assert found.vectors[0].tolist() == [1.0, 2.0]
    assert found.notes == (
        "a.txt: 5 words, vectors of 2 numbers",
        "a.txt: 1 words that stand there again left out",
        "a.txt: 2 vectors that are not finite",
        "a.txt: 2 vectors of zeros",
        "a.txt: 1 words that are not UTF-8, read as far as can be",
    )
    more = load_word_vectors(put(tmp_path / "b.txt", b"1 2\na 1 2\nb 1 2\n"))
    assert more.words == ["a"]
    assert "b.txt: more than the 1 words of the first line; the rest is left out" in more.notes


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "first line is empty"),
        (b"a word\n", "line 1: the first line"),
        (b"2 3\nthe 1 2 3\nof 1 two 3\n", "line 3: not a word and 3 numbers"),
        (b"2 3\nthe 1 2 x\n", "line 2: not a word and 3 numbers"),
        (b"2 3\nthe 1 2 3\n", "line 3: 1 of 2 words"),
        (b"a 1 2 3\nb 1 2 3\nc 1", "line 3: not a word and 3 numbers"),
        (b"2 3\nthe \x00\x01", "0 of 2 words"),
        (b"1 1\na \x00\x00\x80?\nb \x00\x00\x80?\n", "bytes are left behind"),
        (b"2 3\n" + b"\x80" * 20_000, "neither text nor binary"),
        (b"5 1000000000000\nthe 1 2 3\n", "vectors of 1,000,000,000,000 numbers"),
        (b"5 0\nthe\n", "vectors of 0 numbers"),
        (b"1" * 5000 + b" 3\nthe 1 2 3\n", "line 1"),
        (bytes.fromhex("ba164f2f0c000000"), "a model of fastText"),
    ],
)
def test_wrong_files_are_named(content: bytes, says: str, tmp_path: Path) -> None:
    path = put(tmp_path / "wrong.vec", content)
    with pytest.raises(InputError, match=says) as caught:
        read(path)
    assert len(str(caught.value)) - len(str(path)) < 200
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "nothing")


@pytest.mark.parametrize("entry", [b"the 1 2 3\n", b"the \x00\x01\x80?\x00\x00\x80?\x00\x00\x80?"])
def test_a_first_line_that_promises_too_much_takes_no_memory(entry: bytes, tmp_path: Path) -> None:
    path = put(tmp_path / "a.vec", b"1000000000000 3\n" + entry)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"1 of 1,000,000,000,000 words are there"):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_damaged_files_end_in_one_kind_of_error(written: Path) -> None:
    content, random = written.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(content)
        for at in random.integers(0, len(content), random.integers(1, 4)):
            broken[at] = random.integers(0, 256)
        written.write_bytes(bytes(broken[: random.integers(0, len(content) + 1)]))
        with suppress(InputError):
            words, vectors = read(written)
            assert len(words) == len(vectors)
