"""The BEIR layout of a retrieval collection: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/*.tsv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from negatives.data.readers.blocks import COMPRESSIONS, lines, objects
from negatives.errors import InputError

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
PARTS = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid", "test": "test"}
LAYOUT = "give a folder with corpus.jsonl, queries.jsonl and qrels/train.tsv, qrels/test.tsv"
Judged = tuple[str, str, int]
"""A query's name, a document's name and a grade."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as it stands in its files.

    Args:
        documents: Text by name, titles in front; documents without text are left out.
        titles: Title by name, for documents that have one.
        queries: Text by name.
        judged: Judgements of each part.
        notes: What was read and what was skipped.
    """

    documents: Mapping[str, str]
    titles: Mapping[str, str]
    queries: Mapping[str, str]
    judged: Mapping[str, list[Judged]]
    notes: tuple[str, ...]


def read_beir(folder: Path) -> Collection:
    """Read a folder in the BEIR layout; files may be compressed.

    Raises:
        InputError: A file is missing or a line is malformed; names file and line.
    """
    notes: list[str] = []
    documents, titles = _texts(_file(folder, CORPUS), notes)
    queries, _ = _texts(_file(folder, QUERIES), notes)
    judged: dict[str, list[Judged]] = {}
    for path in sorted((folder / QRELS).glob("*.tsv*")):
        part = PARTS.get(path.name.partition(".")[0])
        if part is None:
            notes.append(f"{path.name}: not a known part, skipped; known are {', '.join(PARTS)}")
        else:
            judged[part] = judged.get(part, []) + _judgements(path, documents, queries, notes)
    if not judged:
        raise InputError("holds no judgements", path=folder / QRELS, hint=LAYOUT)
    if not any(judged.values()):
        raise InputError("no judgement names a document and a query that exist", path=folder / QRELS, hint=LAYOUT)
    return Collection(documents, titles, queries, judged, tuple(notes))


def _file(folder: Path, name: str) -> Path:
    for suffix in ("", *COMPRESSIONS):
        if (path := folder / (name + suffix)).exists():
            return path
    raise InputError(f"has no {name}", path=folder, hint=LAYOUT)


def _texts(path: Path, notes: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Texts with their titles in front, and titles, by name."""
    texts: dict[str, str] = {}
    titles: dict[str, str] = {}
    empty = 0
    hint = 'write one object with "_id" and "text" per line'
    for number, row in objects(path, lines(path), hint):
        if "_id" not in row or not isinstance(row.get("text"), str):
            raise InputError('no object with "_id" and "text"', path=path, line=number, hint=hint)
        name, title, text = str(row["_id"]), row.get("title"), str(row["text"])
        title = title.strip() if isinstance(title, str) else ""
        if name in texts:
            raise InputError(f"the _id {name!r} stands twice", path=path, line=number, hint="give each text its own")
        whole = f"{title} {text}".strip()
        if not whole:
            empty += 1
            continue
        texts[name] = whole
        if title:
            titles[name] = title
    if not texts:
        raise InputError("holds no text", path=path, hint=LAYOUT)
    notes.append(f"{path.name}: {len(texts):,} texts")
    if empty:
        notes.append(f"{path.name}: {empty:,} empty texts skipped")
    return texts, titles


def _judgements(path: Path, documents: Mapping[str, str], queries: Mapping[str, str], notes: list[str]) -> list[Judged]:
    found: list[Judged] = []
    missing = {"documents": 0, "queries": 0}
    for number, line in lines(path):
        cells = line.split("\t")
        if len(cells) == 4:  # as TREC writes them: query, iteration, document, grade
            cells = [cells[0], cells[2], cells[3]]
        if len(cells) != 3:
            hint = "write query, document and grade with tabs between"
            raise InputError(f"{len(cells)} columns where 3 are expected", path=path, line=number, hint=hint)
        if number == 1 and not _is_number(cells[2]):
            continue
        if not _is_number(cells[2]):
            raise InputError(f"the grade {cells[2]!r} is no whole number", path=path, line=number, hint="correct it")
        if cells[0] not in queries or cells[1] not in documents:
            missing["queries" if cells[0] not in queries else "documents"] += 1
            continue
        found.append((cells[0], cells[1], int(cells[2])))
    notes.append(f"{path.name}: {len(found):,} judgements")
    for kind, count in missing.items():
        if count:
            notes.append(f"{path.name}: {count:,} judgements of missing or empty {kind} skipped")
    return found


def _is_number(text: str) -> bool:
    return text.strip().removeprefix("-").isdigit()
