"""Readers of the formats people have: one small file per format, one literal table.

``READERS`` maps a layout to a function ``(path, columns) -> Table``; ``EXTENSIONS`` says which layout an
extension stands for; where it stands for none, the first lines decide (:mod:`negatives.data.readers.sniff`).
"""

from __future__ import annotations

from negatives.data.readers.folder import read_path
from negatives.data.readers.table import EXTENSIONS, READERS, read_file
from negatives.data.table import Columns

__all__ = ["EXTENSIONS", "READERS", "Columns", "read_file", "read_path"]
