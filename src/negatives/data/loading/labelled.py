"""Load rows with labels from a file, a folder or the offline data, and divide them into parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor
from torch.nn.functional import pad

from negatives.data import splits
from negatives.data.bags import bags, vocabulary
from negatives.data.dividing import Division, Places, Ways, choose, divide, hold
from negatives.data.ids import Ids, codes_of, names_of
from negatives.data.labelled import LabelledData, LabelledTable, Weighting, joined
from negatives.data.loading.named import named, short_name
from negatives.data.pairs import Pairs, SparseFeatures
from negatives.data.readers import Options, read, reader_of
from negatives.data.readers.labelled_text import compared, labelled_texts
from negatives.data.readers.matrices import FEATURES, read_matrices
from negatives.data.readers.opening import at_rest
from negatives.data.readers.parts import part_files
from negatives.data.readers.schema import LABELLED
from negatives.data.readers.sparse_rows import FORMATS, is_sparse, read_sparse
from negatives.data.readers.tags import TAGS, WORDS, read_tags
from negatives.errors import InputError
from negatives.randomness import Purpose, bits, stream

VALID_CAP = 2_000
PARTS = ("train", "valid", "test")
Longs = npt.NDArray[np.int64]
WAYS: Ways[Places] = Ways(
    unit="rows",
    basis=lambda rows: splits.Basis(len(rows), groups=rows.groups),
    code=lambda rows: rows.contents,
    test={"random": splits.any_rows, "group": splits.whole_groups},
    canaries=splits.none_at_all,
    repeats=True,
    most=VALID_CAP,
)
"""How rows with labels can be divided; a row goes to one part with all its labels."""
HIDDEN: Ways[Pairs] = Ways(
    unit="pairs",
    basis=lambda pairs: splits.Basis(len(pairs), pairs.queries, pairs.items),
    code=lambda pairs: pairs.queries,
)
"""Which pairs of a row and a label may be hidden: all but each row's first, so that no row is left without."""


@dataclass(frozen=True, slots=True)
class LabelledSplit:
    """How the rows are divided.

    Args:
        kind: ``given``, ``random``, ``group``, or ``auto``: given where there is a test file.
        test: Share of the rows of one file that becomes the test part.
        valid: Share of the training rows that becomes the validation part, at most 2,000 rows.
        canaries: Share of the training pairs that is hidden, where the row has another label.
        seed: Seed of the choice.
    """

    kind: str = "auto"
    test: float = 0.2
    valid: float = 0.05
    canaries: float = 0.005
    seed: int = 0

    def __post_init__(self) -> None:
        WAYS.check(self.kind)
        self.division()

    def division(self) -> Division:
        """How the rows are divided; canaries are pairs, not rows."""
        return Division(self.kind, self.test, self.valid, self.canaries, self.seed)


@dataclass(frozen=True, slots=True)
class TextReading:
    """How rows become features.

    Args:
        options: What to take the columns for.
        separator: What stands between the labels of a row; found where it is left out.
        min_rows: Words of fewer training rows are left out.
        most_words: Only so many of the most frequent words stay.
        weights: ``tf_idf``, ``length``, ``none``, or ``auto``: tf_idf where all values are whole numbers.
    """

    options: Options = field(default_factory=Options)
    separator: str | None = None
    min_rows: int = 2
    most_words: int | None = None
    weights: str = "auto"


def load_labelled(data: Any, how: LabelledSplit, reading: TextReading, cache: bool = True) -> LabelledData:
    """Read rows with labels and divide them.

    Args:
        data: A file, a folder or a table in memory; None for docstrings of the standard library.
        how: How the rows are divided.
        reading: How they become features.
        cache: Keep what was mined from the standard library in the user's cache folder.

    Raises:
        InputError: The data cannot be used.
    """
    path = named(data)
    if data is None:
        from negatives.data.offline.labels import docstring_modules

        tables, name = {"train": docstring_modules(cache=cache)}, "stdlib"
    else:
        tables, name = read_parts(data, reading), short_name(data)
    notes = [note for table in tables.values() for note in table.notes]
    rows = _divide_rows(tables, how, notes, path)
    features, feature_names, texts = _features(tables, path, rows["train"], reading, notes)
    weighting = _weighting(features, rows["train"], reading.weights, notes)
    owners, labels, label_names = _labels(tables, path)
    parts = _parts(owners, labels, rows, features.n_rows, how)
    n_train = torch.unique(parts["train"].queries).numel()
    if n_train == 0:
        raise InputError("no training row has a label", path=path, hint="give rows with labels")
    notes += _summary(parts, rows, len(label_names))
    names = _row_names(tables)
    features = weighting.of(features)
    return LabelledData(
        name, features, names, label_names, parts, n_train, tuple(notes), feature_names, weighting, texts
    )


