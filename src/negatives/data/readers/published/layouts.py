"""Published tables of text whose file names or first lines tell what their columns hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.delimited import DelimitedFrames
from negatives.data.readers.frames import Block, Builder, Frames
from negatives.data.readers.jsonl import JsonLines
from negatives.data.readers.opening import COMPRESSIONS, inner_suffix
from negatives.data.readers.schema import Options, Schema
from negatives.errors import InputError


@dataclass(frozen=True, slots=True)
class Layout:
    """One published table.

    Args:
        what: What it is, for the notes.
        name: Pattern of its file name in lower case, that of a compression left out.
        columns: Names of its columns where it has no header; columns called ``_...`` are no one's role.
        encoding: Of its text where it is not UTF-8.
        folder: Whether the name tells in a folder only, as ``ratings.csv`` does.
    """

    what: str
    name: str
    columns: tuple[str, ...] = ()
    encoding: str | None = None
    folder: bool = False

    def fits(self, file: Path) -> bool:
        """Whether a file has the name."""
        return re.fullmatch(self.name, bare_name(file)) is not None


class Published(TableReader):
    """A data set known by the names of its files.

    Attributes:
        layouts: Its tables, the one to take first when a folder has several.
        beside: Pattern of files of which one must lie in a folder too, for names that alone say little; None for none.
    """

    layouts: ClassVar[tuple[Layout, ...]] = ()
    beside: ClassVar[str | None] = None

    def takes(self, path: Path) -> bool:
        if not path.is_dir():
            return any(layout.fits(path) and not layout.folder for layout in self.layouts)
        files = files_in(path)
        known = self.beside is None or any(re.fullmatch(self.beside, bare_name(file)) for file in files)
        return known and any(layout.fits(file) for layout in self.layouts for file in files)

    def found(self, path: Path) -> tuple[Path, Layout]:
        """The file to read and what it is.

        Raises:
            InputError: Several files of a folder are the same table, or none is one.
        """
        if not path.is_dir():
            return path, next((one for one in self.layouts if one.fits(path)), Layout("a table", ""))
        for layout in self.layouts:
            files = [file for file in files_in(path) if layout.fits(file)]
            if len(files) > 1:
                shown = " and ".join(file.name for file in files[:2])
                raise InputError(f"{shown} are both {layout.what}", path=path, hint="name one of them")
            if files:
                return files[0], layout
        raise InputError("the folder holds none of this format's files", path=path, hint="name the file")

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        file, layout = self.found(path)
        return self.table(file, layout, schema, options)

    def table(self, file: Path, layout: Layout, schema: Schema, options: Options) -> Frames:
        """The columns of one table."""
        if inner_suffix(file) in JsonLines.suffixes:
            frames = JsonLines().frames(file, schema, options)
        else:
            options = replace(options, encoding=options.encoding or layout.encoding)
            frames = DelimitedFrames(file, schema, options, layout.columns)
        frames.notes.insert(0, f"{file.name}: {layout.what}")
        return frames


class Filtered(Frames):
    """The rows of a table that count, by rules of its format; what is left out is told.

    Args:
        inner: The table.
        uses: Columns that the rules look at.
        rules: Each rule says of some rows which stay, and how to tell of the others, after their number.
    """

    def __init__(
        self, inner: Frames, uses: Sequence[str], rules: Iterable[tuple[Callable[[pl.DataFrame], pl.Series], str]]
    ) -> None:
        super().__init__(inner.path, inner.names, inner.sample, inner.notes, inner.header)
        self._inner, self._uses, self._rules = inner, list(uses), list(rules)

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        dropped = [0] * len(self._rules)
        plain = [name for name in ids if name not in self._uses]
        for block in self._inner.blocks(list(dict.fromkeys([*columns, *self._uses])), plain):
            frame, keep = block.frame, pl.repeat(True, len(block.frame), dtype=pl.Boolean, eager=True)
            for place, (rule, _) in enumerate(self._rules):
                stays = rule(frame).fill_null(True)
                dropped[place] += int((keep & ~stays).sum())
                keep &= stays
            at = keep.to_numpy()
            yield Block(frame.filter(keep).select(columns), lambda block=block, at=at: block.line()[at])  # type: ignore[misc]
        told = zip(dropped, self._rules, strict=True)
        self.notes += [f"{self.path.name}: {n:,} {sentence}" for n, (_, sentence) in told if n]

    def builder(self, column: str) -> Builder:
        return self._inner.builder(column)


def bare_name(file: Path) -> str:
    """Name in lower case without that of a compression.

    >>> bare_name(Path("U.data.gz"))
    'u.data'
    """
    name = file.name.lower()
    return name.rpartition(".")[0] if file.suffix.lower() in COMPRESSIONS else name


def files_in(folder: Path) -> list[Path]:
    """Files of a folder in order."""
    return [file for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith(".")]
