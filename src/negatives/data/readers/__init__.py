"""Readers of the formats people have: one small file per format, one table, :data:`registry`.

A row's class says which paths it takes and reads one into a :class:`~negatives.data.table.Table`; where no name tells,
the first lines decide (:mod:`negatives.data.readers.sniff`). Other packages add rows through entry points of the group
``negatives.readers``.
"""

from __future__ import annotations

from negatives.data.readers.base import Reader
from negatives.data.readers.folder import read_path
from negatives.data.readers.formats import reader_of, registry
from negatives.data.readers.table import read_file
from negatives.data.table import Columns

__all__ = ["Columns", "Reader", "read_file", "read_path", "reader_of", "registry"]
