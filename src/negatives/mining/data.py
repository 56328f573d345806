"""What is mined from: queries, documents and known pairs, from a collection or from a table of pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from negatives.data.readers import Options, read
from negatives.data.readers.blocks import lines
from negatives.data.readers.formats import reader_of
from negatives.data.readers.opening import at_rest
from negatives.data.readers.questions import HINT, read_collection
from negatives.data.readers.schema import DOCUMENTS
from negatives.errors import InputError
from negatives.types import Csr


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts and which document answers which query.

    Args:
        queries: Distinct texts.
        items: Distinct texts.
        positives: Known pairs.
        names: Names of the columns of queries and answers, kept for what is written.
        notes: What was read.
        same_name: A query and a document of one name, for each such pair.
    """

    queries: list[str]
    items: list[str]
    positives: Csr
    names: tuple[str, str]
    notes: tuple[str, ...]
    same_name: tuple[tuple[str, str], ...] = ()


def read_texts(data: Any, corpus: Path | None = None, part: str = "train", options: Options | None = None) -> Texts:
    """Read a collection's part, or pairs, whose documents may be joined by those of a file.

    Args:
        data: As :func:`negatives.data.readers.questions.read_collection` takes it.
        corpus: More documents: a table with ``text``, or one document a line.
        part: Which judgements of a collection to take.
        options: What to take the columns for.

    Raises:
        InputError: Something is missing or malformed; names file and line.
    """
    collection = read_collection(data, options)
    path = data if isinstance(data, (str, Path)) else None
    if part not in collection.judged:
        there = ", ".join(collection.judged)
        hint = f"choose another with --part; there are {there}"
        raise InputError(f"has no judgements of the part {part!r}", path=path, hint=hint)
    documents, notes = collection.documents, list(collection.notes)
    rows = [(collection.queries[q], documents[d]) for q, d, grade in collection.judged[part] if grade > 0]
    more = [] if corpus is None else _documents(corpus, notes)
    same = tuple((text, documents[name]) for name, text in collection.queries.items() if name in documents)
    return _joined(rows, [*more, *documents.values()], len(more), collection.named, notes, same)


def _joined(
    rows: list[tuple[str, str]], texts: list[str], more: int, names: tuple[str, str], notes: list[str],
    same: tuple[tuple[str, str], ...],
) -> Texts:  # fmt: skip
    """Distinct texts in the order of Sentence Transformers: the corpus, then the positives, then given negatives."""
    if not rows:
        raise InputError("no pair of a query and its document is left", hint=HINT)
    queries = {text: index for index, text in enumerate(dict.fromkeys(left for left, _ in rows))}
    items = {text: index for index, text in enumerate(dict.fromkeys(texts))}
    own = texts[:more] if more else texts
    if len(set(own)) < len(own):
        notes.append(f"documents: {len(own) - len(set(own)):,} copies merged")
    pairs = torch.tensor([(queries[left], items[right]) for left, right in rows], dtype=torch.int64)
    positives = Csr.from_pairs(pairs[:, 0], pairs[:, 1], len(queries), len(items))
    return Texts(list(queries), list(items), positives, names, tuple(notes), same)


def _documents(path: Path, notes: list[str]) -> list[str]:
    """Texts of a table, or the lines of a file whose name and first letter say that it is none."""
    path = at_rest(path)
    found = read(path, DOCUMENTS)["train"].texts("text").to_list() if _is_table(path) else _lines(path)
    texts = [text for text in found if text is not None and text.strip()]
    notes.append(f"{path.name}: {len(texts):,} documents")
    if len(texts) < len(found):
        notes.append(f"{path.name}: {len(found) - len(texts):,} empty documents skipped")
    return texts


def _is_table(path: Path) -> bool:
    return path.is_dir() or reader_of(path) is not None or next((text for _, text in lines(path)), "").startswith("{")


def _lines(path: Path) -> list[str]:
    """All lines, those without text as empty ones."""
    numbered = list(lines(path))
    return [text for _, text in numbered] + [""] * (numbered[-1][0] - len(numbered) if numbered else 0)
