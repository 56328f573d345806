"""New documents for a run to search: how they are given, and the file that an index of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from negatives.data.readers import read
from negatives.data.readers.schema import DOCUMENTS
from negatives.errors import InputError
from negatives.training import kept
from negatives.types import State

INDEX = "index.safetensors"
HINT = "give texts, a mapping of id to text, or a table with columns id and text"


@dataclass(frozen=True, slots=True)
class Documents:
    """Texts with names.

    Args:
        names: ``(n,)`` text.
        texts: Their texts.
    """

    names: pl.Series
    texts: Sequence[str]

    @classmethod
    def of(cls, given: Any) -> Documents:
        """Documents as they are given; see :meth:`negatives.answering.texts.TextRun.index`.

        Raises:
            InputError: There is none, one is no text, or an id stands twice.

        >>> Documents.of(["one text", "another"]).names.to_list()
        ['0', '1']
        """
        if isinstance(given, Mapping) and all(isinstance(text, str) for text in given.values()):
            names, texts = [str(name) for name in given], list(given.values())
        elif isinstance(given, (str, Path, Mapping)) or hasattr(given, "__arrow_c_stream__"):
            names, texts = _of_table(given)
        else:
            texts = list(given)
            names = [str(at) for at in range(len(texts))]
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise InputError(f"a document is {type(wrong[0]).__name__}, not text", hint=HINT)
        if not texts:
            raise InputError("there is no document", hint=HINT)
        series = pl.Series("document", names, dtype=pl.String)
        if series.n_unique() < len(series):
            twice = series.filter(series.is_duplicated())
            raise InputError(f"the id {twice[0]!r} stands twice among the documents", hint="give each its own")
        return cls(series, texts)


def _of_table(given: Any) -> tuple[list[str], list[str]]:
    """Ids, or numbers where there are none, and texts with their titles in front."""
    if isinstance(given, pl.Series):
        return [str(at) for at in range(len(given))], given.to_list()
    table = read(Path(given) if isinstance(given, (str, Path)) else given, DOCUMENTS)["train"]
    texts = table.texts("text").cast(pl.String).fill_null("")
    if "title" in table.columns:
        titles = table.texts("title").cast(pl.String).fill_null("")
        texts = (titles + " " + texts).str.strip_chars()
    names = list(table.ids("id").text()) if "id" in table.columns else [str(at) for at in range(len(texts))]
    return names, texts.to_list()


def write_index(folder: Path, values: Mapping[str, Any]) -> None:
    """Write an index into a folder that holds none.

    Args:
        folder: Made where it is missing.
        values: ``names``, ``texts``, ``model`` that tells which model it is of, and ``vectors`` or ``facts``.

    Raises:
        InputError: It holds one already.
    """
    if (folder / INDEX).exists():
        raise InputError("holds an index already", path=folder, hint="choose another folder")
    kept.save(folder / INDEX, {"holds": "index", **values})


def read_index(folder: Path) -> State | None:
    """What :func:`write_index` wrote; None where there is no index.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / INDEX
    if not path.is_file():
        return None
    found = kept.read(path)
    names, texts, vectors = found.get("names"), found.get("texts"), found.get("vectors")
    fits = isinstance(names, pl.Series) and isinstance(texts, Sequence) and len(names) == len(texts)
    if isinstance(vectors, Tensor):
        fits = fits and vectors.dim() == 2 and len(vectors) == len(texts or ())
    elif not isinstance(found.get("facts"), dict):
        fits = False
    if not fits or found.get("holds") != "index" or not isinstance(found.get("model"), str):
        raise InputError("damaged: names, texts and vectors do not fit", path=path, hint="make the index anew")
    return found
