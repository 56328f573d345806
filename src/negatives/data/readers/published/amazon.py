"""Amazon's reviews as the McAuley lab publishes them, 2014, 2018 and 2023.

2014: ``reviews_X_5.json`` with ``reviewerID, asin``; ``ratings_X.csv`` without a header, the user first.
2018: ``X_5.json`` likewise; ``X.csv`` without a header, the item first.
2023: ``X.jsonl`` and ``X.csv``, ``X.train.csv``, ... with a header: ``user_id, parent_asin, rating, timestamp``.
What has names is read by them; only the two tables without a header stand here, known by their first lines.
"""

from __future__ import annotations

import re
from pathlib import Path

from negatives.data.readers.base import TableReader
from negatives.data.readers.delimited import DelimitedFrames
from negatives.data.readers.frames import Frames
from negatives.data.readers.schema import Options, Schema

REVIEWER, PRODUCT, REST = rb"A[0-9A-Z]{11,20}", rb"(?:B[0-9A-Z]{9}|[0-9]{9}[0-9X])", rb",[1-5](?:\.0)?,\d{9,10}\r?"
USER_FIRST = re.compile(REVIEWER + b"," + PRODUCT + REST)
ITEM_FIRST = re.compile(PRODUCT + b"," + REVIEWER + REST)


class AmazonRatings(TableReader):
    """Ratings without a header: ``user,item,rating,time`` (2014) or ``item,user,rating,time`` (2018)."""

    def recognises(self, head: bytes) -> bool:
        return _order(head) is not None

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        from negatives.data.readers.sniff import first_lines

        lines = "\n".join(first_lines(path)[:20]) + "\n"
        names = _order(lines.encode()) or ("user", "item")
        frames = DelimitedFrames(path, schema, options, (*names, "rating", "timestamp"))
        frames.notes.insert(0, f"{path.name}: ratings of Amazon's reviews, the {names[0]} stands first")
        return frames


def _order(head: bytes) -> tuple[str, str] | None:
    """Which of the two stands first, where nine in ten whole lines say the same.

    >>> _order(b"0439893577,A1VXOAVRGKGEAK,5.0,1408579200\\n")
    ('item', 'user')
    """
    lines = head.split(b"\n")[:-1][:20]
    for pattern, names in ((USER_FIRST, ("user", "item")), (ITEM_FIRST, ("item", "user"))):
        if lines and 10 * sum(pattern.fullmatch(line) is not None for line in lines) >= 9 * len(lines):
            return names
    return None
