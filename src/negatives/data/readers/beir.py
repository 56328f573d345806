"""Retrieval collections whose texts and judgements lie in files of their own: BEIR, MTEB and TREC.

BEIR has ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/*.tsv``; MTEB's data sets have folders ``corpus``, ``queries``
and ``default``, ``data`` or ``qrels`` with Parquet files; TREC has ``collection.tsv``, ``queries.train.tsv`` and
``qrels.train.tsv`` with four columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from negatives.data.readers.opening import inner_suffix
from negatives.data.readers.parts import PARTS, part_of, usable
from negatives.data.readers.read import read
from negatives.data.readers.schema import DOCUMENTS, JUDGED, Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError

CORPUS = ("corpus", "collection", "documents", "docs", "passages")
QUERIES = ("queries", "query", "topics", "questions")
QRELS = ("qrels", "qrel", "judgements", "judgments")
BESIDE_TEXTS = ("default", "data")
"""Folders of judgements in data sets of MTEB, beside those of the texts."""
TREC = re.compile(r"\.(?:trec|qrels?|topics|xml|\d+(?:-\d+)?)")
"""Endings of TREC's files, such as ``topics.301-450``."""
ALL = "all"
"""The part of judgements that belong to none; they are divided anew."""
LAYOUT = "give a folder with corpus.jsonl, queries.jsonl and qrels/train.tsv, qrels/test.tsv"
Judged = tuple[str, str, int]
"""A query's name, a document's name and a grade."""
Files = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as it stands in its files.

    Args:
        documents: Text by name, titles in front; documents without text are left out.
        titles: Title by name, for documents that have one.
        queries: Text by name.
        judged: Judgements of each part.
        notes: What was read and what was skipped.
        named: Columns of queries and documents, where they stood in one table.
    """

    documents: Mapping[str, str]
    titles: Mapping[str, str]
    queries: Mapping[str, str]
    judged: Mapping[str, list[Judged]]
    notes: tuple[str, ...]
    named: tuple[str, str] = ("anchor", "positive")


def is_collection(data: Any) -> bool:
    """Whether texts and judgements lie apart: in files of a folder, or in tables of a mapping."""
    if isinstance(data, Mapping):
        return "corpus" in data and "queries" in data
    path = Path(data) if isinstance(data, (str, Path)) else None
    if path is None or not path.is_dir():
        return False
    found = {kind for one in path.iterdir() if (kind := _kind(one)) is not None}
    return len(found) > 1


def read_beir(data: Any, options: Options | None = None) -> Collection:
    """Read a collection; files may be compressed, and in any format of tables.

    Args:
        data: A folder, or a mapping with ``corpus``, ``queries`` and ``qrels``, each a table in memory; judgements may
            be a mapping of parts.
        options: What the caller says about the tables.

    Raises:
        InputError: A file is missing or a line is malformed; names file and line.
    """
    options = options or Options()
    notes: list[str] = []
    path = None if isinstance(data, Mapping) else Path(data)
    found = _given(data) if path is None else _files(path)
    documents, titles = _texts(found["corpus"], options, notes)
    queries, _ = _texts(found["queries"], options, notes)
    judged: dict[str, list[Judged]] = {}
    for part, one in _by_part(found["qrels"], notes):
        judged[part] = judged.get(part, []) + _judgements(one, documents, queries, options, notes)
    if not any(judged.values()):
        raise InputError("no judgement names a document and a query that exist", path=path, hint=LAYOUT)
    return Collection(documents, titles, queries, judged, tuple(notes))


def _kind(path: Path) -> str | None:
    """What a file or folder of a collection holds."""
    words = re.split(r"[._\-]", path.name.lower())
    if not path.is_dir() and not usable(path) and not TREC.fullmatch(inner_suffix(path)):
        return None
    for kind, names in (("qrels", QRELS), ("corpus", CORPUS), ("queries", QUERIES)):
        if any(re.sub(r"^\d{4}", "", word) in names for word in words):
            return kind
    return None


def _files(folder: Path) -> Files:
    """Files of texts and judgements.

    Raises:
        InputError: One of the three kinds is missing.
    """
    found: Files = {"corpus": [], "queries": [], "qrels": []}
    for one in sorted(folder.iterdir()):
        if (kind := _kind(one)) is not None:
            found[kind] += _inside(one)
    if not found["qrels"]:
        found["qrels"] = [file for name in BESIDE_TEXTS if (folder / name).is_dir() for file in _inside(folder / name)]
    for kind, example in (("corpus", "corpus.jsonl"), ("queries", "queries.jsonl")):
        if not found[kind]:
            raise InputError(f"has no {example}", path=folder, hint=LAYOUT)
    if not found["qrels"]:
        raise InputError("holds no judgements", path=folder / QRELS[0], hint=LAYOUT)
    return found


def _inside(path: Path) -> list[Path]:
    return [file for file in sorted(path.rglob("*")) if usable(file)] if path.is_dir() else [path]


def _given(data: Mapping[str, Any]) -> Files:
    qrels = data.get("qrels")
    if qrels is None:
        raise InputError("there are no judgements", hint="give a table called qrels")
    parts = [(ALL, qrels)]
    if isinstance(qrels, Mapping) and any(str(name).lower() in PARTS for name in qrels):
        parts = [(PARTS.get(str(name).lower(), ALL), table) for name, table in qrels.items()]
    return {"corpus": [data["corpus"]], "queries": [data["queries"]], "qrels": parts}


def _by_part(qrels: list[Any], notes: list[str]) -> list[tuple[str, Any]]:
    """Judgements with their part; the only file of all may belong to none."""
    if not isinstance(qrels[0], Path):
        return list(qrels)
    named = [(part_of(file), file) for file in qrels]
    if len(named) == 1 and named[0][0] is None:
        return [(ALL, qrels[0])]
    known = [(part, file) for part, file in named if part is not None]
    notes += [f"{file.name}: not a known part, skipped" for part, file in named if part is None]
    if not known:
        hint = "call them train.tsv, valid.tsv and test.tsv"
        raise InputError("no file of judgements is called after a part", path=qrels[0].parent, hint=hint)
    return known


def _table(data: Any, schema: Schema, options: Options) -> Table:
    columns = {role: column for role, column in options.columns.items() if role in schema}
    return read(data, schema, replace(options, columns=columns))["train"]


def _name(data: Any) -> str:
    return data.name if isinstance(data, Path) else "the given table"


def _texts(files: list[Any], options: Options, notes: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Texts with their titles in front, and titles, by name; both in the order of the files."""
    texts: dict[str, str] = {}
    titles: dict[str, str] = {}
    for one in files:
        table = _table(one, DOCUMENTS, options)
        if "id" not in table.columns:
            hint = 'give each text its own, under "_id"; or name their column with --columns id=...'
            raise InputError("the texts have no ids", path=one if isinstance(one, Path) else None, line=1, hint=hint)
        names = table.ids("id").text()
        title = _stripped(table, "title") if "title" in table.columns else pl.repeat("", len(names), eager=True)
        whole = pl.select((title + " " + _stripped(table, "text")).str.strip_chars()).to_series()
        frame = pl.DataFrame({"name": names, "text": whole, "title": title}).filter(pl.Series(whole != ""))
        _refuse_twice(one, frame, table, whole)
        notes += _told(table)
        notes.append(f"{_name(one)}: {len(frame):,} texts")
        if len(frame) < len(names):
            notes.append(f"{_name(one)}: {len(names) - len(frame):,} empty texts skipped")
        before = len(texts)
        for name, text in frame.select("name", "text").iter_rows():
            if texts.setdefault(name, text) != text:
                path = one if isinstance(one, Path) else None
                raise InputError(f"the _id {name!r} stands for another text in another file", path=path, hint=LAYOUT)
        if merged := before + len(frame) - len(texts):
            notes.append(f"{_name(one)}: {merged:,} texts that stand in another file too, merged")
        titles |= {name: text for name, _, text in frame.filter(pl.col("title") != "").iter_rows()}
    if not texts:
        raise InputError("holds no text", path=files[0] if isinstance(files[0], Path) else None, hint=LAYOUT)
    return texts, titles


