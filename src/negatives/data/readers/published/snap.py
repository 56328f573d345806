"""Graphs of SNAP: comments on top say the direction and how many nodes and edges there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from negatives.data.readers.base import TableReader
from negatives.data.readers.delimited import DelimitedFrames
from negatives.data.readers.frames import Block, Frames
from negatives.data.readers.schema import Options, Schema

EDGES = re.compile(r"^#.*\bEdges:\s*(\d{1,18})", re.MULTILINE | re.IGNORECASE)
DIRECTION = re.compile(r"^#\s*(un)?directed graph", re.MULTILINE | re.IGNORECASE)


class Snap(TableReader):
    """``# Nodes: 5 Edges: 8`` above lines ``source target``."""

    def recognises(self, head: bytes) -> bool:
        return EDGES.search(_comments(head)) is not None

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        from negatives.data.readers.sniff import first_lines

        top = _comments("\n".join(first_lines(path, options.encoding)[:50]).encode())
        edges, direction = EDGES.search(top), DIRECTION.search(top)
        return Counted(
            path, schema, options, int(edges[1]) if edges else None, None if direction is None else not direction[1]
        )


class Counted(DelimitedFrames):
    """Edges whose number the comments state.

    Args:
        path: The file.
        schema: What the task wants of a row.
        options: What the caller says.
        edges: Stated number, or None.
        directed: Stated direction, or None.
    """

    def __init__(self, path: Path, schema: Schema, options: Options, edges: int | None, directed: bool | None) -> None:
        super().__init__(path, schema, options)
        self._edges = edges
        if "source" in schema and directed is not None:
            if directed:
                told = "its links have a direction, which counts with --set reading.directed=true"
            else:
                told = "its links have no direction"
            self.notes.append(f"{path.name}: a graph of SNAP, {told}")

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        seen = 0
        for block in super().blocks(columns, ids):
            seen += len(block.frame)
            yield block
        if self._edges is not None and seen != self._edges:
            cut = "; it may be cut off" if seen < self._edges else ""
            self.notes.append(f"{self.path.name}: its comments say {self._edges:,} edges, {seen:,} follow{cut}")


def _comments(head: bytes) -> str:
    """The comments on top."""
    lines = head.decode(errors="replace").split("\n")
    first = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(lines[:first])
