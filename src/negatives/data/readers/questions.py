"""Queries with the texts that answer them: what search and mine read from one table, or from a collection.

Tables of pairs are those of Sentence Transformers (anchor, positive, negative), FlagEmbedding (query, pos, neg) and
ms-swift (messages, positive_messages, negative_messages). The documents are all texts that stand as answers or as
negatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from negatives.data.readers.beir import Collection, Judged, is_collection, read_beir
from negatives.data.readers.opening import at_rest
from negatives.data.readers.read import read
from negatives.data.readers.schema import QUESTIONS, Options
from negatives.data.table import Table
from negatives.errors import InputError

HINT = "give a folder with corpus, queries and qrels, or a table with the columns anchor and positive"
PARTS = ("train", "valid", "test")


def read_collection(data: Any, options: Options | None = None) -> Collection:
    """Read a collection, or make one of pairs.

    Args:
        data: A folder with texts and judgements apart; or pairs as :func:`negatives.data.readers.read` takes them.
        options: What the caller says about the tables.

    Raises:
        InputError: The data cannot be used.
    """
    options = options or Options()
    if isinstance(data, (str, Path)):
        data = at_rest(Path(data))
    if is_collection(data):
        return read_beir(data, options)
    columns = {role: column for role, column in options.columns.items() if role in QUESTIONS}
    tables = read(data, QUESTIONS, replace(options, columns=columns))
    return collected({part: tables[part] for part in PARTS if part in tables})


def collected(tables: Mapping[str, Table]) -> Collection:
    """A collection of the texts of pairs: each text is one query or one document.

    Documents are numbered as they come: the answers of all parts first, then the negatives. A negative is a judgement
    of grade 0.

    Raises:
        InputError: No pair is left.
    """
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    notes: list[str] = []
    rows = {part: _rows(part, table, notes) for part, table in tables.items()}
    for relevant in (True, False):
        for some in rows.values():
            for query, text, grade in some:
                if (grade > 0) is relevant:
                    queries.setdefault(query, f"q{len(queries) + 1}")
                    documents.setdefault(text, f"d{len(documents) + 1}")
    judged: dict[str, list[Judged]] = {}
    for part, some in rows.items():
        grades: dict[tuple[str, str], int] = {}
        for query, text, grade in some:
            pair = queries[query], documents[text]
            grades[pair] = max(grade, grades.get(pair, grade))
        judged[part] = [(query, document, grade) for (query, document), grade in grades.items()]
    if not any(grade > 0 for some in judged.values() for *_, grade in some):
        raise InputError("no pair of a query and its document is left", hint=HINT)
    known = sum(grade <= 0 for some in judged.values() for *_, grade in some)
    notes.append(f"pairs: {len(queries):,} different queries, {len(documents):,} different documents")
    if known:
        notes.append(f"pairs: {known:,} given negatives are documents of grade 0")
    named = tables["train"].named
    names = named.get("query", "anchor"), named.get("positive", "positive")
    return Collection(_names(documents), {}, _names(queries), judged, tuple(notes), names)


def _names(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for text, name in texts.items()}


def _rows(part: str, table: Table, notes: list[str]) -> list[tuple[str, str, int]]:
    """A query, a text and its grade for each answer and each negative; what lacks text is counted."""
    notes += table.notes
    queries, positives = table.texts("query").to_list(), table.texts("positive").to_list()
    grades = table.numbers("grade")
    worth = np.ones(len(queries)) if grades is None else grades
    worth = np.where(worth == np.round(worth), worth, np.ceil(worth)).astype(np.int64)
    found: list[tuple[str, str, int]] = []
    empty = 0
    each = _each(table, positives, worth.tolist())
    for query, texts, marks in zip(queries, positives, each, strict=True):
        if query is None or not texts:
            empty += 1
            continue
        found += [(query, text, grade) for text, grade in zip(texts, marks, strict=True)]
    if "negative" in table.columns:
        for query, texts in zip(queries, table.texts("negative").to_list(), strict=True):
            if query is not None:
                found += [(query, text, 0) for text in texts]
    if empty:
        notes.append(f"{part}: {empty:,} rows without text skipped")
    return found


def _each(table: Table, positives: list[list[str]], worth: list[int]) -> list[list[int]]:
    """Grade of each text of each row: its own where the row has a list of labels, else that of the row.

    Raises:
        InputError: A row has another number of labels than texts.
    """
    if "labels" not in table.columns:
        return [[grade] * len(texts) for texts, grade in zip(positives, worth, strict=True)]
    labels = table.texts("labels").to_list()
    for row, (texts, marks) in enumerate(zip(positives, labels, strict=True)):
        if len(texts) != len(marks):
            line = None if table.lines is None else int(table.lines[row])
            raise InputError(f"{len(marks)} labels for {len(texts)} texts", line=line, hint="give one for each text")
    return [[int(float(mark) > 0) for mark in marks] for marks in labels]