def _told(table: Table) -> list[str]:
    """What a table says of itself, but for the number of its rows."""
    return [note for note in table.notes if not note.endswith(" read")]


def _stripped(table: Table, role: str) -> pl.Series:
    return table.texts(role).fill_null("").str.strip_chars()


def _refuse_twice(data: Any, frame: pl.DataFrame, table: Table, whole: pl.Series) -> None:
    """A name that stands for two texts is refused with its line."""
    twice = frame["name"].is_duplicated()
    if not twice.any():
        return
    assert table.lines is not None
    lines = table.lines[(whole != "").to_numpy()]
    again = ~frame["name"].is_first_distinct()
    at = int(again.arg_true()[0])
    name = frame["name"][at]
    path = data if isinstance(data, Path) else None
    hint = "give each text its own"
    raise InputError(f"the _id {name!r} stands twice", path=path, line=int(lines[at]), hint=hint)


def _judgements(
    data: Any, documents: Mapping[str, str], queries: Mapping[str, str], options: Options, notes: list[str]
) -> list[Judged]:
    table = _table(data, JUDGED, options)
    grades = table.numbers("grade")
    grades = np.ones(len(table)) if grades is None else grades
    if bool((grades != np.round(grades)).any()):
        at = int(np.flatnonzero(grades != np.round(grades))[0])
        line = None if table.lines is None else int(table.lines[at])
        path = data if isinstance(data, Path) else None
        raise InputError(f"the grade {grades[at]:g} is no whole number", path=path, line=line, hint="correct it")
    rows = zip(
        table.ids("query").text().to_list(), table.ids("document").text().to_list(), grades.tolist(), strict=True
    )
    found: list[Judged] = []
    missing = {"documents": 0, "queries": 0}
    for query, document, grade in rows:
        if query not in queries or document not in documents:
            missing["queries" if query not in queries else "documents"] += 1
            continue
        found.append((query, document, int(grade)))
    notes += _told(table)
    notes.append(f"{_name(data)}: {len(found):,} judgements")
    for kind, count in missing.items():
        if count:
            notes.append(f"{_name(data)}: {count:,} judgements of missing or empty {kind} skipped")
    return found
