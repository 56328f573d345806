"""What the tasks with texts share: the facts that encoders ask for, and how running text is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from negatives.config import RunConfig, Section
from negatives.data.readers.schema import LINES
from negatives.data.text import TextSplit
from negatives.data.tokens import WORD, bags_of, learn_tokenizer
from negatives.data.vector_blocks import VectorFile
from negatives.data.words import composed
from negatives.errors import InputError
from negatives.tasks.reading import TableReading, table_options
from negatives.tasks.shares import held, split_seed

ENCODED = frozenset(("queries", "documents", "query_bags", "document_bags", "tokenizer", "vectors", "half"))
"""Names of the facts that :func:`text_facts` gives."""


class EncoderReading(TableReading):
    """How texts become tokens."""

    vocabulary: Annotated[int, Field(ge=100)]
    """Most pieces of the tokenizer that the static encoder learns from the documents."""
    vectors: str | None = None
    """Word vectors in word2vec's, GloVe's or fastText's format from which the static encoder starts."""


class TextReading(Section):
    """How running text is read."""

    tokens: Literal["auto", "blank", "words"] = "auto"
    """How the text is cut into words: at blanks, or into runs of letters and digits in lower case."""
    key: str | None = None
    """Column or key of the text in tables and JSON Lines; left out, it is looked for and told."""
    min_count: Annotated[int, Field(ge=1)] = 2
    """Words that occur less often in the training part become ``<unk>``."""
    words: Annotated[int, Field(ge=1)] | None = None
    """Only so many of the most frequent words stay."""


def text_key(config: RunConfig, asked: str | None) -> str | None:
    """The column of the text, as ``reading.key`` or ``--columns text=...`` says; None to look for it.

    Raises:
        ConfigError: A column is given for something else than the text.
    """
    return asked or table_options(config, TableReading(), LINES).columns.get("text")


def text_split(config: RunConfig, reading: TextReading) -> TextSplit:
    """How a text becomes ids, and the shares of parts that are not given."""
    key = text_key(config, reading.key)
    return TextSplit(reading.tokens, key, reading.min_count, reading.words, seed=split_seed(config), **held(config))


def text_facts(
    config: RunConfig, reading: EncoderReading, queries: Sequence[str], documents: Sequence[str]
) -> dict[str, Callable[[], object]]:
    """Texts, and the tokenizer and bags of tokens that are learnt from them once, when a model asks.

    Args:
        config: For the precision of a pretrained model.
        reading: Size of the vocabulary, and the file of word vectors to start from.
        queries: Texts of the queries.
        documents: Texts of the documents; the tokenizer is learnt from them.
    """
    tokenizer = cache(lambda: learn_tokenizer(documents, reading.vocabulary))
    facts: dict[str, Callable[[], object]] = {
        "queries": lambda: list(queries),
        "documents": lambda: list(documents),
        "tokenizer": tokenizer,
        "query_bags": lambda: bags_of(queries, tokenizer()),
        "document_bags": lambda: bags_of(documents, tokenizer()),
        "half": lambda: config.precision == "bfloat16",
    }
    path = reading.vectors
    if path is not None:
        facts["vectors"] = lambda: piece_vectors(Path(path), pieces_of(tokenizer().get_vocab()))
    return facts


def pieces_of(vocabulary: dict[str, int]) -> list[str]:
    """The pieces by id, without the mark of a word's beginning."""
    return [name.removeprefix(WORD) for name, _ in sorted(vocabulary.items(), key=lambda pair: pair[1])]


def piece_vectors(path: Path, pieces: Sequence[str]) -> Tensor:
    """``(n_pieces, dim)`` vectors of the pieces that a file of word vectors names; small fixed noise for the others.

    Vectors that are not finite count as not there.

    Raises:
        InputError: The file is missing or of another format, or it names none of the pieces; names the line.
    """
    wanted: dict[str, list[int]] = {}
    for index, piece in enumerate(pieces):
        wanted.setdefault(piece, []).append(index)
    table: Tensor | None = None
    known = 0
    for words, rows in VectorFile(path).blocks():
        table = _noise(len(pieces), rows.shape[1]) if table is None else table
        finite = np.atleast_1d(np.isfinite(rows).all(1))
        for at, word in enumerate(words):
            places = wanted.get(composed(word.lower()))
            if places is not None and finite[at]:
                known += 1
                table[places] = torch.from_numpy(rows[at])
    if table is None or not known:
        raise InputError("names no word of the documents", path=path, hint="give word vectors of their language")
    return table


def _noise(rows: int, dim: int) -> Tensor:
    from negatives.randomness import Purpose, generator, stream

    return torch.empty(rows, dim).normal_(0, 0.1 * dim**-0.5, generator=generator(stream(0, Purpose.INIT)))
