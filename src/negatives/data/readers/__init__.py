"""Readers of the formats people have: one table layer under all tasks, one small file per format.

:func:`read` gives tables by part, whatever the data is: a file, a folder, standard input, or a table of another
library. A row of :data:`registry` says which paths it takes; where no name tells, the first bytes decide. Other
packages add formats through entry points of the group ``negatives.readers``.
"""

from __future__ import annotations

from negatives.data.readers.base import Reader, TableReader
from negatives.data.readers.formats import reader_of, registry
from negatives.data.readers.read import read
from negatives.data.readers.schema import Options, Role, Schema

__all__ = ["Options", "Reader", "Role", "Schema", "TableReader", "read", "reader_of", "registry"]