def read_parts(data: Any, reading: TextReading) -> dict[str, LabelledTable]:
    """Rows by part; ``train`` is always among them.

    Raises:
        InputError: There is no usable file, or two claim the same part.
    """
    path = named(data)
    if path is not None:
        path = data = at_rest(path)
        if (path / TAGS).is_file() and (path / WORDS).is_file():
            return {"train": read_tags(path)}
        if (path / FEATURES).is_file():
            return compared(read_matrices(path))
        if (files := feature_files(path, reading.options)) is not None:
            return compared(read_sparse({part: files[part] for part in PARTS if part in files}))
    tables = read(data, LABELLED, reading.options)
    return compared(labelled_texts({part: tables[part] for part in PARTS if part in tables}, reading.separator))


def feature_files(path: Path, options: Options) -> dict[str, Path] | None:
    """The files of a path by part where they hold features by number; None where they hold tables."""
    if options.format not in (None, *FORMATS) or options.columns:
        return None
    files = part_files(path)
    asked = options.format is not None
    return files if asked or (reader_of(files["train"]) is None and is_sparse(files["train"])) else None


def _divide_rows(
    tables: Mapping[str, LabelledTable], how: LabelledSplit, notes: list[str], path: Path | None
) -> dict[str, Tensor]:
    """Rows of each part in growing order, numbered over all tables in their order."""
    contents = _contents([table.content for table in tables.values()])
    groups = _groups([table.groups for table in tables.values()])
    rows = Places.of({part: table.n_rows for part, table in tables.items()}, contents, groups)
    choice = choose(how.kind, tables, WAYS, notes, path=path)
    return {part: one.places for part, one in divide(rows, choice, how.division(), WAYS, notes, path).items()}


def _groups(columns: list[Ids | None]) -> Tensor | None:
    """The group of each row of all tables, ``(n,)`` int64; None where a table has none."""
    given = [column for column in columns if column is not None]
    if len(given) < len(columns):
        return None
    every = Ids.joined(given)
    return torch.from_numpy(codes_of(every, names_of([every])))


def _contents(parts: list[SparseFeatures | pl.Series]) -> Tensor:
    """A number for the content of each row of all tables, ``(n,)`` int64; rows without content all differ.

    Texts are told apart exactly, features by 64 hashed bits.
    """
    key, found = stream(0, Purpose.SPLIT), []
    for part in parts:
        if isinstance(part, SparseFeatures):
            hashed = bits(key, part.indices.long(), part.values.view(torch.int32).long())
            total = pad(hashed.cumsum(0), (1, 0))
            found.append((total[part.indptr[1:]] - total[part.indptr[:-1]], part.indptr.diff() == 0))
    if not found:
        ids = Ids.of(pl.concat([part for part in parts if isinstance(part, pl.Series)]))
        text = ids.text()
        found.append((torch.from_numpy(codes_of(ids, names_of([ids]))), torch.from_numpy((text == "").to_numpy())))
    numbers, empty = (torch.cat(one) for one in zip(*found, strict=True))
    return torch.where(empty, bits(key, torch.arange(empty.numel()), 1), numbers)


def _features(
    tables: Mapping[str, LabelledTable], path: Path | None, train: Tensor, reading: TextReading, notes: list[str]
) -> tuple[SparseFeatures, pl.Series | None, bool]:
    """Features of all rows, their names, and whether they are the words of texts."""
    contents = [table.content for table in tables.values()]
    sparse = [one for one in contents if isinstance(one, SparseFeatures)]
    names = next(iter(tables.values())).feature_names
    if sparse and len(sparse) < len(contents):
        raise InputError("one file has texts, another features", path=path, hint="give all files in one format")
    if sparse:
        if len({one.n_cols for one in sparse}) > 1:
            sizes = ", ".join(f"{part} {one.n_cols:,}" for part, one in zip(tables, sparse, strict=True))
            hint = "take all files from the same data set"
            raise InputError(f"the headers state different numbers of features: {sizes}", path=path, line=1, hint=hint)
        found = joined(sparse)
    else:
        texts = pl.concat([one for one in contents if isinstance(one, pl.Series)])
        words = vocabulary(texts[train.numpy()], reading.min_rows, reading.most_words)
        if not words:
            hint = "give more text, or lower reading.min_rows"
            raise InputError(f"no word stands in {reading.min_rows} rows", path=path, hint=hint)
        found, names = bags(texts, words), pl.Series("word", words)
        notes.append(f"text: {len(words):,} words that stand in at least {reading.min_rows} training rows")
    return found, names, not sparse


