"""Word vectors go to and from the formats of word2vec, and gensim reads them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch

from negatives.data.word_vectors import read_word_vectors, write_binary, write_text
from negatives.errors import InputError

WORDS = ["the", "naïve", "a_b"]
VECTORS = torch.tensor([[1.0, -2.5, 1 / 3], [0.0, 1e-9, 7.0], [10.0, 32.0, 0.1]])


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


def test_what_is_written_is_read(written: Path) -> None:
    words, vectors = read_word_vectors(written)
    assert words == WORDS
    assert torch.equal(vectors, VECTORS)


def test_compressed(written: Path, tmp_path: Path) -> None:
    packed = tmp_path / "vectors.gz"
    packed.write_bytes(gzip.compress(written.read_bytes()))
    assert torch.equal(read_word_vectors(packed)[1], VECTORS)


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
        keyed.save_word2vec_format(str(tmp_path / "from"), binary=binary)
        words, vectors = read_word_vectors(tmp_path / "from")
        assert words == WORDS
        torch.testing.assert_close(vectors, VECTORS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "first line is empty"),
        (b"a word\n", "line 1: the first line"),
        (b"2 3\nthe 1 2 3\nof 1 two 3\n", "line 3: not a word and 3 numbers"),
        (b"2 3\nthe 1 2 3\n", "line 3"),
        (b"2 3\nthe \x00\x01", "0 of 2 words"),
    ],
)
def test_wrong_files_are_named(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.vec"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_word_vectors(path)
    with pytest.raises(InputError, match="no such file"):
        read_word_vectors(tmp_path / "nothing")
