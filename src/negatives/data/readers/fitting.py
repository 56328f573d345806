"""Which kinds of rows a file can give: the roles that its columns would play, without reading more than its head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from negatives.data.readers.base import TableReader
from negatives.data.readers.beir import is_collection
from negatives.data.readers.formats import asked_reader, name_of, reader_for, reader_of
from negatives.data.readers.frames import Frames
from negatives.data.readers.opening import at_rest, inner_suffix
from negatives.data.readers.parts import files_of, find_parts
from negatives.data.readers.roles import Roles, find_roles
from negatives.data.readers.schema import Options, Schema, plain
from negatives.data.readers.sniff import first_lines, looks_like_features, mostly_whole, without_comments
from negatives.errors import InputError, NegativesError

PROSE = ("", ".txt", ".text", ".tokens", ".svm", ".libsvm")
"""Endings of files that may hold running text, or features by their number."""
COLLECTION, FEATURES, TEXT = "collection", "sparse features", "running text"
LAYOUTS: Mapping[str, Callable[[Schema], bool]] = {
    COLLECTION: lambda schema: "positive" in schema,
    FEATURES: lambda schema: any(role.kind == "labels" for role in schema),
    TEXT: lambda schema: len(schema.roles) == 1,
}
"""What is no table of rows, and whose rows it stands for; the tasks' loaders alone read it."""
HEAD = 100
"""Rows that are looked at to tell names from texts."""
FEW = 4
"""Columns up to which their number alone tells no published layout."""
LEAST_TEXT, WORDY = 2, 4
"""Words of a cell, on average, below which a column holds no texts, and above which it holds no names."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a file fits a kind of rows.

    Args:
        schema: The kind.
        roles: Column of each role; None where the format alone decides, or nothing fits.
        fault: Why it does not fit; None where it does.
        named: Roles that the names of columns, or the format, decide.
        places: Sum of the places of these names in the lists of their roles, the likeliest first.
        unused: Columns that no role has.
        format: Name of the format.
    """

    schema: Schema
    roles: Roles | None = None
    fault: str | None = None
    named: int = 0
    places: int = 0
    unused: int = 0
    format: str = ""

    @property
    def rank(self) -> tuple[bool, bool, int, int, int, bool]:
        """The larger, the better it fits: needed roles known by name, most names, few columns left, likely names, and
        the usual ones of two tasks whose rows are the same."""
        whole = self.named >= len(self.schema.needed)
        return self.fault is None, whole, self.named, -self.unused, -self.places, not self.schema.second

    def __str__(self) -> str:
        if self.fault is not None:
            return f"no: {self.fault}"
        if self.roles is None:
            return "by its format"
        why = ", ".join(f"{role} = {column} ({self.roles.why[role]})" for role, column in self.roles.columns.items())
        return why + (f"; {self.unused} column{'s' * (self.unused > 1)} not used" if self.unused else "")


