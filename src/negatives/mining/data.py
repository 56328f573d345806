"""What is mined from: queries, documents and known pairs, from a collection or from a table of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from negatives.data.readers.beir import read_beir
from negatives.data.readers.blocks import blocks as text_blocks
from negatives.data.readers.blocks import inner_suffix, open_bytes
from negatives.data.readers.schema import Options
from negatives.errors import InputError
from negatives.registry import suggest
from negatives.types import Csr

HINT = "give a folder in the BEIR layout, or a CSV, TSV, JSONL or Parquet file with the columns anchor and positive"


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts and which document answers which query.

    Args:
        queries: Distinct texts.
        items: Distinct texts.
        positives: Known pairs.
        names: Names of the first two columns, kept for what is written.
        notes: What was read.
    """

    queries: list[str]
    items: list[str]
    positives: Csr
    names: tuple[str, str]
    notes: tuple[str, ...]


def read_texts(path: Path, corpus: Path | None = None, part: str = "train", options: Options | None = None) -> Texts:
    """Read a collection's part, or a table of pairs whose documents may be joined by those of a file.

    Args:
        path: A folder in the BEIR layout, or a file of pairs; its first two columns where none is called anchor and
            positive.
        corpus: More documents: JSON Lines with ``text``, or one document a line.
        part: Which judgements of a collection to take.
        options: What to take the columns for.

    Raises:
        InputError: Something is missing or malformed; names file and line.
    """
    if path.is_dir():
        collection = read_beir(path)
        if part not in collection.judged:
            raise InputError(f"has no judgements of the part {part!r}", path=path, hint="choose another with --part")
        rows = [
            (collection.queries[q], collection.documents[d]) for q, d, grade in collection.judged[part] if grade > 0
        ]
        return _joined(rows, list(collection.documents.values()), ("anchor", "positive"), list(collection.notes))
    frame = _table(path)
    left, right = _columns(frame, path, {} if options is None else options.columns)
    pairs = frame.select(pl.col(left).cast(pl.String), pl.col(right).cast(pl.String)).drop_nulls()
    notes = [f"{path.name}: {len(pairs):,} pairs of {left} and {right}"]
    if len(pairs) < len(frame):
        notes.append(f"{path.name}: {len(frame) - len(pairs):,} rows without text skipped")
    more = [] if corpus is None else _documents(corpus, notes)
    return _joined(list(pairs.iter_rows()), more, (left, right), notes)


def _joined(rows: list[tuple[str, str]], more: list[str], names: tuple[str, str], notes: list[str]) -> Texts:
    """Distinct texts in the order of Sentence Transformers: the corpus, then the positives."""
    if not rows:
        raise InputError("no pair of a query and its document is left", hint=HINT)
    queries = {text: index for index, text in enumerate(dict.fromkeys(left for left, _ in rows))}
    items = {text: index for index, text in enumerate(dict.fromkeys([*more, *(right for _, right in rows)]))}
    if more and len(items) < len(more):
        notes.append(f"documents: {len(more) - len(set(more)):,} copies merged")
    pairs = torch.tensor([(queries[left], items[right]) for left, right in rows], dtype=torch.int64)
    positives = Csr.from_pairs(pairs[:, 0], pairs[:, 1], len(queries), len(items))
    return Texts(list(queries), list(items), positives, names, tuple(notes))


def _table(path: Path) -> pl.DataFrame:
    suffix = inner_suffix(path)
    try:
        if suffix == ".parquet":
            return pl.read_parquet(path)
        for _ in text_blocks(path):
            pass  # missing, empty, damaged, binary or wrongly encoded files are refused with their line
        with open_bytes(path) as file:
            if suffix in (".jsonl", ".ndjson"):
                return pl.read_ndjson(file.read())
            if suffix in (".csv", ".tsv", ".txt"):
                separator = "," if suffix == ".csv" else "\t"
                return pl.read_csv(file.read(), separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"cannot be read ({reason})", path=path, hint=HINT) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path, hint=HINT) from error
    raise InputError(f"a file with the extension {suffix!r} is not known", path=path, hint=HINT)


def _columns(frame: pl.DataFrame, path: Path, asked: Mapping[str, str]) -> tuple[str, str]:
    names = frame.columns
    if asked:
        left, right = (asked.get(role, names[place]) for place, role in enumerate(("query", "positive")))
        for name in (left, right):
            if name not in names:
                raise InputError(f"no column is called {name!r}", path=path, line=1, hint=suggest(name, names))
        return left, right
    if len(names) < 2:
        raise InputError(f"has {len(names)} columns where 2 are needed", path=path, line=1, hint=HINT)
    if "anchor" in names and "positive" in names:
        return "anchor", "positive"
    return names[0], names[1]


def _documents(path: Path, notes: list[str]) -> list[str]:
    if inner_suffix(path) in (".jsonl", ".ndjson"):
        frame = _table(path)
        if "text" not in frame.columns:
            raise InputError('no object has the key "text"', path=path, line=1, hint='write {"text": ...} per line')
        found = frame["text"].cast(pl.String).drop_nulls().to_list()
    else:
        found = [line for _, block in text_blocks(path) for line in block.decode().splitlines()]
    texts = [text for text in found if text.strip()]
    notes.append(f"{path.name}: {len(texts):,} documents")
    if len(texts) < len(found):
        notes.append(f"{path.name}: {len(found) - len(texts):,} empty documents skipped")
    return texts
