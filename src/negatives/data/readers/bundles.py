"""Numbered columns that are one list, as ``negative_1``, ``negative_2`` of Sentence Transformers' n-tuples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from negatives.data.readers import values
from negatives.data.readers.frames import Block, Builder, Frames
from negatives.data.readers.schema import Role, Schema, plain

NUMBERED = re.compile(r"(.*[^\d])\d+")


def bundled(frames: Frames, schema: Schema) -> Frames:
    """The same table with each run of numbered columns as one column of lists, for roles that hold several texts."""
    bundles = {}
    for role in schema:
        members = [name for name in frames.names if _belongs(plain(name), role, schema)]
        if frames.header and role.kind == "texts" and any(plain(name) not in role.names for name in members):
            bundles[role.names[0]] = members
    return BundledFrames(frames, bundles) if bundles else frames


def _belongs(name: str, role: Role, schema: Schema) -> bool:
    if name in role.names:
        return True
    found = NUMBERED.fullmatch(name)
    return found is not None and found[1] in role.names and name not in schema.known


class BundledFrames(Frames):
    """A table some of whose columns are read as one."""

    def __init__(self, inner: Frames, bundles: Mapping[str, Sequence[str]]) -> None:
        self._inner, self._bundles = inner, bundles
        self._role_name = {member: name for name, members in bundles.items() for member in members}
        names = list(dict.fromkeys(self._role_name.get(name, name) for name in inner.names))
        super().__init__(inner.path, names, self._together(inner.sample, names), inner.notes, inner.header)

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        wanted = [member for name in columns for member in self._bundles.get(name, (name,))]
        for block in self._inner.blocks(wanted, ids):
            yield Block(self._together(block.frame, columns), block.line)

    def builder(self, column: str) -> Builder:
        return self._inner.builder(column)

    def _together(self, frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """The columns of some names, bundles as lists without what is missing."""
        found = []
        for name in names:
            members = self._bundles.get(name)
            if members is None:
                found.append(frame[name])
            else:
                lists = frame.select(values.text_lists(frame[member]).alias(member) for member in members)
                found.append(lists.select(pl.concat_list(members).alias(name))[name])
        return pl.DataFrame(found)