@dataclass(slots=True)
class Fitting:
    """A path whose kind of rows is asked for.

    Args:
        path: A file or folder, or ``-``.
        options: What the caller says about it.
    """

    path: Path
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self.path = at_rest(self.path)

    def fits(self, schemas: Mapping[str, Schema]) -> dict[str, Fit]:
        """How well the path fits each kind, the best first.

        Args:
            schemas: Kinds of rows by the name of what wants them.
        """
        found = {name: self.fit(schema) for name, schema in schemas.items()}
        return dict(sorted(found.items(), key=lambda one: one[1].rank, reverse=True))

    def fit(self, schema: Schema) -> Fit:
        """How well the path fits one kind."""
        try:
            return self._of(schema)
        except NegativesError as error:
            return Fit(schema, fault=str(error).removeprefix(f"{self.path}").lstrip(":, "))

    def _layout(self) -> str | None:
        """A layout that is known by more than columns; None for tables."""
        if is_collection(self.path):
            return COLLECTION
        file = self.path if self.path.is_file() else self._train()
        if file is None or inner_suffix(file) not in PROSE:
            return None
        lines = without_comments(first_lines(file))
        if looks_like_features(lines):
            return FEATURES
        return TEXT if is_prose(lines) else None

    def _train(self) -> Path | None:
        """The first file of a folder's training part, where there is one."""
        try:
            return None if reader_of(self.path) else find_parts(self.path)["train"][0]
        except InputError:
            return None

    def _first(self, schema: Schema) -> Path:
        """The first file of the training part; in a folder without one, that which is called after the rows.

        Raises:
            InputError: There is none.
        """
        try:
            return find_parts(self.path, schema.what)["train"][0]
        except InputError:
            named = [one for one in files_of(self.path) if one.name.lower().startswith(f"{schema.what}s")]
            if len(named) != 1:
                raise
            return named[0]

    def _of(self, schema: Schema) -> Fit:
        if any(role not in schema for role in self.options.columns):
            return Fit(schema, fault="a column was named for a role that it has not")
        if self.options.format is None and (name := self._layout()) is not None:
            fault = None if LAYOUTS[name](schema) else f"{name}, no table of {schema.what}s"
            return Fit(schema, fault=fault, named=len(schema.needed), format=name)
        folder = (asked_reader(self.options) or reader_of(self.path)) if self.path.is_dir() else None
        file = self.path if folder else self._first(schema)
        reader = folder or reader_for(file, schema, self.options)
        if not isinstance(reader, TableReader):
            fault = None if reader.fits(schema) else "the format has not its roles"
            return Fit(schema, fault=fault, named=len(schema.needed), format=name_of(reader))
        frames = reader.frames(file, schema, self.options)
        roles = find_roles(frames, schema, self.options)
        published = not frames.header and len(frames.names) > FEW and len(frames.names) in map(len, schema.layouts)
        named = len(roles.why) if published else sum(why in ("asked", "name") for why in roles.why.values())
        places = sum(
            role.names.index(plain(roles.columns[role.name])) for role in schema if roles.why.get(role.name) == "name"
        )
        fault = _unlike(frames, roles, schema)
        return Fit(schema, roles, fault, named, places, len(roles.skipped), name_of(reader))


def _unlike(frames: Frames, roles: Roles, schema: Schema) -> str | None:
    """Why columns can hardly play their roles: bare names are no texts, and texts are no names.

    A column is doubted that no name decides; columns of texts together, whatever decides.
    """
    texts: list[bool] = []
    for role in schema:
        column = roles.columns.get(role.name)
        if column is None or roles.why[role.name] == "asked" or frames.sample[column].dtype.is_nested():
            continue
        cells = [str(cell) for cell in frames.sample[column].drop_nulls().head(HEAD)]
        words, guessed = sum(len(cell.split()) for cell in cells), roles.why[role.name] == "order"
        if role.kind in ("text", "texts"):
            texts.append(words >= LEAST_TEXT * len(cells))
            if guessed and not texts[-1]:
                return f"{column} holds no texts"
        if role.kind == "id" and guessed and words > WORDY * len(cells):
            return f"{column} holds texts, not names"
    return "no column holds texts" if texts and not any(texts) else None


def is_prose(lines: list[str]) -> bool:
    """Whether lines are running text: words between blanks, as many as come, and no list of numbers.

    >>> is_prose(["The cat sat on the mat.", "It slept"]), is_prose(["1 2 3", "2 5"]), is_prose(["a\\tb", "c\\td"])
    (True, False, False)
    """
    rows = [line.split() for line in lines]
    if any("\t" in line for line in lines) or mostly_whole(rows) or lines[0][:1] in "{[":
        return False
    widths = {len(row) for row in rows}
    commas = {line.count(",") for line in lines}
    return len(widths) > 1 and (len(commas) > 1 or commas == {0}) and max(widths) > 2
