"""What the tasks with texts share: from a model's parameters and texts to all that its constructor needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from negatives.config import RunConfig
from negatives.data.tokens import WORD, bags_of, learn_tokenizer
from negatives.errors import InputError


def encoder_spec(
    config: RunConfig, queries: Sequence[str], items: Sequence[str], vocabulary: int, vectors: str | None
) -> dict[str, Any]:
    """The parameters of an encoder with the texts that it encodes.

    Args:
        config: For the model's name and parameters, the seed, and the precision of a pretrained model.
        queries: Texts of the queries.
        items: Texts of the documents; the tokenizer of ``static`` is learnt from them.
        vocabulary: Most pieces of that tokenizer.
        vectors: File of word vectors to start from, or None.

    Raises:
        ConfigError: A package is missing.
        InputError: The file of vectors cannot be read.
    """
    part = config.part("model")
    spec: dict[str, Any] = {"name": part.name, **part.params}
    spec["seed"] = config.seed
    if spec["name"] != "static":
        half = {"half": config.precision == "bfloat16"}
        return {**half, **spec, "queries": list(queries), "documents": list(items)}
    tokenizer = learn_tokenizer(items, vocabulary)
    found: dict[str, Any] = {
        "queries": bags_of(queries, tokenizer),
        "documents": bags_of(items, tokenizer),
        "tokenizer": tokenizer,
    }
    if vectors is not None:
        names = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
        found["vectors"] = piece_vectors(Path(vectors), [name.removeprefix(WORD) for name, _ in names])
    return {**spec, **found}


def piece_vectors(path: Path, pieces: Sequence[str]) -> Tensor:
    """``(n_pieces, dim)`` vectors of the pieces that a word2vec text file names; small fixed noise for the others.

    Raises:
        InputError: The file is missing or no word2vec text, or it names none of the pieces; names the line.
    """
    from negatives.data.readers.blocks import blocks

    wanted: dict[str, list[int]] = {}
    for index, piece in enumerate(pieces):
        wanted.setdefault(piece, []).append(index)
    table: Tensor | None = None
    known = 0
    for first, block in blocks(path):
        for offset, line in enumerate(block.decode().split("\n")):
            cells = line.rstrip().split(" ")
            if len(cells) < 3:
                continue  # the header
            if table is None:
                table = _noise(len(pieces), len(cells) - 1)
            if len(cells) - 1 != table.shape[1]:
                raise InputError(
                    f"{len(cells) - 1} numbers where {table.shape[1]} are expected",
                    path=path,
                    line=first + offset,
                    mend="give word2vec's text format",
                )
            if cells[0].lower() in wanted:
                known += 1
                table[wanted[cells[0].lower()]] = torch.tensor([float(cell) for cell in cells[1:]])
    if table is None or not known:
        raise InputError("names no word of the documents", path=path, mend="give word vectors of their language")
    return table


def _noise(rows: int, dim: int) -> Tensor:
    from negatives.randomness import Purpose, generator, stream

    return torch.empty(rows, dim).normal_(0, 0.1 * dim**-0.5, generator=generator(stream(0, Purpose.INIT)))


__all__ = ["encoder_spec", "piece_vectors"]
