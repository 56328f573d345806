"""What a reader is: a format, which paths are in it, and how one becomes a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from negatives.data.readers.blocks import inner_suffix
from negatives.data.table import Columns, Table


class Reader(ABC):
    """One format.

    Attributes:
        suffixes: Endings of its files in lower case, that of a compression not counted; empty where a file's name
            does not tell.
        marker: File by whose name a folder in this format is known; None where it is a format of files.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    marker: ClassVar[str | None] = None

    def takes(self, path: Path) -> bool:
        """Whether the name of a file, or of a file in a folder, says that it is in this format."""
        if path.is_dir():
            return self.marker is not None and (path / self.marker).is_file()
        return inner_suffix(path) in self.suffixes

    @abstractmethod
    def read(self, path: Path, columns: Columns) -> Table:
        """The table, with notes that say what was taken for what and what was dropped.

        Raises:
            InputError: It cannot be used; names the file, the line and what to do.
        """