def _weighting(found: SparseFeatures, train: Tensor, kind: str, notes: list[str]) -> Weighting:
    """How features are weighted."""
    chosen = kind
    if kind == "auto":
        chosen = "tf_idf" if bool((found.values == found.values.round()).all()) else "length"
    notes.append(f"features: weights {chosen}" + (" (chosen automatically)" if kind == "auto" else ""))
    empty = int((found.indptr.diff() == 0).sum())
    if empty:
        notes.append(f"features: {empty:,} rows have none; they are kept and get the most frequent labels")
    return Weighting.learnt(found, train, chosen)


def _labels(tables: Mapping[str, LabelledTable], path: Path | None) -> tuple[Longs, Longs, pl.Series]:
    """Row and label of every pair, and the names of the labels."""
    stated = {table.n_labels for table in tables.values()}
    if len(stated) > 1:
        hint = "take all files from the same data set"
        raise InputError("the files state different numbers of labels", path=path, line=1, hint=hint)
    first, owners = 0, []
    for table in tables.values():
        owners.append(table.owners + first)
        first += table.n_rows
    columns = [table.labels for table in tables.values()]
    n_labels = stated.pop()
    if n_labels is None:
        ids = Ids.joined([Ids.of(column) for column in columns]).as_text()
        names = names_of([ids])
        return np.concatenate(owners), codes_of(ids, names), names.cast(pl.String)
    given = next(iter(tables.values())).label_names
    names = given if given is not None else pl.Series("label", np.arange(n_labels)).cast(pl.String)
    return np.concatenate(owners), np.concatenate([column.to_numpy() for column in columns]), names


def _parts(owners: Longs, labels: Longs, rows: Mapping[str, Tensor], n: int, how: LabelledSplit) -> dict[str, Pairs]:
    """Pairs of each part, sorted by row and label, each once."""
    part_of_row = torch.full((n,), -1)
    names = ("train", "valid", "test")
    for index, name in enumerate(names):
        part_of_row[rows[name]] = index
    width = int(labels.max(initial=0)) + 1
    codes = torch.from_numpy(np.unique(owners * width + labels))
    pairs = Pairs(codes // width, codes % width)
    parts = {name: pairs.pick(part_of_row[pairs.queries] == index) for index, name in enumerate(names)}
    asked = splits.Asked(how.canaries, splits.key_of("canaries", how.seed))
    hidden, train = hold(parts["train"], splits.any_but_first, HIDDEN, asked)
    return parts | {"train": train, "canaries": hidden}


def _row_names(tables: Mapping[str, LabelledTable]) -> pl.Series:
    found = []
    for part, table in tables.items():
        if table.names is not None:
            found.append(table.names.cast(pl.String))
        else:
            prefix = f"{part} " if len(tables) > 1 else ""
            found.append(pl.Series([f"{prefix}row {row + 1}" for row in range(table.n_rows)], dtype=pl.String))
    return pl.concat(found)


def _summary(parts: Mapping[str, Pairs], rows: Mapping[str, Tensor], n_labels: int) -> list[str]:
    notes = []
    for part in ("train", "valid", "test"):
        empty = rows[part].numel() - torch.unique(parts[part].queries).numel()
        left = "" if not empty else f"; {empty:,} rows without labels are left out"
        notes.append(f"{part}: {rows[part].numel():,} rows, {len(parts[part]):,} pairs{left}")
    trained = torch.unique(parts["train"].items).numel()
    if trained < n_labels:
        notes.append(f"labels: {n_labels - trained:,} of {n_labels:,} have no training row")
    if len(parts["canaries"]):
        notes.append(f"canaries: {len(parts['canaries']):,} training pairs hidden to estimate false negatives")
    return notes
