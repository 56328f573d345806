"""What a reader is: a format, which paths are in it, and how one becomes a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, final

from negatives.data.readers.frames import Frames
from negatives.data.readers.gather import gathered
from negatives.data.readers.opening import inner_suffix
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError


class Reader(ABC):
    """One format.

    Attributes:
        suffixes: Endings of its files in lower case, that of a compression not counted; empty where a file's name
            does not tell.
        marker: File by whose name a folder in this format is known; None where it is a format of files.
        gives: Roles that the format has; None where they follow from the columns of the file.
        loose: Whether its suffixes say little, so that a format that recognises the first bytes goes before it.
        stray: Whether its files lie beside data of other formats, as models do; in a folder they are data only where
            their name is that of a part.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    marker: ClassVar[str | None] = None
    gives: ClassVar[frozenset[str] | None] = None
    loose: ClassVar[bool] = False
    stray: ClassVar[bool] = False

    def takes(self, path: Path) -> bool:
        """Whether the name of a file, or of a file in a folder, says that it is in this format."""
        if path.is_dir():
            return self.marker is not None and (path / self.marker).is_file()
        return inner_suffix(path) in self.suffixes

    def recognises(self, head: bytes) -> bool:
        """Whether the first bytes of a file, unpacked, say that it is in this format whatever its name."""
        return False

    def fits(self, schema: Schema) -> bool:
        """Whether the format has all that a row needs."""
        return self.gives is None or all(role.name in self.gives for role in schema.needed)

    @final
    def parts(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        """Tables by part, ``train`` always among them.

        Raises:
            InputError: The format has not what the rows need; or as :meth:`read`.
        """
        if not self.fits(schema):
            lacks = ", ".join(role.name for role in schema.needed if role.name not in (self.gives or ()))
            raise InputError(
                f"this format has no {lacks}, which a {schema.what} needs", path=path, hint=f"give {schema.example}"
            )
        return self.divided(path, schema, options)

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        """Tables by part; a format whose folders hold several parts says which."""
        return {"train": self.read(path, schema, options)}

    @abstractmethod
    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        """The table, with notes that say what was taken for what and what was dropped.

        Raises:
            InputError: It cannot be used; names the file, the line and what to do.
        """


class TableReader(Reader):
    """A format of tables, in which columns have names: any task can read it."""

    @final
    def read(self, path: Path, schema: Schema, options: Options) -> Table:
        return gathered(self.frames(path, schema, options), schema, options)

    @abstractmethod
    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        """The columns of the file.

        Raises:
            InputError: It cannot be read.
        """
