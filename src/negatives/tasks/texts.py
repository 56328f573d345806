"""What the tasks with texts share: the facts that encoders ask for, and how running text is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from negatives.config import RunConfig, Section
from negatives.data.text import TextSplit
from negatives.data.tokens import WORD, bags_of, learn_tokenizer
from negatives.errors import InputError
from negatives.tasks.reading import TableReading
from negatives.tasks.shares import Held

ENCODED = frozenset(("queries", "documents", "query_bags", "document_bags", "tokenizer", "vectors", "half"))
"""Names of the facts that :func:`text_facts` gives."""


class EncoderReading(TableReading):
    """How texts become tokens."""

    vocabulary: Annotated[int, Field(ge=100)]
    """Most pieces of the tokenizer that the static encoder learns from the documents."""
    vectors: str | None = None
    """Word vectors in word2vec's format from which the static encoder starts."""


class TextReading(Section):
    """How running text is read."""

    tokens: Literal["auto", "blank", "words"] = "auto"
    """How the text is cut into words: at blanks, or into runs of letters and digits in lower case."""
    key: str = "text"
    """Key of the text in JSON Lines."""
    min_count: Annotated[int, Field(ge=1)] = 2
    """Words that occur less often in the training part become ``<unk>``."""
    words: Annotated[int, Field(ge=1)] | None = None
    """Only so many of the most frequent words stay."""

    def split(self, seed: int, shares: Held) -> TextSplit:
        """How the text becomes ids, with the shares of parts that are not given."""
        return TextSplit(self.tokens, self.key, self.min_count, self.words, seed=seed, **shares)


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
    """``(n_pieces, dim)`` vectors of the pieces that a word2vec text file names; small fixed noise for the others.

    Raises:
        InputError: The file is missing or no word2vec text, or it names none of the pieces; names the line.
    """
    from negatives.data.readers.blocks import lines

    wanted: dict[str, list[int]] = {}
    for index, piece in enumerate(pieces):
        wanted.setdefault(piece, []).append(index)
    table: Tensor | None = None
    known = 0
    for number, line in lines(path):
        cells = line.rstrip().split(" ")
        if len(cells) < 3:
            continue  # the header
        if table is None:
            table = _noise(len(pieces), len(cells) - 1)
        if len(cells) - 1 != table.shape[1]:
            fault = f"{len(cells) - 1} numbers where {table.shape[1]} are expected"
            raise InputError(fault, path=path, line=number, hint="give word2vec's text format")
        if cells[0].lower() in wanted:
            known += 1
            table[wanted[cells[0].lower()]] = torch.tensor([float(cell) for cell in cells[1:]])
    if table is None or not known:
        raise InputError("names no word of the documents", path=path, hint="give word vectors of their language")
    return table


def _noise(rows: int, dim: int) -> Tensor:
    from negatives.randomness import Purpose, generator, stream

    return torch.empty(rows, dim).normal_(0, 0.1 * dim**-0.5, generator=generator(stream(0, Purpose.INIT)))
